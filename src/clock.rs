//! EDGE: the clock. `CLOCK_MONOTONIC` in microseconds, the time base of drivers' stamps, of RTP and of the car's
//! answers to the page. Logic never reads it: `run.rs` reads it once per turn and hands `now` down.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A point on `CLOCK_MONOTONIC`, in microseconds since an unspecified start (on Linux: boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// The clock, now. Only edges call this.
    pub fn now() -> Self {
        let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `ts` is a valid, writable timespec; CLOCK_MONOTONIC always exists on Linux.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
        Self(ts.tv_sec as u64 * 1_000_000 + ts.tv_nsec as u64 / 1_000)
    }

    /// The same point as `instant`: `Instant` is the same clock on Linux but hides its number, so one pair is
    /// taken at first use and everything else is arithmetic (also for the virtual time of tests).
    pub fn of(instant: Instant) -> Self {
        static ANCHOR: OnceLock<(Instant, Micros)> = OnceLock::new();
        let &(at, micros) = ANCHOR.get_or_init(|| (Instant::now(), Self::now()));
        match instant.checked_duration_since(at) {
            Some(later) => Self(micros.0 + later.as_micros() as u64),
            None => Self(micros.0.saturating_sub(at.duration_since(instant).as_micros() as u64)),
        }
    }

    /// Time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This point in RTP's 90 kHz video clock (RFC 6184 section 5.1), modulo 2^32.
    pub fn rtp_90khz(self) -> u32 {
        // x * 90 / 1000 without overflow in 2^64 for 65,000 years.
        (self.0 * 9 / 100) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_and_its_micros_advance_alike() {
        let now = Instant::now();
        let a = Micros::of(now);
        let after = Micros::of(now + Duration::from_millis(20)).since(a).as_micros();
        let before = a.since(Micros::of(now - Duration::from_millis(20))).as_micros();
        for us in [after, before] {
            assert!((19_999..=20_001).contains(&us), "{us} us, rounding aside 20,000");
        }
    }

    #[test]
    fn a_second_is_ninety_thousand_ticks() {
        let a = Micros(1_000_000);
        assert_eq!(Micros(2_000_000).rtp_90khz().wrapping_sub(a.rtp_90khz()), 90_000);
    }
}
