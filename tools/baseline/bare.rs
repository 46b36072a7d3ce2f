//! EDGE: a UDP socket. The floor: what it costs to get the same bytes out of a process, with nothing else done to them.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use crate::input::Input;
use crate::wait::wait;

/// Bytes in a datagram, as windshield's at most.
const DATAGRAM: usize = 1_200;

/// Sends every picture to everyone until standard input or the process ends.
///
/// # Errors
/// A sentence.
pub fn run(mut input: Input, to: &[SocketAddr]) -> Result<(), String> {
    let any = if to[0].is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(|e| format!("cannot open a UDP socket: {e}"))?;
    let mut refused = None;
    loop {
        let (fd, until) = input.waits_for();
        let [readable] = wait([fd], until).map_err(|e| e.to_string())?;
        let going = input
            .lend(Instant::now(), readable, &mut |unit, _| {
                for address in to {
                    for datagram in unit.chunks(DATAGRAM) {
                        refused = socket.send_to(datagram, address).err();
                    }
                }
            })
            .map_err(|e| format!("cannot read standard input: {e}"))?;
        if let Some(error) = refused.take() {
            eprintln!("a datagram was refused: {error}");
        }
        if !going {
            return Ok(());
        }
    }
}
