//! Promise: whatever is posted as an offer or a fragment is answered or refused with a sentence. Nothing panics (the
//! release build would abort), not even later, when the odd thing that was agreed on is used; nobody stays behind.
//! Seeded; a failure names the seed and prints the offer.
#![allow(clippy::unwrap_used)]

mod sim;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sim::{CAR, MS, World};
use str0m::config::{DtlsVersion, Fingerprint};
use str0m::ice::IceCreds;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::clock::Micros;
use windshield::frame::Frame;
use windshield::link::{Answer, Offer, Refused};

/// xorshift64* (Vigna 2016): small, seeded, good enough to choose what to break.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

/// What Chromium 156 offers for `addTransceiver("video", {direction: "recvonly"})` and a data channel; its names and its
/// fingerprint are left open.
const CHROMIUM: &str = include_str!("data/chromium_recvonly.sdp");

/// One who posts odd offers, and yet can hold up its end of ICE and DTLS: no SDP is read on this side.
struct Odd {
    rtc: Rtc,
    offer: String,
    connected: bool,
    datagrams: usize,
    timeout: std::time::Instant,
}

const ODD: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 9, 9)), 4000);

impl Odd {
    fn new(world: &World) -> Self {
        let provider = std::sync::Arc::new(str0m_aws_lc_rs::default_provider());
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(provider)
            .set_dtls_version(DtlsVersion::Auto)
            .set_rtp_mode(true)
            .build(world.now);
        rtc.add_local_candidate(Candidate::host(ODD, "udp").unwrap());
        rtc.add_remote_candidate(Candidate::host(CAR, "udp").unwrap());
        let direct = rtc.direct_api();
        let IceCreds { ufrag, pass } = direct.local_ice_credentials();
        let fingerprint = direct.local_dtls_fingerprint().to_string();
        let offer = CHROMIUM
            .lines()
            .map(|line| line.replace("{ufrag}", &ufrag).replace("{pwd}", &pass).replace("{fingerprint}", &fingerprint))
            .flat_map(|line| [line, "\r\n".into()])
            .collect();
        Self { rtc, offer, connected: false, datagrams: 0, timeout: world.now }
    }

    /// Connects as far as the answer lets it, and watches for a while.
    fn watch(&mut self, world: &mut World, answer: &str, time: Duration) {
        let value = |name: &str| answer.lines().find_map(|l| l.strip_prefix(name)).map(str::to_string);
        let (Some(ufrag), Some(pass)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else { return };
        let Some(fingerprint) = value("a=fingerprint:").and_then(|f| f.parse::<Fingerprint>().ok()) else { return };
        let active = value("a=setup:").as_deref() != Some("active");
        let mut direct = self.rtc.direct_api();
        direct.set_remote_ice_credentials(IceCreds { ufrag, pass });
        direct.set_remote_fingerprint(fingerprint);
        direct.set_ice_controlling(true);
        direct.start_dtls(active).unwrap();
        direct.start_sctp(active);
        self.watch_on(world, time);
    }

    /// Watches on.
    fn watch_on(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        let mut next_frame = world.now;
        while world.now < end {
            if self.timeout <= world.now {
                let _ = self.rtc.handle_input(Input::Timeout(world.now));
            }
            self.drain(world);
            if next_frame <= world.now {
                next_frame += 10 * MS;
                make_frame(world);
            }
            if world.car.poll_timeout().is_some_and(|at| at <= world.now) {
                world.car.handle_timeout(world.now, &mut world.wire);
            }
            while !world.wire.sent.is_empty() {
                for datagram in std::mem::take(&mut world.wire.sent) {
                    if datagram.destination != ODD {
                        continue;
                    }
                    self.datagrams += 1;
                    let receive = Receive::new(Protocol::Udp, datagram.source, ODD, &datagram.bytes);
                    if let Ok(receive) = receive {
                        let _ = self.rtc.handle_input(Input::Receive(world.now, receive));
                        self.drain(world);
                    }
                }
            }
            while world.car.poll_output().is_some() {}
            world.now += MS;
        }
    }

    fn drain(&mut self, world: &mut World) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(Output::Transmit(t)) => {
                    world.car.handle_datagram(world.now, ODD, CAR, &t.contents, &mut world.wire);
                }
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(_)) => {}
                Err(_) => return,
            }
        }
    }
}

/// The next frame for whoever watches; every tenth is a keyframe.
fn make_frame(world: &mut World) {
    let keyframe = world.frame_number.is_multiple_of(10);
    let unit = sim::access_unit(world.frame_number, keyframe, 4_000, world.profile);
    world.frame_number += 1;
    let stamp = Micros::of(world.now);
    let frame = Frame { bytes: &unit, keyframe, captured: stamp, encoding: None, dequeued: stamp };
    world.car.handle_frame(world.now, &frame, &mut world.wire);
}

/// A world that knows its stream's profile, with nobody in it. Its viewers are not the world's own.
fn empty_world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.run(10 * MS);
    world.running = false;
    world
}

/// POSTs; the answer at once.
fn post(world: &mut World, sdp: &str) -> Answer {
    world.car.handle_offer(world.now, 1, Offer { sdp: sdp.into(), own_page: true, host: None }, &mut world.wire);
    world.wire.sent.clear();
    while let Some(output) = world.car.poll_output() {
        if let windshield::link::Output::Answer(1, answer) = output {
            return answer;
        }
    }
    panic!("no answer");
}

/// A sentence: words, not a debug dump of one.
fn sentence(refused: &Refused) -> &str {
    match refused {
        Refused::BadOffer(text) | Refused::Unprocessable(text) => {
            assert!(text.len() > 20 && text.contains(' '), "no sentence: {text:?}");
            assert!(text.len() < 1_000, "{} bytes are no sentence", text.len());
            text
        }
        other => panic!("{other:?} to an offer"),
    }
}

/// How many random offers: enough to find what is common, few enough for every day. More by environment variable.
fn rounds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let first = number("WINDSHIELD_SEED").unwrap_or(1);
    first..first + number("WINDSHIELD_ROUNDS").unwrap_or(usual)
}

/// Lets silence free everyone.
fn silence(world: &mut World) {
    for _ in 0..60 {
        world.now += 100 * MS;
        world.car.handle_timeout(world.now, &mut world.wire);
        world.wire.sent.clear();
        while world.car.poll_output().is_some() {}
    }
}

/// Posts, says what became of it, and fails with the whole offer if something panicked.
fn unharmed<T>(what: &str, offer: &str, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        panic!("{what}: {text}\nthe offer was:\n{}", offer.chars().take(20_000).collect::<String>())
    })
}

#[test]
fn chromiums_offer_connects() {
    let mut world = empty_world(1);
    let mut odd = Odd::new(&world);
    let Answer::Created { sdp, .. } = post(&mut world, &odd.offer.clone()) else { panic!("refused") };
    odd.watch(&mut world, &sdp, 300 * MS);
    assert!(odd.connected, "{sdp}");
    assert!(odd.datagrams > 60, "{} datagrams", odd.datagrams);
    assert_eq!(world.car.len(), 1);
    silence(&mut world);
    assert_eq!(world.car.len(), 0);
}

/// Lines that a browser never writes, or not there.
const ODD_LINES: &[&str] = &[
    "a=rtpmap:103 rtx/90000",
    "a=fmtp:103 apt=103",
    "a=rtpmap:104 H264/90000",
    "a=fmtp:104 apt=104",
    "a=rtpmap:0 H264/90000",
    "a=rtpmap:127 H264/0",
    "a=rtpmap:103 H264/4294967295/255",
    "a=fmtp:103 profile-level-id=ffffff;packetization-mode=255",
    "a=fmtp:103 profile-level-id=",
    "a=fmtp:103",
    "a=rtcp-fb:103 nack",
    "a=rtcp-fb:255 nack",
    "a=extmap:0 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:14 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:15 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "a=extmap:16 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:255 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "a=extmap:9 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "a=extmap:5/nonsense urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=sendonly",
    "a=sendrecv",
    "a=inactive",
    "a=setup:active",
    "a=setup:passive",
    "a=setup:holdconn",
    "a=ice-lite",
    "a=mid:",
    "a=mid:0",
    "a=mid:\u{1f697}\u{1f697}\u{1f697}\u{1f697}\u{1f697}\u{1f697}",
    "a=mid:a-name-much-longer-than-sixteen-bytes",
    "a=msid:- -",
    "a=msid:",
    "a=ssrc:0 cname:x",
    "a=ssrc:4294967295 msid:a b",
    "a=ssrc:1",
    "a=ssrc-group:FID 1 2",
    "a=ssrc-group:FID 1 1",
    "a=ssrc-group:FID",
    "a=rid:a recv",
    "a=rid:a send pt=103",
    "a=rid:0123456789012345678901234567890123456789 recv",
    "a=simulcast:recv a;b;c",
    "a=simulcast:send a recv a",
    "a=simulcast:recv ~a,b;c",
    "a=sctp-port:0",
    "a=sctp-port:65535",
    "a=max-message-size:0",
    "a=max-message-size:18446744073709551615",
    "a=sctp-init:AQAAHgAAAAEAAAAAAAAAAAAAAAEAAAAAAAA=",
    "a=sctp-init:AQAAFAAAAAAAAAAAAAAAAAAAAAA=",
    "a=sctp-init:////",
    "a=sctp-init:",
    "a=candidate:1 1 udp 0 0.0.0.0 0 typ host",
    "a=candidate:1 1 udp 4294967295 255.255.255.255 65535 typ relay raddr 0.0.0.0 rport 0",
    "a=candidate:1 65535 udp 1 10.9.9.9 4000 typ host",
    "a=candidate:1 1 udp 1 ::ffff:10.0.0.1 8080 typ srflx raddr :: rport 0",
    "a=candidate:1 1 tcp 1 10.0.0.9 9 typ host tcptype active",
    "a=candidate:1 1 udp 1 10.0.0.1 8080 typ host",
    "a=end-of-candidates",
    "a=fingerprint:sha-256 00",
    "a=fingerprint:md5 00:00",
    "a=group:BUNDLE",
    "a=group:BUNDLE 0 0 0 0",
    "b=AS:0",
    "b=TIAS:99999999999999999999",
    "m=video 9 UDP/TLS/RTP/SAVPF 103",
    "m=video 0 UDP/TLS/RTP/SAVPF 103",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "m=application 9 DTLS/SCTP 5000",
    "m=banana 9 UDP/TLS/RTP/SAVPF 103",
    "m=",
    "=",
    "",
];

const ODD_VALUES: &[&str] = &[
    "",
    " ",
    "0",
    "1",
    "14",
    "15",
    "16",
    "95",
    "96",
    "103",
    "104",
    "127",
    "128",
    "255",
    "256",
    "-1",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "\u{0}",
    "\u{202e}",
    "%s%n",
    "a b c",
    "::::",
    ";;;;",
    "/////",
];

/// A few changes of a well-formed offer, most of them small, so that a good part of the results is still accepted.
fn mutate(dice: &mut Dice, offer: &str) -> String {
    let mut lines: Vec<String> = offer.lines().map(Into::into).collect();
    for _ in 0..1 + dice.roll(5) {
        if lines.is_empty() {
            break;
        }
        let at = dice.roll(lines.len());
        let line = lines[at].clone();
        match dice.roll(12) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, line),
            2 => {
                let other = dice.roll(lines.len());
                lines.swap(at, other);
            }
            3 | 4 => lines.insert(at, dice.pick(ODD_LINES).into()),
            5 => lines[at] = dice.pick(ODD_LINES).into(),
            6 => {
                // One byte.
                let mut bytes = line.into_bytes();
                if !bytes.is_empty() {
                    let byte = dice.roll(bytes.len());
                    bytes[byte] = dice.roll(256) as u8;
                }
                lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
            7 | 8 => {
                // One number or word of the line.
                let is_part = |c: char| c.is_alphanumeric();
                let starts: Vec<usize> = line
                    .char_indices()
                    .filter(|(i, c)| is_part(*c) && !line[..*i].ends_with(is_part))
                    .map(|(i, _)| i)
                    .collect();
                if !starts.is_empty() {
                    let start = starts[dice.roll(starts.len())];
                    let len = line[start..].find(|c| !is_part(c)).unwrap_or(line.len() - start);
                    lines[at] = format!("{}{}{}", &line[..start], dice.pick(ODD_VALUES), &line[start + len..]);
                }
            }
            9 => {
                // One payload type becomes another wherever it stands.
                let types = ["96", "97", "103", "104", "107", "108", "109", "114", "117", "118", "0", "13", "127"];
                let (from, to) = (dice.pick(&types), dice.pick(&types));
                for line in &mut lines {
                    let renamed: Vec<&str> = line.split(' ').map(|w| if w == from { to } else { w }).collect();
                    *line = renamed.join(" ").replace(&format!(":{from} "), &format!(":{to} "));
                    *line = line.replace(&format!("apt={from}"), &format!("apt={to}"));
                }
            }
            10 => {
                // A long line.
                let long = "x".repeat(1 << dice.roll(14));
                lines[at] = format!("{line}{long}");
            }
            _ => {
                // The value of one attribute becomes very long or odd.
                let (name, _) = line.split_once(':').unwrap_or((&line, ""));
                lines[at] = format!("{name}:{}", "7".repeat(dice.roll(600)));
            }
        }
    }
    let end = if dice.roll(10) == 0 { "\n" } else { "\r\n" };
    let mut text = lines.iter().flat_map(|line| [line.as_str(), end]).collect::<String>();
    if dice.roll(20) == 0 {
        let mut cut = dice.roll(text.len() + 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        text.truncate(cut);
    }
    text
}

/// A mutated PATCH.
fn fragment(dice: &mut Dice, offer: &str) -> String {
    let lines: Vec<&str> = offer.lines().filter(|l| l.starts_with("a=ice-") || l.starts_with("m=")).collect();
    let mut text = String::new();
    for _ in 0..dice.roll(8) {
        text += match dice.roll(3) {
            0 => lines[dice.roll(lines.len())],
            1 => dice.pick(ODD_LINES),
            _ => ["a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv", "a=ice-ufrag:", "a=ice-pwd:"][dice.roll(4)],
        };
        text += "\r\n";
    }
    mutate(dice, &text)
}

#[test]
fn random_changes_of_an_offer_are_answered_or_refused_and_what_was_agreed_on_can_be_used() {
    let (mut created, mut connected, mut refused) = (0, 0, 0);
    for seed in rounds(1_500) {
        let mut dice = Dice::new(seed);
        let mut world = empty_world(seed);
        let mut odd = Odd::new(&world);
        let offer = mutate(&mut dice, &odd.offer);
        unharmed(&format!("seed {seed}"), &offer, || {
            match post(&mut world, &offer) {
                Answer::Created { sdp, session, .. } => {
                    created += 1;
                    odd.watch(&mut world, &sdp, 60 * MS);
                    connected += u32::from(odd.connected);
                    for _ in 0..3 {
                        let fragment = fragment(&mut dice, &offer);
                        let answer = unharmed(&format!("the fragment {fragment:?}"), "", || {
                            world.patch(&session, Some("*"), &fragment)
                        });
                        match answer {
                            Answer::Taken | Answer::Restarted { .. } | Answer::Refused(Refused::UnknownSession) => {}
                            Answer::Refused(why) => drop(sentence(&why).to_string()),
                            other => panic!("{other:?} to a PATCH"),
                        }
                        odd.watch_on(&mut world, 20 * MS);
                    }
                }
                Answer::Refused(why) => {
                    refused += 1;
                    sentence(&why);
                }
                other => panic!("{other:?} to an offer"),
            }
            silence(&mut world);
        });
        assert_eq!(world.car.len(), 0, "seed {seed}: a viewer stays behind");
    }
    println!("{created} created, {connected} connected, {refused} refused");
    assert!(created > 0 && connected > 0 && refused > 0, "{created} created, {connected} connected, {refused} refused");
}

/// Posts one offer and lives with the answer for a while.
fn try_out(seed: u64, what: &str, offer: impl FnOnce(&str) -> String) -> Option<Refused> {
    let mut world = empty_world(seed);
    let mut odd = Odd::new(&world);
    let offer = offer(&odd.offer);
    let refused = unharmed(what, &offer, || match post(&mut world, &offer) {
        Answer::Created { sdp, .. } => {
            odd.watch(&mut world, &sdp, 100 * MS);
            None
        }
        Answer::Refused(why) => {
            println!("{what}: {}", sentence(&why));
            Some(why)
        }
        other => panic!("{other:?} to an offer"),
    });
    unharmed(what, &offer, || silence(&mut world));
    assert_eq!(world.car.len(), 0, "{what}: a viewer stays behind");
    refused
}

/// Where checks can be sent to, without waiting for the viewer's own.
const CANDIDATE: &str = "a=candidate:1 1 udp 2113937151 10.9.9.9 4000 typ host\r\n";

/// The lines with which the offer's first section begins; what is inserted behind them is in the section.
fn in_first_section(offer: &str, lines: &str) -> String {
    offer.replacen("a=setup:actpass\r\n", &format!("a=setup:actpass\r\n{lines}"), 1)
}

/// Every value of an attribute replaced.
fn with_value(offer: &str, attribute: &str, value: &str) -> String {
    let lines = offer.lines().map(|l| if l.starts_with(attribute) { format!("{attribute}{value}") } else { l.into() });
    lines.flat_map(|l| [l, "\r\n".into()]).collect()
}

fn without(offer: &str, what: &[&str]) -> String {
    let lines = offer.lines().filter(|l| !what.iter().any(|w| l.starts_with(w)));
    lines.flat_map(|l| [l, "\r\n"]).collect()
}

/// str0m's STUN writer takes user names (theirs, a colon, ours) of at most 128 bytes and panics beyond.
#[test]
fn an_ice_name_of_any_length_is_refused_or_lives() {
    for len in [0, 1, 4, 64, 100, 101, 104, 108, 111, 112, 113, 123, 124, 127, 128, 129, 256, 257, 1_000, 60_000] {
        for name in ["a=ice-ufrag:", "a=ice-pwd:"] {
            let what = format!("{name} of {len} bytes");
            let refused =
                try_out(1, &what, |offer| in_first_section(&with_value(offer, name, &"u".repeat(len)), CANDIDATE));
            assert!(refused.is_none() || !(4..=32).contains(&len) || name == "a=ice-pwd:", "{what} is ordinary");
        }
    }
}

#[test]
fn an_ice_name_of_any_length_in_a_patch_is_refused_or_lives() {
    for len in [4, 100, 112, 128, 256, 1_000] {
        let mut world = empty_world(1);
        let mut odd = Odd::new(&world);
        let Answer::Created { sdp, session, .. } = post(&mut world, &odd.offer.clone()) else { panic!("refused") };
        odd.watch(&mut world, &sdp, 100 * MS);
        let fragment = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n{CANDIDATE}", "v".repeat(len), "p".repeat(24));
        unharmed("a restart", &fragment, || {
            match world.patch(&session, Some("*"), &fragment) {
                Answer::Restarted { .. } => {}
                Answer::Refused(why) => drop(sentence(&why).to_string()),
                other => panic!("{other:?} to a PATCH"),
            }
            odd.watch_on(&mut world, 500 * MS);
        });
        silence(&mut world);
        assert_eq!(world.car.len(), 0);
    }
}

/// str0m gives each payload type out once and panics at the second time.
#[test]
fn a_payload_type_that_is_two_things_is_refused_or_lives() {
    for types in ["100", "96", "103"] {
        for pt in ["90", "103", "96"] {
            for twice in ["H264", "rtx", "VP8", "red"] {
                try_out(1, &format!("{pt} is H264 and {twice}, m-line {types}"), |offer| {
                    let bare = without(offer, &["a=rtpmap", "a=fmtp", "a=rtcp-fb"]);
                    let lines = format!(
                        "a=rtpmap:{types} VP8/90000\r\na=rtpmap:{pt} H264/90000\r\na=rtpmap:{pt} {twice}/90000\r\n\
                         a=fmtp:{pt} packetization-mode=1;profile-level-id=42e01f;apt={pt}\r\na=fmtp:{pt} apt={pt}\r\n"
                    );
                    let lines = if types == pt { lines.split_once('\n').unwrap().1.to_string() } else { lines };
                    let section = bare.lines().find(|l| l.starts_with("m=video")).unwrap();
                    let bare = bare.replace(section, &format!("m=video 9 UDP/TLS/RTP/SAVPF {types}"));
                    in_first_section(&bare, &lines)
                });
            }
        }
    }
}

#[test]
fn an_offer_with_far_too_much_of_something_is_refused_or_lives() {
    let sections = |offer: &str, count: usize, section: &dyn Fn(usize) -> String| {
        let session = offer.split("m=").next().unwrap();
        let mids: String = (0..count).map(|i| format!(" {i}")).collect();
        let head = with_value(session, "a=group:BUNDLE", &mids);
        let ice = without(offer, &["a=rtpmap", "a=fmtp", "a=rtcp-fb", "a=extmap"]);
        let ice: String = ice
            .lines()
            .filter(|l| ["a=ice", "a=fing", "a=setup"].iter().any(|p| l.starts_with(p)))
            .take(5)
            .map(|l| format!("{l}\r\n"))
            .collect();
        format!("{head}{ice}{}", (0..count).map(section).collect::<String>())
    };
    for count in [2, 16, 32, 33, 100, 1_000] {
        try_out(1, &format!("{count} video sections"), |offer| {
            sections(offer, count, &|i| {
                format!(
                    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{i}\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42c01f\r\n"
                )
            })
        });
        try_out(1, &format!("{count} inactive audio sections"), |offer| {
            sections(offer, count, &|i| format!("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{i}\r\na=inactive\r\n"))
        });
        try_out(1, &format!("{count} data sections"), |offer| {
            sections(offer, count, &|i| {
                format!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:{i}\r\na=sctp-port:5000\r\n")
            })
        });
        try_out(1, &format!("{count} candidates"), |offer| {
            let lines: String = (0..count)
                .map(|i| format!("a=candidate:{i} 1 udp {i} 10.9.{}.{} 4000 typ host\r\n", i / 250, i % 250))
                .collect();
            in_first_section(offer, &lines)
        });
    }
    // All payload types there are.
    try_out(1, "128 payload types", |offer| {
        let all: Vec<String> = (0..128).map(|pt| pt.to_string()).collect();
        let bare = without(offer, &["a=rtpmap", "a=fmtp", "a=rtcp-fb"]);
        let section = bare.lines().find(|l| l.starts_with("m=video")).unwrap();
        let bare = bare.replace(section, &format!("m=video 9 UDP/TLS/RTP/SAVPF {}", all.join(" ")));
        let lines = all.iter().map(|pt| {
            format!("a=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} packetization-mode=1;profile-level-id=42c01f\r\n")
        });
        in_first_section(&bare, &lines.collect::<String>())
    });
    // A line, and an offer, of a megabyte.
    for line in [
        "a=fmtp:103 ",
        "a=fmtp:103 x=",
        "a=candidate:",
        "a=simulcast:recv ",
        "a=rid:",
        "a=x",
        "a=ssrc:1 cname:",
        "a=fingerprint:sha-256 00:",
        "m=video 9 UDP/TLS/RTP/SAVPF 1",
        "",
    ] {
        for what in ["x", "1", " ", ";", "a=b;", "00:", "1/", "1 ", "a,", "\u{1f697}"] {
            try_out(1, &format!("{line:?} and then a megabyte of {what:?}"), |offer| {
                in_first_section(offer, &format!("{line}{}\r\n", what.repeat(1_000_000 / what.len())))
            });
        }
    }
    try_out(1, "a megabyte of lines", |offer| in_first_section(offer, &"a=x\r\n".repeat(200_000)));
    try_out(1, "a megabyte of payload types", |offer| in_first_section(offer, &"a=rtpmap:1 x/1\r\n".repeat(60_000)));
}

#[test]
fn what_is_no_offer_for_us_is_refused_with_a_sentence() {
    type Change = fn(&str) -> String;
    let cases: [(&str, Change); 11] = [
        ("empty", |_| String::new()),
        ("blank", |_| " \r\n \r\n".into()),
        ("not SDP", |_| "{\"type\":\"offer\"}".into()),
        ("HTML", |_| "<!doctype html><title>404</title>".into()),
        ("no media", |offer| offer.split("m=").next().unwrap().into()),
        ("no H.264", |offer| without(&offer.replace("H264/90000", "VP9/90000"), &[])),
        ("packetization-mode 0 only", |offer| offer.replace("packetization-mode=1", "packetization-mode=0")),
        ("sendonly", |offer| offer.replace("a=recvonly", "a=sendonly")),
        ("inactive", |offer| offer.replace("a=recvonly", "a=inactive")),
        ("without ICE", |offer| without(offer, &["a=ice-"])),
        ("without DTLS", |offer| without(offer, &["a=fingerprint"])),
    ];
    for (what, change) in cases {
        assert!(try_out(1, what, change).is_some(), "{what} is answered");
    }
}
