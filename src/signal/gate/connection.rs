//! EDGE: one client's TCP connection and, while its request is with the HTTP server, the UNIX connection to there.
//! A state machine that reads and writes until the sockets would block; `now` comes from the gate, which owns the
//! poll, and decides when a connection is let through or has to make room.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};

use super::framing::{self, BODY_MAX, Fault, HEAD_MAX, Head};
use super::relay::{self, Body, RESPONSE_MAX};
use crate::signal::answer::Answer;

/// A request must be whole this long after the connection was made; a phone on a bad link needs about one.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// The server must answer in this time. More than the 10 s after which it gives up itself, so that its words arrive.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);
/// The client must have taken the response in this time.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// After the response the client may finish its sending; closing at once would reset the connection, and the reset
/// can destroy the response before it is read (RFC 9112 section 9.6).
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
/// Bytes thrown away meanwhile; a client that sends more hears a reset.
const DRAIN_MAX: usize = 4 * 1024 * 1024;

/// What a connection is about.
enum State {
    /// Gathering the request. `seen` bytes were searched for the end of the head.
    Reading { bytes: Vec<u8>, seen: usize, head: Option<(Head, usize)> },
    /// The request is whole and waits for its turn.
    Waiting { request: Vec<u8>, body: Body, lane: Lane },
    /// The request is with the HTTP server.
    Asking { server: UnixStream, request: Vec<u8>, sent: usize, response: Vec<u8>, body: Body, lane: Lane },
    /// The response is on its way.
    Writing { response: Vec<u8>, written: usize },
    /// All was said; what the client still sends is thrown away.
    Draining { thrown: usize },
}

/// What the gate has to do after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Stay,
    /// The request is whole: queue it for the HTTP server.
    Forward(Lane),
    /// Forget the connection.
    Close,
}

/// In which queue a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// It brings something (an offer, candidates): small, urgent, seldom.
    Signaling,
    /// It only wants something; the answer may be large.
    Page,
}

/// In which order connections make room for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// Has its response: goes first.
    Served,
    /// Has not sent a whole request.
    Idle,
    /// Does not take its response.
    Slow,
    /// Its request is being served: stays.
    Busy,
}

/// A client's connection.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    peer: SocketAddr,
    network: IpAddr,
    /// When the present state has lasted too long.
    until: Instant,
    state: State,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, now: Instant) -> Self {
        // Answers are small and whole. An error here only means that the peer has gone.
        let _ = stream.set_nodelay(true);
        let state = State::Reading { bytes: Vec::new(), seen: 0, head: None };
        Self { stream, peer, network: network(peer.ip()), until: now + READ_WITHIN, state }
    }

    /// When to call [`Connection::handle_timeout`].
    pub(super) fn deadline(&self) -> Instant {
        self.until
    }

    /// How far this connection has to stand back when a new one comes.
    pub(super) fn claim(&self) -> Claim {
        match self.state {
            State::Draining { .. } => Claim::Served,
            State::Reading { .. } => Claim::Idle,
            State::Writing { .. } => Claim::Slow,
            State::Waiting { .. } | State::Asking { .. } => Claim::Busy,
        }
    }

    /// Whom this connection counts for.
    pub(super) fn network(&self) -> IpAddr {
        self.network
    }

    /// Bytes of a response that the client has not taken yet.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Writing { response, .. } => response.len(),
            _ => 0,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// The lane of a request that is with the server.
    pub(super) fn asking(&self) -> Option<Lane> {
        match self.state {
            State::Asking { lane, .. } => Some(lane),
            _ => None,
        }
    }

    /// The client's socket can be read or written.
    pub(super) fn handle_client(&mut self, now: Instant, entrance: &str) -> Next {
        match self.state {
            State::Reading { .. } => match self.read(now, entrance) {
                Ok(next) => next,
                Err(Fault(status, sentence)) => self.refuse(now, status, sentence),
            },
            State::Waiting { .. } | State::Asking { .. } => Next::Stay,
            State::Writing { .. } => self.write(now),
            State::Draining { .. } => self.drain(),
        }
    }

    /// The socket to the HTTP server can be read or written.
    pub(super) fn handle_server(&mut self, now: Instant) -> Next {
        match self.exchange() {
            None => Next::Stay,
            Some(Ok(response)) => self.respond(now, response),
            Some(Err(why)) => {
                log::warn!("the HTTP server behind the gate gave no answer: {why}");
                self.refuse(now, 502, "The server inside could not answer this; please try again.")
            }
        }
    }

    /// [`Connection::deadline`] has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Next {
        match &self.state {
            // Browsers open connections ahead of need: no answer to a question that was not asked.
            State::Reading { bytes, head: None, .. } if bytes.is_empty() => Next::Close,
            State::Reading { .. } => self.refuse(now, 408, "The request did not arrive whole within 5 s."),
            State::Waiting { .. } | State::Asking { .. } => {
                self.refuse(now, 503, "The server is too busy to answer; please try again in a moment.")
            }
            State::Writing { .. } | State::Draining { .. } => Next::Close,
        }
    }

    /// Gives the waiting request to the HTTP server; `server` is connected and registered.
    pub(super) fn ask(&mut self, now: Instant, server: UnixStream) -> Next {
        let State::Waiting { request, body, lane } = &mut self.state else { return Next::Stay };
        let (request, body, lane) = (std::mem::take(request), *body, *lane);
        self.state = State::Asking { server, request, sent: 0, response: Vec::new(), body, lane };
        self.until = now + ANSWER_WITHIN;
        self.handle_server(now)
    }

    fn read(&mut self, now: Instant, entrance: &str) -> Result<Next, Fault> {
        let State::Reading { bytes, seen, head } = &mut self.state else { return Ok(Next::Stay) };
        let mut chunk = [0; 4096];
        loop {
            let length = match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Next::Close),
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Stay),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Next::Close),
            };
            bytes.extend_from_slice(&chunk[..length]);
            if head.is_none() {
                // RFC 9112 section 2.2: empty lines before a request are ignored.
                let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if *seen == 0 {
                    bytes.drain(..blank);
                }
                // No method begins so; most likely TLS, whose side waits for an answer we cannot give.
                if bytes.first().is_some_and(|byte| !byte.is_ascii_graphic()) {
                    return Err(Fault(
                        400,
                        "This is not HTTP; if you typed https://, this server speaks http:// only.",
                    ));
                }
                match framing::head_end(bytes, *seen) {
                    Some(end) if end <= HEAD_MAX => {
                        let parsed = Head::parse(&bytes[..end])?;
                        let missing = bytes.len() < end + parsed.body;
                        // A few bytes into an empty send buffer: it takes them, or the connection is lost anyway.
                        if missing
                            && parsed.awaits_continue
                            && self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n").is_err()
                        {
                            return Ok(Next::Close);
                        }
                        *head = Some((parsed, end));
                    }
                    None if bytes.len() <= HEAD_MAX => *seen = bytes.len(),
                    _ => return Err(Fault(431, "The head of the request is larger than 16 kB.")),
                }
            }
            debug_assert!(bytes.len() <= HEAD_MAX + BODY_MAX + 2 * chunk.len(), "bounded by both limits");
            if let Some((head, end)) = head
                && let Some(content) = bytes.get(*end..*end + head.body)
            {
                // What follows the body, if anything, is a second request: one request a connection.
                let request = head.forward(entrance, self.peer, content);
                let body = if head.is_head_request() { Body::Absent } else { Body::Follows };
                let lane = if head.body > 0 { Lane::Signaling } else { Lane::Page };
                self.state = State::Waiting { request, body, lane };
                self.until = now + ANSWER_WITHIN;
                return Ok(Next::Forward(lane));
            }
        }
    }

    /// Moves bytes between us and the server; `None` while it has more to say.
    fn exchange(&mut self) -> Option<Result<Vec<u8>, String>> {
        let State::Asking { server, request, sent, response, body, .. } = &mut self.state else { return None };
        while *sent < request.len() {
            match server.write(&request[*sent..]) {
                Ok(length) => *sent += length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // It may have answered and closed before it read all.
                Err(_) => break,
            }
        }
        let mut chunk = [0; 16 * 1024];
        let mut ended = false;
        while !ended && response.len() <= RESPONSE_MAX {
            match server.read(&mut chunk) {
                Ok(0) => ended = true,
                Ok(length) => response.extend_from_slice(&chunk[..length]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Some(Err(e.to_string())),
            }
        }
        match relay::rewrite(response, *body) {
            Ok(Some(whole)) => Some(Ok(whole)),
            Ok(None) if response.len() > RESPONSE_MAX => Some(Err("its response is larger than 8 MB".to_owned())),
            Ok(None) if ended => Some(Err("it closed the connection".to_owned())),
            Ok(None) => None,
            Err(broken) => Some(Err(broken.0.to_owned())),
        }
    }

    fn refuse(&mut self, now: Instant, status: u16, sentence: &str) -> Next {
        log::debug!("{} from {}: {sentence}", status, self.peer);
        let mut answer = Answer::sentence(status, sentence);
        if status == 503 {
            answer = answer.with("Retry-After", "2");
        }
        self.respond(now, relay::serialise(&answer))
    }

    fn respond(&mut self, now: Instant, response: Vec<u8>) -> Next {
        self.state = State::Writing { response, written: 0 };
        self.until = now + WRITE_WITHIN;
        self.write(now)
    }

    fn write(&mut self, now: Instant) -> Next {
        let State::Writing { response, written } = &mut self.state else { return Next::Stay };
        while *written < response.len() {
            match self.stream.write(&response[*written..]) {
                Ok(length) => *written += length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Stay,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Close,
            }
        }
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return Next::Close;
        }
        self.state = State::Draining { thrown: 0 };
        self.until = now + DRAIN_WITHIN;
        self.drain()
    }

    fn drain(&mut self) -> Next {
        let State::Draining { thrown } = &mut self.state else { return Next::Stay };
        let mut chunk = [0; 16 * 1024];
        while *thrown <= DRAIN_MAX {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Next::Close,
                Ok(length) => *thrown += length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Stay,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Next::Close,
            }
        }
        Next::Close
    }
}

/// The network an address is in: an IPv4 address itself, or the IPv6 /64, as every IPv6 host has that many addresses.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_many_addresses_of_one_ipv6_host_count_as_one() {
        let of = |text: &str| text.parse().map(network).ok();
        assert_eq!(of("2001:db8:0:1::5"), of("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:0:1::5"), of("2001:db8:0:2::5"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
