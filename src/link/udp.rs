//! EDGE: the UDP socket. One for all viewers and all addresses of this machine: dual-stack, non-blocking, batched in
//! both directions, and exact about addresses: a datagram's destination is told, and an answer leaves from the address
//! that was asked. Decides nothing about viewers; `run.rs` owns it and lends `viewers` its sending half while the
//! receiving half ([`Inbox`]) hands datagrams over.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;

use mio::unix::SourceFd;
use socket2::{Domain, Socket, Type};

use super::inbox::{Inbox, InboxCounters};
use super::outbox::{Outbox, OutboxCounters};

/// Socket receive buffer, bytes (the kernel doubles it for its bookkeeping and caps it at net.core.rmem_max). Even a
/// small datagram takes up to 2,304 of those: this bears 200 of them, 20 joining viewers, while a frame is on its way.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// Priority of what is sent, socket(7): up to 6 it needs no privilege. The Pi's own radio (brcmfmac) takes it for the
/// class of WMM: 4 and 5 are video, 6 and 7 voice. Other drivers go by DSCP and do not see it. Voice is served first, but
/// packet by packet (no A-MPDU). 5 is the same as 4 on the radio, but last of all in `pfifo_fast`, the kernel's queue
/// before a device: beside an upload on 4 Mbit/s the median age of the picture was 851 ms with 5, 71 ms with 4, 72 ms with
/// 6, 108 ms with none. DSCP stays 0: old firmware of the board's Wi-Fi drops datagrams that have it set, and setting
/// IP_TOS would replace this priority.
const PRIORITY: u32 = 4;

/// The socket.
#[derive(Debug)]
pub struct Udp {
    /// Receives.
    pub inbox: Inbox,
    /// Sends.
    pub outbox: Outbox,
    socket: Rc<Socket>,
    port: u16,
}

impl Udp {
    /// One dual-stack socket on `port` (0: any free one) of all addresses, or an IPv4 one where IPv6 is off, registered
    /// for readability. Readability only: a datagram that cannot be sent now is not sent later.
    ///
    /// # Errors
    /// A sentence: what failed and what to do. SO_REUSEADDR is not set, so that a second program is refused.
    pub fn bind(port: u16, registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        let udp = match Self::open(Domain::IPV6, port) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
                log::info!("IPv6 is off here ({error}); serving IPv4 only");
                Self::open(Domain::IPV4, port)
            }
            bound => bound,
        }
        .map_err(|error| io::Error::new(error.kind(), refused(port, &error)))?;
        registry.register(&mut SourceFd(&udp.socket.as_raw_fd()), token, mio::Interest::READABLE)?;
        Ok(udp)
    }

    fn open(domain: Domain, port: u16) -> io::Result<Self> {
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        let any: IpAddr = if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
            // On a dual-stack socket this tells of IPv4 as well, in v4-mapped form.
            enable(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            enable(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
            Ipv4Addr::UNSPECIFIED.into()
        };
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        // Not for a refusal of this would a car stand still.
        if let Err(error) = socket.set_priority(PRIORITY) {
            log::debug!("no priority for what is sent: {error}");
        }
        socket.bind(&SocketAddr::new(any, port).into())?;
        let port = socket.local_addr()?.as_socket().map_or(port, |bound| bound.port());
        let socket = Rc::new(socket);
        Ok(Self {
            inbox: Inbox::new(Rc::clone(&socket), port),
            outbox: Outbox::new(Rc::clone(&socket), domain, knows_segmentation(&socket)),
            socket,
            port,
        })
    }

    /// The port it is bound to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What came in so far.
    pub fn received(&self) -> InboxCounters {
        self.inbox.counters
    }

    /// What went out so far.
    pub fn sent(&self) -> OutboxCounters {
        self.outbox.counters
    }
}

impl AsFd for Udp {
    /// For options that others care about, and for asking how much is queued; not for sending or receiving.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A header without anything; some C libraries have padding in it that must be zero.
pub(super) fn empty_message() -> libc::mmsghdr {
    // SAFETY: integers and null pointers: all zeros is valid.
    unsafe { mem::zeroed() }
}

/// Switches an option on.
fn enable(socket: &Socket, level: i32, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length are those of `on`. socket2 lacks the pktinfo options.
    let result = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), level, option, value, size_of_val(&on) as _)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel knows UDP_SEGMENT. One that does not would ignore it and send a run as one long datagram.
fn knows_segmentation(socket: &Socket) -> bool {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointers are those of `value` and its length.
    let result = unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, &mut length)
    };
    result == 0
}

/// Why the socket could not be had, for a person.
fn refused(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot use UDP port {port}: another program has it, perhaps another windshield \
             (find it: ss -ulpn 'sport = :{port}'; or choose another port: --udp)"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("cannot use UDP port {port}: ports below 1024 are for root (choose another port: --udp)")
        }
        _ => format!("cannot use UDP port {port}: {error}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use str0m::net::{Protocol, Transmit};

    use super::*;
    use crate::link::{Outlet, Sent};

    #[test]
    fn without_ipv6_it_serves_ipv4_with_exact_addresses() {
        let mut car = Udp::open(Domain::IPV4, 0).unwrap();
        let viewer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = viewer.local_addr().unwrap();
        let source = SocketAddr::new("127.0.0.3".parse().unwrap(), car.port());
        let batch =
            [7; 3].map(|n| Transmit { proto: Protocol::Udp, source, destination: to, contents: vec![n; 50].into() });
        assert_eq!(car.outbox.send(&batch), Sent::All);
        for _ in &batch {
            assert_eq!(viewer.recv_from(&mut [0; 99]).unwrap(), (50, source));
        }
        assert_eq!((car.sent().send_calls, car.sent().send_errors), (1, 0));

        // Loopback delivers within the sender's call: what was sent is there.
        viewer.send_to(b"answer", source).unwrap();
        let mut came = 0;
        car.inbox.receive(9, &mut |datagram| {
            assert_eq!((datagram.source, datagram.destination, datagram.bytes), (to, source, &b"answer"[..]));
            came += 1;
        });
        assert_eq!(came, 1);
    }
}
