//! Stage `car`, but for camera and kernel: a frame in, encrypted datagrams for each viewer out, which are thrown away. The
//! real `Viewers`, whose viewers are engines on a simulated network; beside it the engine's own sample mode
//! (`Writer::write`) with as many viewers, the same cryptography and the same settings. Thirty frames a second of virtual
//! time, so that resend stores are as full as they are in life; what else falls due between frames (reports, path checks)
//! is done but not measured.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;
#[path = "../tests/sim/mod.rs"]
mod sim;
#[path = "common/watched.rs"]
#[allow(dead_code)]
mod watched;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{P_FRAME, access_unit};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sim::{CAR, FRAME, MS};
use str0m::config::DtlsVersion;
use str0m::media::{Direction, MediaKind, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use watched::watched_by;
use windshield::clock::Micros;
use windshield::frame::Frame;
use windshield::link::{Crypto, Outlet, Sent};

/// Takes datagrams and does nothing with them.
#[derive(Default)]
struct Nowhere {
    datagrams: usize,
}

impl Outlet for Nowhere {
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        self.datagrams += black_box(batch).len();
        Sent::All
    }

    fn clock(&self) -> Micros {
        Micros::now()
    }
}

/// One sender in sample mode and one who watches it, with nothing between them.
struct Pair {
    car: Rtc,
    viewer: Rtc,
    mid: Mid,
    pt: Pt,
    connected: bool,
}

const VIEWER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 1)), 5000);

impl Pair {
    fn new(now: Instant, crypto: &Crypto) -> Self {
        // Of extensions those that our own engine has, and no more.
        let mut extensions = ExtensionMap::empty();
        extensions.set(4, Extension::RtpMid);
        extensions.set(14, Extension::PlayoutDelay);
        let config = || {
            let config = crypto.configure(RtcConfig::new()).set_dtls_version(DtlsVersion::Auto).clear_codecs();
            config.enable_h264(true).set_extension_map(extensions.clone()).build(now)
        };
        let (mut car, mut viewer) = (config(), config());
        car.add_local_candidate(Candidate::host(CAR, "udp").unwrap());
        viewer.add_local_candidate(Candidate::host(VIEWER, "udp").unwrap());
        let mut api = viewer.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let answer = car.sdp_api().accept_offer(offer).unwrap();
        viewer.sdp_api().accept_answer(pending, answer).unwrap();
        // The same store for resends as our own viewers have.
        let stream = car.direct_api().stream_tx_by_mid(mid, None).unwrap().ssrc();
        car.direct_api().stream_tx(&stream).unwrap().set_rtx_cache(512, 500 * MS, None);
        let pt = car.writer(mid).unwrap().payload_params().next().unwrap().pt();
        let mut pair = Self { car, viewer, mid, pt, connected: false };
        let (mut now, end) = (now, now + Duration::from_secs(5));
        while !pair.connected && now < end {
            now += MS;
            pair.time_passes(now);
        }
        assert!(pair.connected, "sample mode does not connect");
        pair
    }

    /// Whatever is due on both sides, and what they say to each other.
    fn time_passes(&mut self, now: Instant) {
        self.car.handle_input(Input::Timeout(now)).unwrap();
        self.viewer.handle_input(Input::Timeout(now)).unwrap();
        loop {
            let to_viewer = transmits(&mut self.car, &mut self.connected);
            let to_car = transmits(&mut self.viewer, &mut false);
            if to_viewer.is_empty() && to_car.is_empty() {
                return;
            }
            for (to, transmits) in [(&mut self.viewer, to_viewer), (&mut self.car, to_car)] {
                for t in transmits {
                    let receive = Receive::new(Protocol::Udp, t.source, t.destination, &t.contents).unwrap();
                    to.handle_input(Input::Receive(now, receive)).unwrap();
                }
            }
        }
    }

    /// Sends a frame; how many datagrams it took.
    fn send(&mut self, now: Instant, unit: Arc<[u8]>) -> usize {
        let time = MediaTime::from_90khz(u64::from(Micros::of(now).rtp_90khz()));
        self.car.writer(self.mid).unwrap().write(self.pt, now, time, unit).unwrap();
        self.car.handle_input(Input::Timeout(now)).unwrap();
        let mut datagrams = 0;
        loop {
            match self.car.poll_output().unwrap() {
                Output::Timeout(_) => return datagrams,
                Output::Transmit(t) => datagrams += usize::from(!black_box(t).contents.is_empty()),
                Output::Event(_) => {}
            }
        }
    }
}

fn transmits(rtc: &mut Rtc, connected: &mut bool) -> Vec<Transmit> {
    let mut out = Vec::new();
    loop {
        match rtc.poll_output().unwrap() {
            Output::Timeout(_) => return out,
            Output::Transmit(t) => out.push(t),
            Output::Event(event) => *connected |= matches!(event, Event::Connected),
        }
    }
}

fn car(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("car");
    let unit = access_unit(false, P_FRAME);
    for viewers in [1, 5] {
        let name = format!("{viewers} viewer{}", if viewers == 1 { "" } else { "s" });
        group.throughput(Throughput::Bytes((unit.len() * viewers) as u64));

        group.bench_function(BenchmarkId::new("windshield", &name), |bencher| {
            let mut world = watched_by(viewers);
            let mut outlet = Nowhere::default();
            bencher.iter_custom(|frames| {
                let mut spent = Duration::ZERO;
                for _ in 0..frames {
                    world.run(FRAME);
                    let stamp = Micros::of(world.now);
                    let frame =
                        Frame { bytes: &unit, keyframe: false, captured: stamp, encoding: None, dequeued: stamp };
                    let start = Instant::now();
                    world.car.handle_frame(world.now, &frame, &mut outlet);
                    spent += start.elapsed();
                }
                spent
            });
            assert!(world.car.viewer_stats(world.now).iter().all(|v| v.state == "live"), "everyone was sent all of it");
            assert_eq!(world.car.len(), viewers);
            assert!(outlet.datagrams > 0);
        });

        group.bench_function(BenchmarkId::new("str0m sample mode", &name), |bencher| {
            let mut now = Instant::now();
            let crypto = Crypto::new(now).unwrap();
            let mut pairs: Vec<_> = (0..viewers).map(|_| Pair::new(now, &crypto)).collect();
            now += Duration::from_secs(6);
            // As long as our own viewers have been watching.
            for _ in 0..60 {
                now += FRAME;
                pairs.iter_mut().for_each(|pair| {
                    pair.time_passes(now);
                    pair.send(now, Arc::from(&unit[..]));
                });
            }
            bencher.iter_custom(|frames| {
                let mut spent = Duration::ZERO;
                for _ in 0..frames {
                    now += FRAME;
                    pairs.iter_mut().for_each(|pair| pair.time_passes(now));
                    let start = Instant::now();
                    // One copy out of the source's buffer, shared by all.
                    let shared: Arc<[u8]> = Arc::from(&unit[..]);
                    for pair in &mut pairs {
                        black_box(pair.send(now, shared.clone()));
                    }
                    spent += start.elapsed();
                }
                spent
            });
            assert!(pairs.iter_mut().all(|pair| pair.car.is_alive() && pair.send(now, Arc::from(&unit[..])) >= 7));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = car }
criterion_main!(benches);
