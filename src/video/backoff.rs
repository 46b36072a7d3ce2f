//! How long to wait before a program that ended is started again: half a second, doubling up to 8 s, and from the
//! beginning after it ran well for 10 s. Pure; the pipe asks it.

use std::time::{Duration, Instant};

/// Long enough not to burn the CPU on a program that fails at once, short enough to be a hiccup to a driver.
const FIRST: Duration = Duration::from_millis(500);
/// A camera that was plugged in again is seen within this time.
const MOST: Duration = Duration::from_secs(8);
/// A program that lived so long did not fail because of how it was started.
const RAN_WELL: Duration = Duration::from_secs(10);

/// The wait before the next attempt.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Nothing failed yet.
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// An attempt that began at `started` has ended at `now`; the next may begin after the returned time.
    pub(super) fn ended(&mut self, started: Instant, now: Instant) -> Duration {
        if now.saturating_duration_since(started) >= RAN_WELL {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(MOST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_eight_seconds_and_start_over_after_a_good_run() {
        let mut now = Instant::now();
        let mut backoff = Backoff::new();
        let mut waits = Vec::new();
        for lived in [0, 1, 0, 0, 9, 0, 10, 0] {
            let started = now;
            now += Duration::from_secs(lived);
            waits.push(backoff.ended(started, now).as_millis());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 500, 1000]);
    }
}
