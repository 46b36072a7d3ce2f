//! EDGE: the loop of the engine baseline: one UDP socket, one wait, all viewers. No batching, no sharing of packets between
//! viewers: what one gets by following str0m's examples, and the yardstick for what windshield does beyond.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Input as To;
use str0m::net::{Protocol, Receive};
use windshield::clock::Micros;
use windshield::h264::ProfileLevelId;
use windshield::link::Crypto;

use crate::desk::{Desk, Offer};
use crate::input::Input;
use crate::peer::Peer;
use crate::pictures::profile;
use crate::wait::wait;

/// As windshield: who says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(5);

/// Serves until standard input or the process ends.
///
/// # Errors
/// A sentence.
pub fn run(mut input: Input, listen: SocketAddr) -> Result<(), String> {
    let crypto = Crypto::new(Instant::now())?;
    let socket = UdpSocket::bind(listen).map_err(|e| format!("cannot use UDP {listen}: {e}"))?;
    socket.set_nonblocking(true).map_err(|e| e.to_string())?;
    let desk = Desk::open(listen)?;
    let mut peers: Vec<Peer> = Vec::new();
    let mut known: Option<ProfileLevelId> = None;
    let mut waiting: Vec<Offer> = Vec::new();
    let mut room = [0; 2048];
    loop {
        let (fd, due) = input.waits_for();
        let until = peers.iter().map(|p| p.timeout).chain(due).min();
        let [datagrams, offers, readable] =
            wait([socket.as_raw_fd(), desk.fd(), fd], until).map_err(|e| e.to_string())?;
        let mut now = Instant::now();
        if datagrams {
            while let Ok((size, source)) = socket.recv_from(&mut room) {
                receive(now, &mut peers, &room[..size], source, listen, &socket);
            }
        }
        let going = input
            .lend(now, readable, &mut |unit, keyframe| {
                now = Instant::now();
                known = known.or_else(|| profile(unit));
                let unit: Arc<[u8]> = Arc::from(unit);
                for peer in &mut peers {
                    peer.write(now, &unit, keyframe, Micros::of(now).0 * 9 / 100, &socket);
                }
            })
            .map_err(|e| format!("cannot read standard input: {e}"))?;
        for peer in peers.iter_mut().filter(|p| p.timeout <= now) {
            peer.turn(To::Timeout(now), &socket);
        }
        peers.retain(|p| p.rtc.is_alive() && now < p.heard + SILENCE);
        if offers {
            waiting.extend(desk.take());
        }
        if let Some(profile) = known {
            for Offer { sdp, reply } in waiting.drain(..) {
                let answer = Peer::accept(now, &sdp, &crypto, profile, listen).map(|(mut peer, answer)| {
                    peer.turn(To::Timeout(now), &socket);
                    peers.push(peer);
                    answer
                });
                // The desk's thread waits for it.
                let _ = reply.send(answer);
            }
        }
        if !going {
            return Ok(());
        }
    }
}

/// Finds out whose a datagram is.
fn receive(now: Instant, peers: &mut [Peer], bytes: &[u8], source: SocketAddr, local: SocketAddr, socket: &UdpSocket) {
    let Ok(contents) = bytes.try_into() else { return };
    let input = To::Receive(now, Receive { proto: Protocol::Udp, source, destination: local, contents });
    // Newest first: a page that comes back from the same port must not be taken for its predecessor.
    if let Some(peer) = peers.iter_mut().rev().find(|p| p.rtc.accepts(&input)) {
        peer.heard = now;
        peer.turn(input, socket);
    }
}
