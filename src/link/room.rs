//! How much may wait in the socket. What waits there is old when it leaves, so the send buffer is kept at what the largest
//! frame of late needs, all viewers together, and no more. Pure: batches in, sizes out; `outbox` sets them.

use std::net::SocketAddr;

use str0m::net::Transmit;

/// Bytes of SO_SNDBUF for one datagram. The kernel doubles the value it is given (socket(7)) and counts buffers, not
/// payload: 2,304 bytes for a plain datagram of 1,200. Segmented ones take little more than their payload, so the room
/// of a frame then holds two: a keyframe, and the frames that come while it leaves.
const DATAGRAM: usize = 1280;

/// The least, SO_SNDBUF bytes: 12 plain datagrams, for what is no picture, or three frames of 8 kB in segments. With half
/// of it, each keyframe of 22 kB shut out the frames after it, and what came of them were more keyframes (measured).
const LEAST: usize = 16 * 1024;

/// The size changes in steps of this many bytes, so that it does not change with every frame.
const STEP: usize = 4 * 1024;

/// So many rounds a large frame is remembered: two seconds at 30 fps, by which a keyframe has left or the link is lost.
const ROUNDS: u32 = 64;

/// Viewers of one round, more than a small car can serve.
const ROUND_MOST: usize = 64;

/// Follows the pictures that are sent; all else is small. A round is what goes out until a destination comes again: one frame to each viewer.
#[derive(Debug, Default)]
pub struct Room {
    round: Vec<SocketAddr>,
    /// What this round took so far.
    taken: usize,
    /// The largest of late.
    peak: usize,
    /// Rounds since then, and the largest among those.
    rounds: u32,
    next: usize,
    /// What was said last.
    told: usize,
}

impl Room {
    /// To be asked before `batch` is sent: the new SO_SNDBUF in bytes, if it changes.
    pub fn make(&mut self, batch: &[Transmit]) -> Option<usize> {
        let first = batch.first()?;
        if !is_picture(&first.contents) {
            return None;
        }
        let to = first.destination;
        if self.round.len() == ROUND_MOST || self.round.contains(&to) {
            self.end_round();
        }
        self.round.push(to);
        self.taken += batch.len() * DATAGRAM;
        if self.taken >= self.peak {
            (self.peak, self.rounds, self.next) = (self.taken, 0, 0);
        }
        let wanted = self.peak.max(LEAST).next_multiple_of(STEP);
        let changed = wanted != self.told;
        self.told = wanted;
        changed.then_some(wanted)
    }

    fn end_round(&mut self) {
        self.round.clear();
        let taken = std::mem::take(&mut self.taken);
        // The largest itself is not among what came after it.
        if taken < self.peak {
            self.rounds += 1;
            self.next = self.next.max(taken);
        }
        if self.rounds == ROUNDS {
            (self.peak, self.rounds, self.next) = (self.next, 0, 0);
        }
    }
}

/// RTP, neither RTCP nor STUN nor DTLS (RFC 7983 section 7, RFC 5761 section 4).
fn is_picture(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use str0m::net::Protocol;

    use super::*;

    fn batch(viewer: u16, datagrams: usize) -> Vec<Transmit> {
        let datagram = || Transmit {
            proto: Protocol::Udp,
            source: "127.0.0.1:1".parse().unwrap(),
            destination: SocketAddr::from(([127, 0, 0, 1], viewer)),
            contents: vec![128; 1200].into(),
        };
        (0..datagrams).map(|_| datagram()).collect()
    }

    #[test]
    fn a_keyframe_has_its_room_before_it_is_sent_and_for_the_frames_behind_it() {
        let mut room = Room::default();
        assert_eq!(room.make(&batch(1, 8)), Some(LEAST));
        assert_eq!(room.make(&batch(1, 8)), None);
        let keyframe = room.make(&batch(1, 100)).unwrap();
        assert!((100 * 2304 / 2..100 * 2304 / 2 * 6 / 5).contains(&keyframe), "{keyframe}");
        for frame in 0..ROUNDS {
            assert_eq!(room.make(&batch(1, 8)), None, "frame {frame}");
        }
        assert_eq!(room.make(&batch(1, 8)), Some(LEAST), "a link that has not taken it by now takes none");
    }

    #[test]
    fn all_viewers_frames_fit_together_and_room_goes_when_they_go() {
        let mut room = Room::default();
        let mut size = 0;
        for viewer in 1..=5 {
            size = room.make(&batch(viewer, 50)).unwrap_or(size);
        }
        assert!(size >= 5 * 50 * 2304 / 2, "{size}");
        // One stays.
        let sizes: Vec<_> = (0..3 * ROUNDS).filter_map(|_| room.make(&batch(1, 8))).collect();
        assert_eq!(sizes, [LEAST]);
    }

    #[test]
    fn frames_of_about_one_size_do_not_change_it() {
        let mut room = Room::default();
        let changes = (0..1000).filter(|n| room.make(&batch(1, 12 + n % 4)).is_some()).count();
        assert_eq!(changes, 2, "16 KiB hold 12, then 20 KiB hold all");
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let mut room = Room::default();
        for viewer in 0..10_000 {
            room.make(&batch(viewer, 1));
        }
        assert!(room.round.len() <= ROUND_MOST && room.told <= ROUND_MOST * DATAGRAM + STEP);
        assert_eq!(room.make(&[]), None);
    }
}
