//! Two kinds of machines on a simulated network in virtual time: the car (the real `Viewers`, without a socket) and any
//! number of viewers (str0m in its frame mode, as a browser would be). Nothing sleeps; every run with the same seed is
//! the same run, and the seed is part of each failure.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use str0m_netem::{Input as NetIn, Netem, NetemConfig, Output as NetOut};

use windshield::clock::Micros;
use windshield::frame::{Frame, Obeyed, Order};
use windshield::link::{self, Answer, Crypto, Offer, Outlet, Patch, PlayoutDelay, Sent, Viewers};

pub const MS: Duration = Duration::from_millis(1);
pub const CAR: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 8080);
/// 33.3 ms: thirty frames a second.
pub const FRAME: Duration = Duration::from_micros(33_333);

/// A datagram under way.
#[derive(Debug, Clone)]
pub struct Datagram {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub bytes: Vec<u8>,
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The car's socket: collects, and can be made to refuse.
#[derive(Default)]
pub struct Wire {
    pub sent: Vec<Datagram>,
    /// How many more datagrams are taken before the socket would block; none = any number.
    pub room: Option<usize>,
    /// Size of each batch.
    pub batches: Vec<usize>,
    /// The time of stamps: the world's, and what sending has taken since it moved.
    pub clock: Micros,
    /// How long the system call for a batch takes.
    pub slow: Duration,
}

impl Outlet for Wire {
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        self.batches.push(batch.len());
        self.clock.0 += self.slow.as_micros() as u64;
        for (at, t) in batch.iter().enumerate() {
            if self.room == Some(0) {
                return Sent::Blocked { accepted: at };
            }
            self.room = self.room.map(|r| r - 1);
            assert!(t.contents.len() <= 1_200, "a datagram of {} bytes", t.contents.len());
            self.sent.push(Datagram { source: t.source, destination: t.destination, bytes: t.contents.to_vec() });
        }
        Sent::All
    }

    fn clock(&self) -> Micros {
        self.clock
    }
}

/// One who watches.
pub struct Viewer {
    pub rtc: Rtc,
    pub address: SocketAddr,
    pub session: Option<String>,
    pub etag: Option<String>,
    pub refused: Option<link::Refused>,
    pub answer: String,
    pub offer: String,
    pub mid: Mid,
    pub frames: Vec<Received>,
    pub messages: Vec<Vec<u8>>,
    pub connected: Option<Instant>,
    pub closed: bool,
    /// Takes part in the world; a dead one neither hears nor speaks.
    pub alive: bool,
    pub events: Option<ChannelId>,
    pub fast: Option<ChannelId>,
    timeout: Instant,
    pending: Option<SdpPendingOffer>,
    to_car: Netem<Datagram>,
    from_car: Netem<Datagram>,
}

/// A frame that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub number: u32,
    pub keyframe: bool,
    pub at: Instant,
    pub rtp_time: u32,
    pub playout: Option<(f64, f64)>,
    pub bytes: usize,
}

/// Everything there is.
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub car: Viewers,
    pub wire: Wire,
    pub viewers: Vec<Viewer>,
    pub seed: u64,
    /// Frames are made while this is set.
    pub running: bool,
    pub frame_number: u32,
    pub frame_bytes: usize,
    pub keyframe_next: bool,
    pub keyframes_made: u32,
    pub obeys: Obeyed,
    pub profile: [u8; 3],
    pub orders: Vec<(Instant, Order)>,
    /// Addresses of the car that nothing reaches and nothing leaves any more.
    pub unreachable: Vec<IpAddr>,
    /// The outside of a router that forwards our port: viewers see this address in place of the car's own.
    pub forwarded: Option<IpAddr>,
    /// What the car hears, if somebody writes it down.
    pub heard: Option<Vec<Datagram>>,
    /// When the time that stages are measured over was over.
    pub windows_ended: Vec<Instant>,
    next_frame: Instant,
    next_ticket: u64,
    answers: VecDeque<(u64, Answer)>,
}

/// A config whose only difference from another is its seed and delay.
pub fn network(seed: u64, latency: Duration) -> NetemConfig {
    NetemConfig::new().latency(latency).seed(seed)
}

/// An access unit with `number` in it, `size` bytes or so.
pub fn access_unit(number: u32, keyframe: bool, size: usize, profile: [u8; 3]) -> Vec<u8> {
    let mut unit = Vec::new();
    if keyframe {
        unit.extend([0, 0, 0, 1, 0x67, profile[0], profile[1], profile[2], 0xd9, 1, 0x41, 0xfb]);
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]);
    }
    unit.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x88]);
    // No zero bytes, so no start code appears by chance: seven bits a byte with the top bit set.
    unit.extend((0..5).map(|i| 0x80 | (number >> (7 * i)) as u8));
    let filler = size.saturating_sub(unit.len());
    unit.extend((0..filler).map(|i| (i % 250) as u8 + 1));
    unit
}

fn number_in(unit: &[u8]) -> Option<(u32, bool)> {
    let slice = windshield::h264::nals(unit).find(|n| n.is_slice())?;
    let number = slice.bytes.get(2..7)?.iter().enumerate().map(|(i, b)| u32::from(b & 0x7f) << (7 * i)).sum();
    Some((number, slice.kind() == windshield::h264::kind::IDR))
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with_options(seed, 100, Some(PlayoutDelay { min_ms: 0, max_ms: 0 }))
    }

    pub fn with_options(seed: u64, max_viewers: usize, playout_delay: Option<PlayoutDelay>) -> Self {
        println!("seed {seed}");
        let now = Instant::now();
        let options = link::Options { port: CAR.port(), playout_delay, max_viewers, build: 7 };
        let mut world = Self {
            now,
            start: now,
            car: Viewers::new(options, crypto()),
            wire: Wire::default(),
            viewers: Vec::new(),
            seed,
            running: true,
            frame_number: 0,
            frame_bytes: 8_300,
            keyframe_next: true,
            keyframes_made: 0,
            obeys: Obeyed::Yes,
            profile: [0x42, 0xc0, 0x1f],
            orders: Vec::new(),
            unreachable: Vec::new(),
            forwarded: None,
            heard: None,
            windows_ended: Vec::new(),
            next_frame: now,
            next_ticket: 0,
            answers: VecDeque::new(),
        };
        world.car.set_addresses(now, vec![CAR.ip()], &mut world.wire);
        world
    }

    /// A browser that has not asked yet. Its address is 10.0.1.N:5000.
    pub fn add_viewer(&mut self, latency: Duration) -> usize {
        let n = self.viewers.len() as u64;
        let (a, b) = (network(self.seed * 1000 + n * 2, latency), network(self.seed * 1000 + n * 2 + 1, latency));
        self.add_viewer_behind(a, b)
    }

    pub fn add_viewer_behind(&mut self, to_car: NetemConfig, from_car: NetemConfig) -> usize {
        let n = self.viewers.len();
        let address = SocketAddr::from(([10, 0, 1 + (n / 250) as u8, 1 + (n % 250) as u8], 5000));
        self.add_viewer_at(address, to_car, from_car, |config| config.enable_h264(true))
    }

    pub fn add_viewer_at(
        &mut self,
        address: SocketAddr,
        to_car: NetemConfig,
        from_car: NetemConfig,
        codecs: impl FnOnce(RtcConfig) -> RtcConfig,
    ) -> usize {
        let mut config = RtcConfig::new()
            // Viewers compute with another implementation than the car, as browsers do.
            .set_crypto_provider(std::sync::Arc::new(str0m_aws_lc_rs::default_provider()))
            .set_dtls_version(str0m::config::DtlsVersion::Auto)
            .set_extension(14, str0m::rtp::Extension::PlayoutDelay)
            .clear_codecs();
        config = codecs(config);
        let mut rtc = config.build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_channel_with_config(ChannelConfig { label: "events".into(), ..Default::default() });
        let fast = Reliability::MaxRetransmits { retransmits: 0 };
        api.add_channel_with_config(ChannelConfig {
            label: "fast".into(),
            ordered: false,
            reliability: fast,
            ..Default::default()
        });
        let (offer, pending) = api.apply().unwrap();
        self.viewers.push(Viewer {
            rtc,
            address,
            session: None,
            etag: None,
            refused: None,
            answer: String::new(),
            offer: offer.to_sdp_string(),
            mid,
            frames: Vec::new(),
            messages: Vec::new(),
            connected: None,
            closed: false,
            alive: true,
            events: None,
            fast: None,
            timeout: self.now,
            pending: Some(pending),
            to_car: Netem::new(to_car),
            from_car: Netem::new(from_car),
        });
        self.viewers.len() - 1
    }

    /// POSTs the viewer's offer; the answer comes as soon as the car gives it.
    pub fn ask(&mut self, viewer: usize) {
        self.offer(viewer, true, None);
    }

    /// The same, not necessarily as our own page.
    pub fn ask_as(&mut self, viewer: usize, own_page: bool) {
        self.offer(viewer, own_page, None);
    }

    /// The same, by an address of the car that the viewer knows.
    pub fn ask_by(&mut self, viewer: usize, host: Option<IpAddr>) {
        self.offer(viewer, true, host);
    }

    fn offer(&mut self, viewer: usize, own_page: bool, host: Option<IpAddr>) {
        let sdp = self.viewers[viewer].offer.clone();
        let ticket = self.next_ticket * 1000 + viewer as u64;
        self.next_ticket += 1;
        self.car.handle_offer(self.now, ticket, Offer { sdp, own_page, host }, &mut self.wire);
        self.settle();
    }

    /// The viewer has something to say now.
    pub fn wake(&mut self, viewer: usize) {
        self.viewers[viewer].timeout = self.now;
    }

    /// What the page was told: topic and text of each notice.
    pub fn notices(&self, viewer: usize) -> Vec<(u8, String)> {
        let notices = self.viewers[viewer].messages.iter().filter(|m| m[0] == 0x84);
        notices.map(|m| (m[2], String::from_utf8(m[4..].to_vec()).unwrap())).collect()
    }

    /// What a browser would PATCH to look for a new path. The engine restarts by offering; its offer is kept.
    pub fn restart_fragment(&mut self, viewer: usize) -> String {
        let v = &mut self.viewers[viewer];
        let mut api = v.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        v.pending = Some(pending);
        let wanted = ["a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=mid:"];
        let sdp = offer.to_sdp_string();
        let lines = sdp.lines().filter(|l| wanted.iter().any(|w| l.starts_with(w)));
        lines.map(|l| format!("{l}\r\n")).collect()
    }

    /// Makes the fragment that came back part of the first answer, as a browser does, and accepts it.
    pub fn accept_restart(&mut self, viewer: usize, fragment: &str) {
        let v = &mut self.viewers[viewer];
        let value = |prefix: &str| fragment.lines().find(|l| l.starts_with(prefix)).unwrap().to_string();
        let (ufrag, pwd) = (value("a=ice-ufrag:"), value("a=ice-pwd:"));
        let candidates: Vec<_> = fragment.lines().filter(|l| l.starts_with("a=candidate:")).collect();
        let (mut answer, mut first) = (String::new(), true);
        for line in v.answer.lines().filter(|l| !l.starts_with("a=candidate:")) {
            let line = match line {
                l if l.starts_with("a=ice-ufrag:") => &ufrag,
                l if l.starts_with("a=ice-pwd:") => &pwd,
                l => l,
            };
            answer += &format!("{line}\r\n");
            if line.starts_with("a=mid:") && std::mem::take(&mut first) {
                candidates.iter().for_each(|c| answer += &format!("{c}\r\n"));
            }
        }
        let parsed = SdpAnswer::from_sdp_string(&answer).unwrap();
        v.rtc.sdp_api().accept_answer(v.pending.take().unwrap(), parsed).unwrap();
        v.answer = answer;
        v.timeout = self.now;
    }

    /// Adds a viewer on a clean path of `latency` and POSTs its offer.
    pub fn join(&mut self, latency: Duration) -> usize {
        let viewer = self.add_viewer(latency);
        self.ask(viewer);
        viewer
    }

    /// PATCHes; the answer at once.
    pub fn patch(&mut self, session: &str, if_match: Option<&str>, fragment: &str) -> Answer {
        let patch = Patch { session: session.into(), if_match: if_match.map(Into::into), fragment: fragment.into() };
        self.car.handle_patch(self.now, u64::MAX, patch, &mut self.wire);
        self.settle();
        self.take_answer(u64::MAX)
    }

    /// DELETEs; the answer at once.
    pub fn delete(&mut self, session: &str) -> Answer {
        self.car.handle_close(self.now, u64::MAX, session, &mut self.wire);
        self.settle();
        self.take_answer(u64::MAX)
    }

    /// POSTs any text; the answer, waited for in virtual time.
    pub fn post(&mut self, sdp: &str) -> Answer {
        let offer = Offer { sdp: sdp.into(), own_page: false, host: None };
        self.car.handle_offer(self.now, u64::MAX, offer, &mut self.wire);
        self.run(1_100 * MS);
        self.take_answer(u64::MAX)
    }

    fn take_answer(&mut self, ticket: u64) -> Answer {
        let at = self.answers.iter().position(|(t, _)| *t == ticket).expect("an answer to every request");
        self.answers.remove(at).unwrap().1
    }

    /// Sends a message of the page.
    pub fn say(&mut self, viewer: usize, events: bool, bytes: &[u8]) {
        let v = &mut self.viewers[viewer];
        let id = if events { v.events } else { v.fast }.expect("the channel is open");
        assert!(v.rtc.channel(id).expect("open").write(true, bytes).unwrap());
        v.timeout = self.now;
    }

    /// Asks for a keyframe by RTCP.
    pub fn pli(&mut self, viewer: usize) {
        let v = &mut self.viewers[viewer];
        let mid = v.mid;
        v.rtc.direct_api().stream_rx_by_mid(mid, None).expect("a stream").request_keyframe(KeyframeRequestKind::Pli);
        v.timeout = self.now;
    }

    /// Lets virtual time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Lets virtual time pass until something is so; false if it was not by `end`.
    pub fn run_until(&mut self, end: Instant, mut done: impl FnMut(&Self) -> bool) -> bool {
        let mut steps_at_once = 0;
        loop {
            if done(self) {
                return true;
            }
            let next = self.next_event();
            if next > end {
                self.now = self.now.max(end);
                self.wire.clock = Micros::of(self.now);
                return false;
            }
            steps_at_once = if next > self.now { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < 100_000, "seed {}: time stands still", self.seed);
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn next_event(&self) -> Instant {
        let far = self.now + Duration::from_secs(3600);
        let viewers = self.viewers.iter().filter(|v| v.alive).map(|v| v.timeout);
        let nets = self.viewers.iter().flat_map(|v| [v.to_car.poll_timeout(), v.from_car.poll_timeout()]);
        let frame = self.running.then_some(self.next_frame);
        viewers.chain(nets).chain(frame).chain(self.car.poll_timeout()).min().unwrap_or(far)
    }

    fn step(&mut self) {
        let now = self.now;
        self.wire.clock = Micros::of(now);
        if self.running && self.next_frame <= now {
            self.next_frame += FRAME;
            self.make_frame();
        }
        if self.car.poll_timeout().is_some_and(|at| at <= now) {
            self.car.handle_timeout(now, &mut self.wire);
            self.settle();
        }
        for at in 0..self.viewers.len() {
            for datagram in arrived(&mut self.viewers[at].to_car, now) {
                let Datagram { source, mut destination, bytes } = datagram;
                if self.unreachable.contains(&destination.ip()) {
                    continue;
                }
                if self.forwarded == Some(destination.ip()) {
                    destination.set_ip(CAR.ip());
                }
                if let Some(heard) = &mut self.heard {
                    heard.push(Datagram { source, destination, bytes: bytes.clone() });
                }
                self.car.handle_datagram(now, source, destination, &bytes, &mut self.wire);
                self.settle();
            }
            let v = &mut self.viewers[at];
            for datagram in arrived(&mut v.from_car, now) {
                if v.alive
                    && let Ok(receive) =
                        Receive::new(Protocol::Udp, datagram.source, datagram.destination, &datagram.bytes)
                {
                    let _ = v.rtc.handle_input(Input::Receive(now, receive));
                    v.drain(now);
                }
            }
            if v.alive && v.timeout <= now {
                let _ = v.rtc.handle_input(Input::Timeout(now));
                v.drain(now);
            }
        }
    }

    /// Makes the next frame now.
    pub fn make_frame(&mut self) {
        let keyframe = std::mem::take(&mut self.keyframe_next);
        self.keyframes_made += u32::from(keyframe);
        let size = if keyframe { self.frame_bytes * 3 } else { self.frame_bytes };
        let unit = access_unit(self.frame_number, keyframe, size, self.profile);
        self.frame_number += 1;
        let stamp = Micros::of(self.now);
        let frame = Frame { bytes: &unit, keyframe, captured: stamp, encoding: None, dequeued: stamp };
        self.car.handle_frame(self.now, &frame, &mut self.wire);
        self.settle();
    }

    /// Carries what the car has sent and ordered.
    pub fn settle(&mut self) {
        loop {
            while let Some(output) = self.car.poll_output() {
                match output {
                    link::Output::Order(order) => {
                        self.orders.push((self.now, order));
                        self.keyframe_next |= order == Order::Keyframe && self.obeys == Obeyed::Yes;
                        self.car.order_answered(self.now, order, self.obeys, &mut self.wire);
                    }
                    link::Output::Answer(ticket, answer) => self.hand_over(ticket, answer),
                    link::Output::WindowEnded => self.windows_ended.push(self.now),
                }
            }
            if self.wire.sent.is_empty() {
                return;
            }
            for mut datagram in std::mem::take(&mut self.wire.sent) {
                if self.unreachable.contains(&datagram.source.ip()) {
                    continue;
                }
                if let Some(outside) = self.forwarded {
                    datagram.source.set_ip(outside);
                }
                // The newest at an address is who is there now.
                let to = self.viewers.iter_mut().rev().find(|v| v.address == datagram.destination);
                if let Some(v) = to {
                    v.from_car.handle_input(NetIn::Packet(self.now, datagram));
                }
            }
        }
    }

    fn hand_over(&mut self, ticket: u64, answer: Answer) {
        if ticket == u64::MAX {
            self.answers.push_back((ticket, answer));
            return;
        }
        let v = &mut self.viewers[(ticket % 1000) as usize];
        match answer {
            Answer::Created { session, etag, sdp } => {
                let parsed = SdpAnswer::from_sdp_string(&sdp).expect("an answer that can be read");
                v.rtc.sdp_api().accept_answer(v.pending.take().unwrap(), parsed).expect("an answer that fits");
                v.answer = sdp;
                v.session = Some(session);
                v.etag = Some(etag);
                v.timeout = self.now;
            }
            Answer::Refused(why) => v.refused = Some(why),
            other => panic!("{other:?} to an offer"),
        }
    }

    pub fn numbers(&self, viewer: usize) -> Vec<u32> {
        self.viewers[viewer].frames.iter().map(|f| f.number).collect()
    }

    /// The viewer disappears without a word.
    pub fn kill(&mut self, viewer: usize) {
        self.viewers[viewer].alive = false;
    }

    pub fn session(&self, viewer: usize) -> String {
        self.viewers[viewer].session.clone().expect("admitted")
    }
}

fn arrived(net: &mut Netem<Datagram>, now: Instant) -> Vec<Datagram> {
    let mut out = Vec::new();
    net.handle_input(NetIn::Timeout(now));
    while let Some(output) = net.poll_output() {
        match output {
            NetOut::Packet(datagram) => out.push(datagram),
            NetOut::Timeout(_) => break,
        }
    }
    out
}

impl Viewer {
    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(Output::Transmit(t)) => {
                    let datagram =
                        Datagram { source: t.source, destination: t.destination, bytes: t.contents.to_vec() };
                    self.to_car.handle_input(NetIn::Packet(now, datagram));
                }
                Ok(Output::Event(event)) => self.handle_event(now, event),
                Err(_) => {
                    self.closed = true;
                    self.timeout = now + Duration::from_secs(3600);
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => self.connected = Some(now),
            Event::MediaData(data) => {
                if let Some((number, keyframe)) = number_in(&data.data) {
                    let seconds = |t: Option<str0m::media::MediaTime>| t.map(|t| t.as_seconds());
                    self.frames.push(Received {
                        number,
                        keyframe,
                        at: now,
                        rtp_time: data.time.numer() as u32,
                        playout: seconds(data.ext_vals.play_delay_min).zip(seconds(data.ext_vals.play_delay_max)),
                        bytes: data.data.len(),
                    });
                }
            }
            Event::ChannelOpen(id, label) if label == "events" => self.events = Some(id),
            Event::ChannelOpen(id, _) => self.fast = Some(id),
            Event::ChannelData(data) => self.messages.push(data.data),
            Event::Closed => self.closed = true,
            _ => {}
        }
    }
}

/// One certificate for the whole test process.
fn crypto() -> Crypto {
    static CRYPTO: OnceLock<Crypto> = OnceLock::new();
    CRYPTO.get_or_init(|| Crypto::new(Instant::now()).unwrap()).clone()
}
