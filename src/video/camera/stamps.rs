//! When a picture was taken, by what a driver says of it, which may be nothing, the future, or the past again; and
//! whether frames are missing, by how the driver counts them. Pure.

use std::time::Duration;

use super::super::v4l2::ring::Clock;
use crate::clock::Micros;

/// A driver's time that lies further back is none: no queue of ours holds a picture so long.
const OLDEST: Duration = Duration::from_secs(5);

/// Two pictures are never stamped closer than this: RTP's clock must tell them apart, and it ticks every 11 us.
const APART: u64 = 100;

/// Maps a driver's stamps to CLOCK_MONOTONIC.
#[derive(Debug, Default)]
pub(in crate::video) struct Stamps {
    last: Option<Micros>,
}

impl Stamps {
    /// When the picture was taken that was dequeued at `now`. Always later than the one before, and not later than
    /// `now` except by what that takes.
    pub(in crate::video) fn map(&mut self, clock: Clock, stamp: Micros, now: Micros) -> Micros {
        // Stamps of vivid lie up to a frame ahead; a picture from the future is one of now.
        let told = match clock {
            Clock::Monotonic | Clock::Copied if stamp.0 != 0 && now.since(stamp) <= OLDEST => stamp.min(now),
            Clock::Monotonic | Clock::Copied | Clock::Unknown => now,
        };
        let earliest = self.last.map_or(Micros(0), |last| Micros(last.0 + APART));
        let captured = told.max(earliest);
        self.last = Some(captured);
        captured
    }
}

/// Finds holes in a driver's count of frames (v4l2_buffer.sequence).
#[derive(Debug, Default)]
pub(in crate::video) struct Sequence {
    last: Option<u32>,
    /// It has counted one by one at least once: some drivers count fields, or not at all.
    by_one: bool,
}

impl Sequence {
    /// How many frames are missing before this one.
    pub(in crate::video) fn missing_before(&mut self, sequence: u32) -> u32 {
        let step = self.last.map(|last| sequence.wrapping_sub(last));
        self.last = Some(sequence);
        match step {
            Some(1) => {
                self.by_one = true;
                0
            }
            // Beyond that it has begun anew, or went back.
            Some(step @ 2..=0x00ff_ffff) if self.by_one => step - 1,
            _ => 0,
        }
    }

    /// The stream was started again: so is the count.
    pub(in crate::video) fn restart(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_stamp_of_the_monotonic_clock_is_taken_as_it_is() {
        let mut stamps = Stamps::default();
        assert_eq!(stamps.map(Clock::Monotonic, Micros(10 * SECOND), Micros(10 * SECOND + 7)), Micros(10 * SECOND));
    }

    #[test]
    fn stamps_of_zero_of_another_clock_of_the_future_and_of_long_ago_are_now() {
        let now = Micros(100 * SECOND);
        for (clock, stamp) in [
            (Clock::Monotonic, 0),
            (Clock::Unknown, 99 * SECOND),
            (Clock::Monotonic, 101 * SECOND),
            (Clock::Monotonic, u64::MAX),
            (Clock::Copied, 0),
            (Clock::Monotonic, 3),
        ] {
            assert_eq!(Stamps::default().map(clock, Micros(stamp), now), now, "{clock:?} {stamp}");
        }
    }

    #[test]
    fn time_never_stands_still_or_goes_back() {
        let mut stamps = Stamps::default();
        let now = Micros(100 * SECOND);
        let mut last = Micros(0);
        for stamp in [99 * SECOND, 99 * SECOND, 98 * SECOND, 200 * SECOND, 200 * SECOND, 0] {
            let captured = stamps.map(Clock::Monotonic, Micros(stamp), now);
            assert!(captured > last && captured.0 <= now.0 + 2 * APART);
            assert_ne!(captured.rtp_90khz(), last.rtp_90khz());
            last = captured;
        }
    }

    #[test]
    fn holes_in_the_count_are_found() {
        let mut sequence = Sequence::default();
        let missing: Vec<_> = [7, 8, 9, 12, 13].map(|n| sequence.missing_before(n)).into();
        assert_eq!(missing, [0, 0, 0, 2, 0]);
        sequence.restart();
        assert_eq!(sequence.missing_before(0), 0);
        assert_eq!(sequence.missing_before(u32::MAX), 0, "backwards");
    }

    #[test]
    fn a_driver_that_counts_otherwise_or_not_at_all_misses_nothing() {
        for step in [0, 2, 30] {
            let mut sequence = Sequence::default();
            assert!((0..9_u32).all(|n| sequence.missing_before(n * step) == 0), "{step}");
        }
    }
}
