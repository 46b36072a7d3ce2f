//! What to do when the kernel refuses a datagram: which error calls for which reaction, and how often a person is told.
//! Pure: error numbers and `now` in, decisions out; `udp.rs` asks, on its error path only.

use std::time::{Duration, Instant};

/// At most one line a minute: a stale address would otherwise fill the log at the rate of packets.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What a failed send asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// A signal came between: the same call once more.
    Again,
    /// No room now: the rest of the batch cannot go.
    Blocked,
    /// Perhaps only the segmentation was refused: the same datagrams one by one.
    Single,
    /// These datagrams cannot go, others may.
    Skip,
}

/// The reaction to `errno` (errno(3)) of a send whose first message was `segmented` (UDP_SEGMENT) or not.
///
/// With segments, the kernel says EINVAL where checksums are off, EMSGSIZE (older kernels: EINVAL) where a segment
/// exceeds the MTU (a plain datagram is fragmented instead), EIO where IPsec or (older kernels) a card without checksum offload is in
/// the way, EOPNOTSUPP or ENOPROTOOPT where the option is not known. A source address that is gone says EINVAL as well:
/// only the try without segments tells the two apart.
pub fn reaction(errno: i32, segmented: bool) -> Reaction {
    match errno {
        libc::EINTR => Reaction::Again,
        // ENOBUFS: the kernel is out of buffers, or the send buffer is too small for the datagram's bookkeeping.
        libc::EAGAIN | libc::ENOBUFS => Reaction::Blocked,
        libc::EINVAL | libc::EIO | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::ENOPROTOOPT if segmented => {
            Reaction::Single
        }
        _ => Reaction::Skip,
    }
}

/// Counts what goes wrong and says when it is time to tell.
#[derive(Debug, Default)]
pub struct Complaints {
    told: Option<Instant>,
    untold: u64,
}

impl Complaints {
    /// `count` more went wrong. `Some(n)` when a line is due, `n` being all since the last line.
    pub fn add(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.untold += count;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < COMPLAIN_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_socket_blocks_and_nothing_else_does() {
        for errno in 1..=133 {
            for segmented in [false, true] {
                let blocks = [libc::EAGAIN, libc::EWOULDBLOCK, libc::ENOBUFS].contains(&errno);
                assert_eq!(reaction(errno, segmented) == Reaction::Blocked, blocks, "errno {errno}");
            }
        }
    }

    #[test]
    fn a_refusal_that_may_be_due_to_segments_is_tried_without_once() {
        for errno in [libc::EINVAL, libc::EIO, libc::EMSGSIZE, libc::EOPNOTSUPP, libc::ENOPROTOOPT] {
            assert_eq!(reaction(errno, true), Reaction::Single, "errno {errno}");
            assert_eq!(reaction(errno, false), Reaction::Skip, "errno {errno}");
        }
    }

    #[test]
    fn no_route_and_no_permission_cost_only_their_own_datagrams() {
        for errno in [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EADDRNOTAVAIL, libc::EPERM, libc::ECONNREFUSED] {
            assert_eq!(reaction(errno, true), Reaction::Skip, "errno {errno}");
        }
    }

    #[test]
    fn a_flood_of_errors_is_one_line_a_minute_that_counts_them_all() {
        let start = Instant::now();
        let mut complaints = Complaints::default();
        let due: Vec<_> =
            (0..150).filter_map(|s| complaints.add(2, start + Duration::from_secs(s)).map(|n| (s, n))).collect();
        assert_eq!(due, [(0, 2), (60, 120), (120, 120)]);
    }
}
