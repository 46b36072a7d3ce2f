//! EDGE: waiting and clocks for the measuring tools: one `ppoll` to the microsecond (mio rounds up to milliseconds), the two
//! clocks that stamps are compared in, and an absolute sleep.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// Waits until one of `fds` can be read or `until` is there. Says which can; all false at `until`.
///
/// # Errors
/// What ppoll(2) says, interruptions aside.
pub fn wait<const N: usize>(fds: [RawFd; N], until: Option<Instant>) -> io::Result<[bool; N]> {
    let mut set = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    wait_slice(&mut set, until)?;
    Ok(set.map(|p| p.revents != 0))
}

/// The same for a number of descriptors known at run time.
///
/// # Errors
/// What ppoll(2) says, interruptions aside.
pub fn wait_slice(set: &mut [libc::pollfd], until: Option<Instant>) -> io::Result<()> {
    let timeout = until.map(|at| at.saturating_duration_since(Instant::now())).map(timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the set and its length belong together; the time-out lives in this frame or is null; no signal mask.
    let ready = unsafe { libc::ppoll(set.as_mut_ptr(), set.len() as libc::nfds_t, timeout, std::ptr::null()) };
    match ready {
        0.. => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {
                set.iter_mut().for_each(|p| p.revents = 0);
                Ok(())
            }
            error => Err(error),
        },
    }
}

/// Sleeps until `at`.
pub fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// Nanoseconds of CLOCK_REALTIME: what the kernel stamps datagrams with.
pub fn realtime_ns() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// Nanoseconds of CLOCK_MONOTONIC: the clock of browsers.
pub fn monotonic_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(which: libc::clockid_t) -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a writable timespec and a clock that every Linux has.
    unsafe { libc::clock_gettime(which, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec { tv_sec: duration.as_secs() as _, tv_nsec: duration.subsec_nanos() as _ }
}
