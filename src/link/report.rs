//! The stamps of frames on their way to a page: gathered until they are worth a message. Pure, allocates nothing;
//! `viewer` owns one each and sends what it takes out.

use std::time::{Duration, Instant};

use crate::frame::Stamps;
use crate::message::STAMPS_MOST;

/// So old may the oldest record become. Five messages a second cost a Zero about a hundredth of what the picture costs,
/// and a person reads no figure that changes faster.
const AFTER: Duration = Duration::from_millis(200);

/// Stamps of frames that the page has not been told of.
#[derive(Debug, Default)]
pub(super) struct Report {
    records: [Stamps; STAMPS_MOST],
    count: usize,
    oldest: Option<Instant>,
}

impl Report {
    /// One more frame went out, or was cut short.
    pub(super) fn add(&mut self, now: Instant, stamps: Stamps) {
        // Full means that nobody takes: the newest are worth more.
        if self.count == STAMPS_MOST {
            self.records.rotate_left(1);
            self.count -= 1;
        }
        self.records[self.count] = stamps;
        self.count += 1;
        self.oldest.get_or_insert(now);
    }

    /// When the page is to be told; none while there is nothing to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        self.oldest.map(|oldest| if self.count == STAMPS_MOST { oldest } else { oldest + AFTER })
    }

    /// What the page is to be told, if it is time. Forgotten then: a message that is lost is not worth another.
    pub(super) fn take(&mut self, now: Instant) -> Option<([Stamps; STAMPS_MOST], usize)> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.oldest = None;
        Some((self.records, std::mem::take(&mut self.count)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Micros;

    fn stamps(rtp_time: u32) -> Stamps {
        Stamps { rtp_time, captured: Micros(1), sent: Some(Micros(2)), ..Stamps::default() }
    }

    #[test]
    fn a_page_is_told_when_the_oldest_is_old_enough() {
        let (mut report, start) = (Report::default(), Instant::now());
        assert_eq!(report.due(), None);
        report.add(start, stamps(1));
        report.add(start + Duration::from_millis(33), stamps(2));
        assert_eq!(report.due(), Some(start + AFTER));
        assert!(report.take(start + AFTER - Duration::from_millis(1)).is_none());
        let (records, count) = report.take(start + AFTER).unwrap();
        assert_eq!(records[..count], [stamps(1), stamps(2)]);
        assert_eq!(report.due(), None, "told once");
    }

    #[test]
    fn a_full_message_does_not_wait_and_keeps_the_newest() {
        let (mut report, now) = (Report::default(), Instant::now());
        for n in 0..STAMPS_MOST as u32 + 2 {
            report.add(now, stamps(n));
        }
        let (records, count) = report.take(now).unwrap();
        assert_eq!(count, STAMPS_MOST);
        assert_eq!((records[0].rtp_time, records[count - 1].rtp_time), (2, STAMPS_MOST as u32 + 1));
    }
}
