//! EDGE: tells systemd that the program is ready, and that its loop still turns (`Type=notify`, `WatchdogSec=`): a loop
//! that hangs is killed and started again. The protocol is sd_notify(3): lines of text as one datagram to the UNIX socket
//! in `NOTIFY_SOCKET`. Without that variable, that is without systemd, every call does nothing. `run` calls it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Pause before a beat that could not be sent is tried again. Much shorter than any sensible watchdog, and long enough
/// that a full socket does not make the loop spin.
const RETRY: Duration = Duration::from_millis(200);

/// The line to whoever started the program; does nothing where nobody listens.
#[derive(Debug, Default)]
pub struct Notify {
    line: Option<(UnixDatagram, SocketAddr)>,
    /// Half of `WatchdogSec=`, as sd_watchdog_enabled(3) recommends; none where no watchdog is set.
    interval: Option<Duration>,
    /// When the next beat has to leave; none before `ready` and where no watchdog is set.
    due: Option<Instant>,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. What cannot be understood or opened is logged, and the
    /// program goes on without: systemd then says itself that it waited in vain.
    pub fn from_env() -> Self {
        Self::new(|name| env::var_os(name), std::process::id())
    }

    fn new(env: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let Some(path) = env("NOTIFY_SOCKET") else { return Self::default() };
        match open(&path) {
            Ok(line) => Self { line: Some(line), interval: interval(env, pid), due: None },
            Err(error) => {
                log::warn!("cannot talk to systemd at NOTIFY_SOCKET={}: {error}", path.display());
                Self::default()
            }
        }
    }

    /// Everything is bound and the loop begins. Beats are due from now on.
    pub fn ready(&mut self, now: Instant) {
        if self.send("READY=1\n") {
            log::debug!("told systemd that we are ready; watchdog beat: {:?}", self.interval);
        }
        self.due = self.interval.map(|interval| now + interval);
    }

    /// Sends a sign of life if one is due. Call it in every turn; costs one comparison otherwise.
    pub fn beat(&mut self, now: Instant) {
        let (Some(due), Some(interval)) = (self.due, self.interval) else { return };
        if now < due {
            return;
        }
        let pause = if self.send("WATCHDOG=1\n") { interval } else { RETRY.min(interval) };
        self.due = Some(now + pause);
    }

    /// When [`Self::beat`] has to be called next, so that an idle loop wakes up for it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The program ends on purpose and says goodbye to its viewers.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1\n");
        self.due = None;
    }

    /// True if the kernel took it. The socket does not block: systemd may be busy, the picture may not wait for it.
    fn send(&self, state: &str) -> bool {
        let Some((socket, address)) = &self.line else { return false };
        let sent = socket.send_to_addr(state.as_bytes(), address);
        if let Err(error) = &sent {
            log::debug!("cannot tell systemd {}: {error}", state.trim_end());
        }
        sent.is_ok()
    }
}

fn open(path: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.as_bytes() {
        // "@name" stands for a name in the abstract namespace, which begins with a zero byte.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(path)?,
        _ => return Err(io::Error::other("not an absolute path and no abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// How often to beat; none if the watchdog is off or meant for another process.
fn interval(env: impl Fn(&str) -> Option<OsString>, pid: u32) -> Option<Duration> {
    let number = |name| env(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    let meant = env("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(pid));
    number("WATCHDOG_USEC").filter(|usec| meant && *usec > 0).map(|usec| Duration::from_micros(usec / 2))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PID: u32 = 77;

    /// A listener on an abstract name of this test's own, and a `Notify` that was given it.
    fn pair(test: &str, extra: &[(&str, &str)]) -> (UnixDatagram, Notify) {
        let name = format!("windshield-{test}-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let socket = format!("@{name}");
        let env = |wanted: &str| {
            let mut all = extra.iter().chain([("NOTIFY_SOCKET", socket.as_str())].iter()).copied().collect::<Vec<_>>();
            all.retain(|(key, _)| *key == wanted);
            all.first().map(|(_, value)| OsString::from(value))
        };
        (listener, Notify::new(env, PID))
    }

    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 64];
        std::iter::from_fn(|| listener.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into()))
            .collect()
    }

    #[test]
    fn without_systemd_nothing_is_due_and_nothing_fails() {
        let now = Instant::now();
        let mut notify = Notify::new(|_| None, PID);
        notify.ready(now);
        notify.beat(now + Duration::from_secs(3600));
        notify.stopping();
        assert_eq!(notify.poll_timeout(), None);
    }

    #[test]
    fn it_beats_twice_in_each_watchdog_interval_and_no_more() {
        let (listener, mut notify) = pair("beat", &[("WATCHDOG_USEC", "10000000"), ("WATCHDOG_PID", "77")]);
        let start = Instant::now();
        notify.beat(start + Duration::from_secs(60));
        assert_eq!(heard(&listener), [""; 0], "not before it is ready");
        notify.ready(start);
        for tenth in 0..=100 {
            notify.beat(start + Duration::from_millis(100 * tenth));
        }
        assert_eq!(heard(&listener), ["READY=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n"]);
        assert_eq!(notify.poll_timeout(), Some(start + Duration::from_secs(15)));
        notify.stopping();
        assert_eq!(heard(&listener), ["STOPPING=1\n"]);
        assert_eq!(notify.poll_timeout(), None);
    }

    #[test]
    fn a_beat_that_got_lost_is_tried_again_soon_and_does_not_spin() {
        let (listener, mut notify) = pair("lost", &[("WATCHDOG_USEC", "10000000")]);
        let start = Instant::now();
        notify.ready(start);
        drop(listener);
        let due = start + Duration::from_secs(5);
        notify.beat(due);
        assert_eq!(notify.poll_timeout(), Some(due + RETRY));
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        for extra in [
            &[("WATCHDOG_USEC", "10000000"), ("WATCHDOG_PID", "78")][..],
            &[("WATCHDOG_USEC", "0")],
            &[("WATCHDOG_USEC", "soon")],
            &[],
        ] {
            let (listener, mut notify) = pair("other", extra);
            notify.ready(Instant::now());
            assert_eq!(notify.poll_timeout(), None, "{extra:?}");
            assert_eq!(heard(&listener), ["READY=1\n"]);
        }
    }

    #[test]
    fn a_socket_that_cannot_be_is_not_fatal() {
        for path in ["", "relative", "@", "/nowhere/at/all"] {
            let mut notify = Notify::new(|name| (name == "NOTIFY_SOCKET").then(|| path.into()), PID);
            notify.ready(Instant::now());
        }
    }
}
