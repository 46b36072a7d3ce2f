//! EDGE: stage `send`: a picture's datagrams into the kernel, over loopback to a socket that is bound and emptied now and
//! then, so that none is refused and none costs more because nobody is there.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use mio::{Poll, Token};
use str0m::net::{Protocol, Transmit};
use windshield::link::udp::Udp;
use windshield::link::{Outlet as _, Sent};

/// The car's socket, and one who listens.
pub struct Loopback {
    pub car: Udp,
    /// One picture for the listener.
    pub batch: Vec<Transmit>,
    sink: UdpSocket,
    _poll: Poll,
}

impl Loopback {
    /// A picture of `size` bytes, in datagrams of 1,180.
    pub fn new(size: usize) -> Self {
        let poll = Poll::new().expect("epoll");
        let car = Udp::bind(0, poll.registry(), Token(0)).expect("a free port");
        let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        sink.set_nonblocking(true).expect("a socket of ours");
        let destination = sink.local_addr().expect("a bound socket");
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, car.port()));
        let datagram =
            |bytes: &[u8]| Transmit { proto: Protocol::Udp, source, destination, contents: bytes.to_vec().into() };
        let batch = super::access_unit(false, size).chunks(1_180).map(datagram).collect();
        Self { car, batch, sink, _poll: poll }
    }

    /// As the car sends.
    pub fn send(&mut self) {
        assert_eq!(self.car.outbox.send(&self.batch), Sent::All);
    }

    /// As a program sends that knows nothing better: one call a datagram.
    pub fn send_singly(&self, socket: &UdpSocket) {
        for datagram in &self.batch {
            let sent = socket.send_to(&datagram.contents, datagram.destination).expect("loopback takes it");
            assert_eq!(sent, datagram.contents.len());
        }
    }

    /// Empties the listener; how many bytes there were.
    pub fn empty(&self) -> usize {
        let mut room = [0; 2_048];
        std::iter::from_fn(|| self.sink.recv(&mut room).ok()).sum()
    }
}
