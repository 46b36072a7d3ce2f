//! EDGE: two UDP sockets. The floor: what it costs to get a frame's bytes out of a process with nothing else done to them,
//! measured in the same run, in the pauses between frames, so that it meets the same load.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

/// Bytes of a datagram, as windshield's at most.
const DATAGRAM: usize = 1_200;

/// See the file.
pub struct Floor {
    from: UdpSocket,
    to: UdpSocket,
    address: SocketAddr,
    frame: Vec<u8>,
    room: Box<[u8; 2_048]>,
}

impl Floor {
    /// On loopback.
    ///
    /// # Errors
    /// A sentence.
    pub fn new() -> Result<Self, String> {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let why = |e: std::io::Error| format!("cannot open a UDP socket on 127.0.0.1: {e}");
        let (from, to) = (open().map_err(why)?, open().map_err(why)?);
        let address = to.local_addr().map_err(why)?;
        Ok(Self { from, to, address, frame: Vec::new(), room: Box::new([0; 2_048]) })
    }

    /// These bytes, next time.
    pub fn set(&mut self, frame: &[u8]) {
        self.frame.clear();
        self.frame.extend_from_slice(frame);
    }

    /// Sends them: microseconds, or none if the kernel did not take them all.
    pub fn measure(&mut self) -> Option<u64> {
        let began = Instant::now();
        let taken = self.frame.chunks(DATAGRAM).all(|datagram| self.from.send_to(datagram, self.address).is_ok());
        let took = began.elapsed();
        while self.to.recv_from(&mut self.room[..]).is_ok() {}
        taken.then_some(took.as_micros() as u64)
    }
}
