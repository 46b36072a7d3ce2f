//! EDGE: its socket and HTTP. One viewer: joins by WHEP, keeps the stamps of the datagrams that made up each picture, and
//! counts. str0m in frame mode puts the pictures together, so what is counted as a frame was decrypted and complete.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::link::Crypto;

use crate::http::{self, Url};
use crate::pictures::fingerprint;
use crate::socket;

/// What a viewer counts, from its first picture on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Complete pictures.
    pub frames: u64,
    /// RTP packets of the picture, retransmissions among them.
    pub packets: u64,
    /// Their bytes, UDP payload.
    pub bytes: u64,
    /// Times that something was missing before a picture.
    pub gaps: u64,
    /// POST to first complete picture.
    pub first_frame: Duration,
}

impl Counts {
    /// Counts anew; what happened once stays.
    pub fn restart(&mut self) {
        *self = Self { first_frame: self.first_frame, ..Self::default() };
    }
}

/// A picture that came.
#[derive(Debug)]
pub struct Seen {
    /// RTP time stamp.
    pub rtp_time: u32,
    /// Datagrams it took.
    pub datagrams: u32,
    /// See [`fingerprint`].
    pub fingerprint: u64,
    /// Of the picture.
    pub bytes: usize,
    /// When its first datagram arrived, CLOCK_REALTIME.
    pub first_ns: u64,
    /// When its last datagram arrived, CLOCK_REALTIME.
    pub last_ns: u64,
}

/// Datagrams of one RTP time stamp.
#[derive(Debug, Default)]
struct Arrived {
    datagrams: u32,
    first_ns: u64,
    last_ns: u64,
}

/// One who watches.
pub struct Watcher {
    /// Its own.
    pub socket: UdpSocket,
    /// So far.
    pub counts: Counts,
    /// Pictures since the loop last looked.
    pub seen: Vec<Seen>,
    rtc: Rtc,
    local: SocketAddr,
    session: Option<String>,
    posted: Instant,
    timeout: Instant,
    arrived: BTreeMap<u32, Arrived>,
}

impl Watcher {
    /// POSTs an offer and takes the answer.
    ///
    /// # Errors
    /// A sentence.
    pub fn join(url: &Url, crypto: &Crypto) -> Result<Self, String> {
        let stream = url.connect()?;
        // Where the request leaves from is where the sender reaches us.
        let ip = stream.local_addr().map_err(|e| e.to_string())?.ip();
        let socket = socket::open(SocketAddr::new(ip, 0))?;
        let local = socket.local_addr().map_err(|e| e.to_string())?;
        let posted = Instant::now();
        let config = crypto.configure(RtcConfig::new()).set_extension(14, Extension::PlayoutDelay);
        let mut rtc = config.clear_codecs().enable_h264(true).build(posted);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|e| e.to_string())?);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().ok_or("there is nothing to offer")?;
        let reply = http::request(stream, "POST", url, &offer.to_sdp_string())?;
        if reply.status != 201 {
            return Err(format!("the sender refused: {} {}", reply.status, reply.body.trim()));
        }
        let answer = SdpAnswer::from_sdp_string(&reply.body).map_err(|e| format!("the answer is no SDP: {e}"))?;
        rtc.sdp_api().accept_answer(pending, answer).map_err(|e| format!("the answer does not fit the offer: {e}"))?;
        let mut watcher = Self {
            socket,
            counts: Counts::default(),
            seen: Vec::new(),
            rtc,
            local,
            session: reply.location,
            posted,
            timeout: posted,
            arrived: BTreeMap::new(),
        };
        watcher.drain(posted);
        Ok(watcher)
    }

    /// Until the sender closes or falls silent.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        self.timeout
    }

    /// Time passes.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timeout <= now {
            self.feed(Input::Timeout(now));
            self.drain(now);
        }
    }

    /// Takes in everything that has come.
    pub fn handle_readable(&mut self, now: Instant) {
        let mut room = [0; 2048];
        while let Some(((size, source), stamp)) = socket::receive_from(&self.socket, &mut room) {
            if let Some(rtp_time) = rtp_time(&room[..size]) {
                let arrived = self.arrived.entry(rtp_time).or_default();
                arrived.datagrams += 1;
                arrived.last_ns = stamp;
                if arrived.first_ns == 0 {
                    arrived.first_ns = stamp;
                }
                self.counts.packets += 1;
                self.counts.bytes += size as u64;
            }
            if let Ok(contents) = (&room[..size]).try_into() {
                let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
                self.feed(Input::Receive(now, receive));
                self.drain(now);
            }
        }
    }

    /// Gives the seat back.
    pub fn leave(self, url: &Url) {
        if let Some(path) = self.session.filter(|s| s.starts_with('/')) {
            let url = url.at(&path);
            // A sender that is gone needs no goodbye.
            let _ = url.connect().and_then(|stream| http::request(stream, "DELETE", &url, ""));
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            eprintln!("the engine refuses what came: {error}");
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return self.timeout = at,
                Ok(Output::Transmit(t)) => drop(self.socket.send_to(&t.contents, t.destination)),
                Ok(Output::Event(Event::MediaData(data))) => {
                    let rtp_time = data.time.numer() as u32;
                    if self.counts.first_frame.is_zero() {
                        self.counts.first_frame = now - self.posted;
                    }
                    self.counts.frames += 1;
                    self.counts.gaps += u64::from(!data.contiguous);
                    let Arrived { datagrams, first_ns, last_ns } = self.arrived.remove(&rtp_time).unwrap_or_default();
                    let fingerprint = fingerprint(&data.data);
                    let bytes = data.data.len();
                    self.seen.push(Seen { rtp_time, datagrams, fingerprint, bytes, first_ns, last_ns });
                    // Those of pictures that never became whole.
                    while self.arrived.len() > 64 {
                        self.arrived.pop_first();
                    }
                }
                Ok(Output::Event(_)) => {}
                Err(error) => {
                    eprintln!("the engine gives up: {error}");
                    return self.rtc.disconnect();
                }
            }
        }
    }
}

/// The time stamp of an RTP packet, which encryption leaves readable; `None` for STUN, DTLS and RTCP (RFC 7983, RFC 5761).
fn rtp_time(datagram: &[u8]) -> Option<u32> {
    match *datagram {
        [first, second, _, _, a, b, c, d, ..] if first >> 6 == 2 && !(64..96).contains(&(second & 0x7f)) => {
            Some(u32::from_be_bytes([a, b, c, d]))
        }
        _ => None,
    }
}
