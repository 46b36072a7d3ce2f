//! The stamps of frames on their way to a page: gathered until they are worth a message. Pure, allocates nothing;
//! `viewer` owns one each and sends what it takes out.

use std::time::{Duration, Instant};

use crate::frame::Stamps;
use crate::message::STAMPS_MOST;

/// With a frame, the page is told if the oldest record is so old: some five messages a second, and a person reads no
/// figure that changes faster.
const AFTER: Duration = Duration::from_millis(180);

/// Without one, at this age: pictures come slower than three a second, or no more. Later than a frame after [`AFTER`], so
/// that the loop is not woken for it while they come.
const ALONE: Duration = Duration::from_millis(400);

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

    /// When the page is to be told though no frame comes; none while there is nothing to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + ALONE)
    }

    /// What the page is to be told, if it is time; a frame was just sent if `after_frame`. Forgotten then: a message that
    /// is lost is not worth another.
    pub(super) fn take(&mut self, now: Instant, after_frame: bool) -> Option<([Stamps; STAMPS_MOST], usize)> {
        let oldest = self.oldest?;
        let age = if after_frame { AFTER } else { ALONE };
        if self.count < STAMPS_MOST && now < oldest + age {
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
        assert_eq!(report.due(), Some(start + ALONE));
        assert!(report.take(start + ALONE - Duration::from_millis(1), false).is_none());
        assert!(report.take(start + AFTER - Duration::from_millis(1), true).is_none());
        let (records, count) = report.take(start + AFTER, true).unwrap();
        assert_eq!(records[..count], [stamps(1), stamps(2)]);
        assert_eq!(report.due(), None, "told once");
    }

    #[test]
    fn a_full_message_does_not_wait_and_keeps_the_newest() {
        let (mut report, now) = (Report::default(), Instant::now());
        for n in 0..STAMPS_MOST as u32 + 2 {
            report.add(now, stamps(n));
        }
        let (records, count) = report.take(now, false).unwrap();
        assert_eq!(count, STAMPS_MOST);
        assert_eq!((records[0].rtp_time, records[count - 1].rtp_time), (2, STAMPS_MOST as u32 + 1));
    }
}
