//! EDGE: the public TCP socket. Binds both families, and accepts without ever giving up: an error that passes
//! (no free file descriptor) makes it pause and try again. Which connections stay is the gate's decision.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel keeps for us between two turns; whoever comes beyond it has to send its SYN again, after
/// 1 s, then 3. The kernel takes at most net.core.somaxconn, 4,096 by default.
const BACKLOG: i32 = 4096;
/// Pause after an accept error. Long enough not to spin, short enough to be back within the second a viewer waits.
const PAUSE: Duration = Duration::from_millis(50);
/// Accept errors are logged once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The public listener.
pub(in crate::signal) struct Listener {
    pub(super) socket: TcpListener,
    local: SocketAddr,
    /// epoll tells about new connections once; this remembers that there may be more.
    pending: bool,
    paused_until: Option<Instant>,
    warned_at: Option<Instant>,
}

impl Listener {
    /// Binds `address`; the unspecified IPv6 address takes IPv4 as well, and becomes 0.0.0.0 where IPv6 is off.
    ///
    /// # Errors
    /// A sentence that names address and port and says what to do.
    pub(in crate::signal) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match open(address) {
            Err(e) if is_any_v6(address) && ipv6_is_off(&e) => {
                log::info!("IPv6 is off on this machine ({e}); listening on IPv4 only");
                open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
            }
            other => other,
        }
        .map_err(|e| io::Error::new(e.kind(), sentence(address, &e)))?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, pending: true, paused_until: None, warned_at: None })
    }

    pub(in crate::signal) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The poll said that there are connections.
    pub(super) fn ready(&mut self) {
        self.pending = true;
    }

    /// Try again a little later, although connections wait.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_until = Some(now + PAUSE);
    }

    /// When to call [`Listener::accept`] even without word from the poll.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.pending.then(|| self.paused_until.unwrap_or(now))
    }

    /// The next connection; `None` when there is none, or none can be had now.
    pub(super) fn accept(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        while self.pending {
            match self.socket.accept() {
                Ok((stream, peer)) => return Some((stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.pending = false,
                // accept(2): errors of the new connection itself; the next one may be sound.
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(e) => {
                    if self.warned_at.is_none_or(|at| now.duration_since(at) >= WARN_EVERY) {
                        log::warn!("cannot accept a connection on {}: {e}; trying again", self.local);
                        self.warned_at = Some(now);
                    }
                    self.pause(now);
                    return None;
                }
            }
        }
        None
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if is_any_v6(address) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run in TIME_WAIT; on Linux this lets nobody else in.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn is_any_v6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn ipv6_is_off(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// What a person hears when the address cannot be had.
fn sentence(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: port {port} is in use by another program; stop that program (to see it: ss -ltnp \
             'sport = :{port}') or choose another port with --http"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen on {address}: ports below 1024 need special rights; choose a port above with --http")
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {address}: this machine has no such address; choose one of its own with --http (ip addr \
             lists them), or [::]:{port} for all"
        ),
        _ => format!("cannot listen on {address}: {error}; choose another address or port with --http"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = first.local_addr().port();
        let error = Listener::bind(first.local_addr()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let text = error.to_string();
        assert!(text.contains(&format!("port {port} is in use")) && text.contains("--http"), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_the_way_out() {
        let error = Listener::bind("192.0.2.1:0".parse().unwrap()).err().unwrap();
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn a_paused_listener_asks_to_be_woken() {
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let now = Instant::now();
        assert!(listener.accept(now).is_none());
        assert_eq!(listener.deadline(now), None);
        listener.ready();
        listener.pause(now);
        assert_eq!(listener.deadline(now), Some(now + PAUSE));
        assert!(listener.accept(now + PAUSE).is_none());
        assert_eq!(listener.deadline(now + PAUSE), None);
    }
}
