//! EDGE: a UDP socket, unless it is in memory. One native viewer: a str0m engine in frame mode behind a network of its own,
//! which says what it saw when, and wishes for a keyframe when it cannot go on, as a browser does. `world` owns them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::clock::Micros;
use windshield::frame::Stamps;
use windshield::h264::{kind, nals};
use windshield::link::Crypto;
use windshield::message::{EVENTS, FAST};

use super::path::{Datagram, Path};
use super::time::Clock;
use super::{socket, told, wait};

/// A browser does not ask for a keyframe more often than this.
const WISH_SPACING: Duration = Duration::from_millis(300);

/// What happened at a viewer.
#[derive(Debug)]
pub enum News {
    /// It has a whole frame.
    Whole {
        /// Which.
        rtp_time: u32,
        /// When its last datagram was here.
        arrived: Micros,
        /// When the engine gave it.
        at: Micros,
        /// Whether a decoder could make a picture of it: nothing it refers to is missing.
        shows: bool,
    },
    /// The car's stamps of a frame.
    Told(Stamps),
}

/// See the file.
pub struct Viewer {
    /// None in memory.
    pub socket: Option<UdpSocket>,
    /// Since the loop last looked.
    pub news: Vec<News>,
    /// For the car, in memory.
    pub to_car: Vec<Datagram>,
    rtc: Rtc,
    clock: Rc<Clock>,
    local: SocketAddr,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    /// From the car, to the car; none: nothing between the sockets.
    paths: Option<(Path, Path)>,
    slow: Duration,
    timeout: Instant,
    arrived: BTreeMap<u32, Micros>,
    frozen: bool,
    wished: Option<Instant>,
    events: Option<ChannelId>,
    room: Box<[u8; 2_048]>,
}

impl Viewer {
    /// One that has not asked yet, and its offer. `slow`: how much longer than it needs it takes for a frame.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(
        clock: &Rc<Clock>,
        crypto: &Crypto,
        socket: Option<UdpSocket>,
        local: SocketAddr,
        paths: Option<(Path, Path)>,
        slow: Duration,
    ) -> Result<(Self, String), String> {
        let now = clock.now();
        let config = crypto.configure(RtcConfig::new()).set_extension(14, Extension::PlayoutDelay);
        let mut rtc = config.clear_codecs().enable_h264(true).build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|e| e.to_string())?);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        // The page's channels: what the car has to tell costs it something, too.
        changes.add_channel_with_config(ChannelConfig { label: EVENTS.into(), ..Default::default() });
        changes.add_channel_with_config(ChannelConfig {
            label: FAST.into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        });
        let (offer, pending) = changes.apply().ok_or("there is nothing to offer")?;
        let viewer = Self {
            socket,
            news: Vec::new(),
            to_car: Vec::new(),
            rtc,
            clock: Rc::clone(clock),
            local,
            mid,
            pending: Some(pending),
            paths,
            slow,
            timeout: now,
            arrived: BTreeMap::new(),
            frozen: true,
            wished: None,
            events: None,
            room: Box::new([0; 2_048]),
        };
        Ok((viewer, offer.to_sdp_string()))
    }

    /// The car's answer.
    ///
    /// # Errors
    /// A sentence.
    pub fn accept(&mut self, answer: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|e| format!("the car's answer is no SDP: {e}"))?;
        let pending = self.pending.take().ok_or("the car answered twice")?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        self.timeout = self.clock.now();
        accepted.map_err(|e| format!("the car's answer does not fit the offer: {e}"))
    }

    /// Where it is reached.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Until the car says goodbye.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let under_way = self.paths.iter().flat_map(|(from, to)| [from.poll_timeout(), to.poll_timeout()]).flatten();
        under_way.fold(self.timeout, Instant::min)
    }

    /// Its paths lose from now on.
    pub fn begin_losing(&mut self) {
        if let Some((from_car, to_car)) = &mut self.paths {
            from_car.begin_losing();
            to_car.begin_losing();
        }
    }

    /// The car sent something, in memory.
    pub fn handle_sent(&mut self, now: Instant, datagram: Datagram) {
        if let Some((from_car, _)) = &mut self.paths {
            from_car.put(now, datagram);
        }
    }

    /// Its socket can be read.
    pub fn handle_readable(&mut self) {
        // The kernel stamps in CLOCK_REALTIME.
        let ahead = wait::realtime_ns().wrapping_sub(wait::monotonic_ns());
        let mut room = std::mem::replace(&mut self.room, Box::new([0; 2_048]));
        while let Some(((size, source), stamp)) =
            self.socket.as_ref().and_then(|s| socket::receive_from(s, &mut room[..]))
        {
            let now = self.clock.now();
            if let Some((from_car, _)) = &mut self.paths {
                from_car.put(now, Datagram { source, destination: self.local, bytes: room[..size].to_vec() });
            } else {
                let arrived = Micros(stamp.wrapping_sub(ahead) / 1_000);
                self.receive(now, source, &room[..size], if stamp == 0 { Micros::of(now) } else { arrived });
            }
        }
        self.room = room;
    }

    /// Time passes, on the network and in the engine.
    pub fn handle_timeout(&mut self, now: Instant) {
        let arrived = self.paths.as_mut().map(|(from_car, _)| from_car.take(now)).unwrap_or_default();
        for datagram in arrived {
            let (now, at) = (self.clock.now(), self.clock.micros());
            self.receive(now, datagram.source, &datagram.bytes, at);
        }
        if self.timeout <= now {
            self.feed(Input::Timeout(now));
            self.drain(now);
        }
        let arrived = self.paths.as_mut().map(|(_, to_car)| to_car.take(now)).unwrap_or_default();
        for datagram in arrived {
            match &self.socket {
                // What the socket does not take is lost, as on any network.
                Some(socket) => drop(socket.send_to(&datagram.bytes, datagram.destination)),
                None => self.to_car.push(datagram),
            }
        }
    }

    fn receive(&mut self, now: Instant, source: SocketAddr, bytes: &[u8], at: Micros) {
        if let Some(rtp_time) = rtp_time(bytes) {
            self.arrived.insert(rtp_time, at);
            // Those of frames that never became whole, and of resends that came twice.
            if self.arrived.len() > 256 {
                self.arrived.pop_first();
            }
        }
        if let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, bytes) {
            self.feed(Input::Receive(now, receive));
            self.drain(now);
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            log::debug!("a viewer's engine refuses what came: {error}");
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return self.timeout = at,
                Ok(Output::Transmit(t)) => match (&mut self.paths, &self.socket) {
                    (Some((_, to_car)), _) => {
                        let bytes = t.contents.to_vec();
                        to_car.put(now, Datagram { source: self.local, destination: t.destination, bytes });
                    }
                    (None, Some(socket)) => drop(socket.send_to(&t.contents, t.destination)),
                    (None, None) => {}
                },
                Ok(Output::Event(event)) => self.handle_event(now, event),
                Err(error) => {
                    log::debug!("a viewer's engine gives up: {error}");
                    return self.rtc.disconnect();
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::MediaData(data) => self.handle_frame(now, &data),
            Event::ChannelOpen(id, label) if label == EVENTS => {
                if let Some(mut channel) = self.rtc.channel(id) {
                    let _ = channel.write(true, &told::HELLO);
                }
                self.events = Some(id);
            }
            Event::ChannelData(data) if Some(data.id) != self.events => {
                self.news.extend(told::stamps(&data.data).map(News::Told));
            }
            _ => {}
        }
    }

    fn handle_frame(&mut self, now: Instant, data: &MediaData) {
        self.clock.spend(self.slow);
        let at = self.clock.micros();
        let keyframe = nals(&data.data).any(|nal| nal.kind() == kind::IDR);
        self.frozen = !keyframe && (self.frozen || !data.contiguous);
        if self.frozen && self.wished.is_none_or(|before| now >= before + WISH_SPACING) {
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(self.mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.wished = Some(now);
        }
        let rtp_time = data.time.numer() as u32;
        let arrived = self.arrived.remove(&rtp_time).unwrap_or(at);
        self.news.push(News::Whole { rtp_time, arrived, at, shows: !self.frozen });
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
