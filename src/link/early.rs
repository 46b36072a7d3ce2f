//! Datagrams that came too early: a browser sends its DTLS ClientHello as soon as *its* check of a path succeeded, when
//! ours may still be under way and no viewer is known at that address. Thrown away, it costs the retransmission timer
//! of DTLS (RFC 9147 section 5.8: up to a second); held and replayed, nothing. Pure; `viewers` calls it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A ClientHello is one or two datagrams; this is room for a handful of viewers joining together.
const HELD: usize = 16;

/// Older ones the browser has repeated by itself.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// A datagram nobody wanted yet.
#[derive(Debug)]
pub struct Held {
    /// Where it came from.
    pub source: SocketAddr,
    /// Which address of ours it came to.
    pub destination: SocketAddr,
    /// What was in it.
    pub bytes: Vec<u8>,
    at: Instant,
}

/// The few held datagrams, oldest first.
#[derive(Debug, Default)]
pub struct Early {
    held: Vec<Held>,
}

impl Early {
    /// Holds the datagram if it is DTLS (first byte 20 to 63, RFC 7983 section 7); the oldest makes room.
    pub fn hold(&mut self, now: Instant, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) -> bool {
        if !bytes.first().is_some_and(|b| (20..=63).contains(b)) {
            return false;
        }
        self.held.retain(|h| now.saturating_duration_since(h.at) < KEPT_FOR);
        if self.held.len() == HELD {
            self.held.remove(0);
        }
        self.held.push(Held { source, destination, bytes: bytes.to_vec(), at: now });
        true
    }

    /// Takes out what came from `source`, in the order it came.
    pub fn take(&mut self, now: Instant, source: SocketAddr) -> Vec<Held> {
        let (taken, kept) = std::mem::take(&mut self.held).into_iter().partition(|h| h.source == source);
        self.held = kept;
        let mut taken: Vec<Held> = taken;
        taken.retain(|h| now.saturating_duration_since(h.at) < KEPT_FOR);
        taken
    }

    /// Holds again what is still too early, with its age.
    pub fn put_back(&mut self, held: Held) {
        self.held.push(held);
    }

    /// Nothing is held: the usual case.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_holds_no_more_than_a_handful_and_time_empties_it() {
        let now = Instant::now();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut early = Early::default();
        assert!(!early.hold(now, at(1), at(2), &[0x80, 1]), "RTP is not held");
        for port in 0..1_000 {
            assert!(early.hold(now, at(port), at(9), &[22, 254, 253]));
        }
        assert_eq!(early.held.len(), HELD);
        assert_eq!(early.take(now, at(999)).len(), 1);
        assert!(early.take(now, at(999)).is_empty(), "taken is taken");
        assert!(early.take(now + KEPT_FOR, at(998)).is_empty(), "stale");
    }
}
