//! EDGE: a timerfd on CLOCK_MONOTONIC that ticks at exact intervals without drift (timerfd_create(2)); the clip paces
//! its frames by it. It counts ticks and knows when each was due; what to do about missed ones is the clip's affair.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::clock::Micros;

/// Ticks from now on, for ever.
#[derive(Debug)]
pub(super) struct Ticker {
    fd: OwnedFd,
    /// When tick 0 was due, in nanoseconds of CLOCK_MONOTONIC.
    first: u64,
    period: u64,
    /// Ticks read so far.
    count: u64,
}

/// What a read of the ticker found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    /// So many came due since the last read; at least 1.
    pub(super) count: u64,
    /// The newest of them was due then.
    pub(super) last: Micros,
    /// Time from tick to tick.
    pub(super) period: Duration,
}

impl Ticker {
    /// The first tick comes at `first`, at once if that is past.
    ///
    /// # Errors
    /// The kernel has no descriptor left.
    pub(super) fn new(first: Instant, period: Duration) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made this descriptor and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut ticker = Self { fd, first: 0, period: 0, count: 0 };
        ticker.set(first, period)?;
        Ok(ticker)
    }

    /// Forgets ticks that were not read, and ticks anew from `first` on.
    ///
    /// # Errors
    /// None is known for a valid period.
    pub(super) fn set(&mut self, first: Instant, period: Duration) -> io::Result<()> {
        // 0 would disarm the timer.
        let first = (Micros::of(first).0 * 1_000).max(1);
        let period = (period.as_nanos() as u64).max(1);
        let time = |ns: u64| libc::timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ };
        let setting = libc::itimerspec { it_interval: time(period), it_value: time(first) };
        // SAFETY: `setting` is a valid itimerspec, the old setting is not asked for, the descriptor is a timerfd of
        // ours.
        let set = unsafe {
            libc::timerfd_settime(self.fd.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &setting, std::ptr::null_mut())
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        (self.first, self.period, self.count) = (first, period, 0);
        Ok(())
    }

    /// The ticks since the last call; None if there was none.
    pub(super) fn ticks(&mut self) -> Option<Ticks> {
        let mut count = [0_u8; 8];
        // SAFETY: the buffer has the 8 bytes that a timerfd delivers, and is writable.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        // Anything else is EAGAIN: no tick. (ECANCELED comes only with clocks that can be set.)
        if read != 8 {
            return None;
        }
        let count = u64::from_ne_bytes(count);
        self.count += count;
        let last = Micros((self.first + (self.count - 1) * self.period) / 1_000);
        Some(Ticks { count, last, period: Duration::from_nanos(self.period) })
    }
}

impl AsRawFd for Ticker {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_piled_up_are_told_with_the_time_the_last_was_due() {
        let period = Duration::from_secs(1);
        // Three and a half seconds ago: ticks 0 to 3 are due, the next is half a second away.
        let first = Instant::now() - Duration::from_millis(3_500);
        let mut ticker = Ticker::new(first, period).unwrap();
        let ticks = ticker.ticks().unwrap();
        assert!(ticks.count >= 4, "{ticks:?}");
        assert_eq!(ticks.last.since(Micros::of(first)).as_secs() + 1, ticks.count);
    }

    #[test]
    fn a_tick_that_lies_ahead_is_not_told() {
        let hour = Duration::from_secs(3600);
        let mut ticker = Ticker::new(Instant::now(), hour).unwrap();
        ticker.set(Instant::now() + hour, hour).unwrap();
        assert_eq!(ticker.ticks(), None);
    }
}
