//! Which datagrams can leave as one message that the kernel cuts apart again (UDP_SEGMENT of udp(7)), and which
//! destinations go without that for a while. Pure; `udp.rs` asks.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use str0m::net::Transmit;

/// Datagrams in one segmented message: the kernel's UDP_MAX_SEGMENTS (newer kernels: 128).
pub const RUN_MOST: usize = 64;

/// Bytes in one segmented message: it is one IPv4 packet inside the kernel, 65,507 bytes at most with headers off.
const RUN_BYTES: usize = 65_000;

/// How long a destination goes without segmentation after a refusal. The reason (an MTU below a segment, IPsec on the
/// route, a card without checksum offload under older kernels) may go with the route; one refused call a minute is the
/// price of noticing.
const UNSEGMENTED_FOR: Duration = Duration::from_secs(60);

/// Destinations remembered at once: more than viewers a small car can serve. The one whose time ends first makes room.
const UNSEGMENTED_MOST: usize = 64;

/// How many datagrams from the start of `batch` the kernel can take as one message: one source, one destination, one
/// length, of which the last may fall short (udp(7), UDP_SEGMENT).
pub fn run_length(batch: &[Transmit]) -> usize {
    let Some((first, others)) = batch.split_first() else { return 0 };
    let segment = first.contents.len();
    let mut bytes = segment;
    let mut run = 1;
    let mut last = segment;
    for next in others.iter().take(RUN_MOST - 1) {
        let length = next.contents.len();
        let alike = next.destination == first.destination && next.source == first.source;
        bytes += length;
        if !alike || last < segment || length > segment || length == 0 || bytes > RUN_BYTES {
            break;
        }
        last = length;
        run += 1;
    }
    run
}

/// Destinations for which segmentation was refused lately.
#[derive(Debug, Default)]
pub struct Unsegmented {
    held: Vec<(IpAddr, Instant)>,
}

impl Unsegmented {
    /// Whether no destination is held: then the clock need not be read.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether datagrams to `destination` must go one by one.
    pub fn holds(&self, destination: IpAddr) -> bool {
        self.held.iter().any(|&(held, _)| held == destination)
    }

    /// Segmentation was refused for `destination`.
    pub fn hold(&mut self, destination: IpAddr, now: Instant) {
        self.held.retain(|&(held, _)| held != destination);
        if self.held.len() == UNSEGMENTED_MOST {
            // In order of time: the first ends first.
            self.held.remove(0);
        }
        self.held.push((destination, now + UNSEGMENTED_FOR));
    }

    /// Lets go of those whose time is over.
    pub fn expire(&mut self, now: Instant) {
        self.held.retain(|&(_, until)| now < until);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use str0m::net::Protocol;

    use super::*;

    fn datagram(destination: &str, length: usize) -> Transmit {
        Transmit {
            proto: Protocol::Udp,
            source: "127.0.0.1:1".parse().unwrap(),
            destination: destination.parse().unwrap(),
            contents: vec![7; length].into(),
        }
    }

    fn run_of(lengths: &[usize]) -> usize {
        run_length(&lengths.iter().map(|&length| datagram("127.0.0.1:2", length)).collect::<Vec<_>>())
    }

    #[test]
    fn a_run_is_equal_datagrams_and_one_shorter() {
        assert_eq!(run_of(&[1100, 1100, 1100, 300]), 4);
        assert_eq!(run_of(&[1100, 1100, 300, 300]), 3, "nothing follows the shorter one");
        assert_eq!(run_of(&[40, 1100, 1100]), 1, "a longer one begins another");
        assert_eq!(run_of(&[1100, 0, 1100]), 1, "an empty datagram is no segment");
        assert_eq!(run_of(&[0, 0]), 1);
        assert_eq!(run_of(&[1; 100]), RUN_MOST);
        assert_eq!(run_of(&[1200; 100]), RUN_BYTES / 1200);
        let mut two = [datagram("127.0.0.1:2", 9), datagram("127.0.0.1:3", 9)];
        assert_eq!(run_length(&two), 1, "another destination");
        two[1].destination = two[0].destination;
        assert_eq!(run_length(&two), 2);
        two[1].source = "127.0.0.2:1".parse().unwrap();
        assert_eq!(run_length(&two), 1, "another source");
    }

    #[test]
    fn segmentation_is_tried_again_after_a_minute_and_memory_is_bounded() {
        let start = Instant::now();
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        let mut unsegmented = Unsegmented::default();
        unsegmented.hold(ip(1), start);
        unsegmented.hold(ip(1), start);
        unsegmented.expire(start + Duration::from_millis(59_999));
        assert!(unsegmented.holds(ip(1)) && !unsegmented.holds(ip(2)));
        unsegmented.expire(start + Duration::from_secs(60));
        assert!(unsegmented.is_empty());

        for n in 0..100 {
            unsegmented.hold(ip(n), start);
        }
        assert_eq!(unsegmented.held.len(), UNSEGMENTED_MOST);
        assert!(unsegmented.holds(ip(99)) && !unsegmented.holds(ip(0)));
    }
}
