//! EDGE: Camera and encoder on the kernel's test drivers: vivid's pictures through vicodec, which is a stateful encoder with
//! multi-planar queues like bcm2835-codec, though not to H.264. They need a kernel that has both: tests/kernel/run boots
//! one; elsewhere these are ignored.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use super::super::camera::device::Device;
use super::super::camera::health::Fault;
use super::super::settings::Settings;
use super::super::v4l2::node::Node;
use super::super::v4l2::ring::{Clock, Filled};
use super::super::v4l2::{Format, FourCc};
use super::super::{Choice, Options, Size, Wakeup};
use super::Encoder;
use super::coder::{Coder, Pair};
use super::m2m::{IN_FLIGHT, M2m, Opened, Picture};
use crate::clock::Micros;
use crate::frame::Bitrate;

const VIVID: &str = "/dev/video10";
const FWHT: FourCc = FourCc::new(b"FWHT");
const TOKEN: Token = Token(0);
const LIMIT: Duration = Duration::from_secs(20);

/// YU12 of 640x480.
const PICTURE: usize = 640 * 480 * 3 / 2;

/// User-Mode Linux, which tests/kernel/run boots with a clock that moves only while everything waits.
fn time_is_virtual() -> bool {
    fs::read_to_string("/proc/cmdline").unwrap().contains("time-travel=inf-cpu")
}

/// The node of vicodec that encodes.
fn vicodec() -> PathBuf {
    let nodes = fs::read_dir("/sys/class/video4linux").unwrap().map(|entry| entry.unwrap().path());
    let is_encoder = |path: &PathBuf| fs::read_to_string(path.join("name")).unwrap().contains("stateful-encoder");
    let node = nodes.into_iter().find(is_encoder).unwrap();
    Path::new("/dev").join(node.file_name().unwrap())
}

fn options() -> Options {
    let size = Size { width: 640, height: 480 };
    Options { choice: Choice::Auto, size, fps: 30, bitrate: Bitrate(1_000_000), camera: Settings::default() }
}

fn coder(poll: &Poll) -> (Coder, String) {
    let place = Pair { raw: VIVID.into(), encoder: vicodec() };
    let mut told = Vec::new();
    let coder = Coder::open_for(FWHT, &place, &options(), poll.registry(), TOKEN, &mut told).unwrap();
    (coder, told.join(", "))
}

fn next(poll: &mut Poll, coder: &mut Coder) -> Result<Filled, Fault> {
    let (mut events, end) = (Events::with_capacity(8), Instant::now() + LIMIT);
    loop {
        if let Some(filled) = coder.dequeue(Micros::now())? {
            return Ok(filled);
        }
        coder.check()?;
        poll.poll(&mut events, Some(LIMIT)).unwrap();
        assert!(Instant::now() < end, "no frame in {LIMIT:?}");
    }
}

/// The encoder alone, which pictures are copied into.
fn encoder(export: bool) -> M2m {
    let opened = Opened::new(&vicodec(), FWHT).unwrap();
    let raw = Format {
        pixels: FourCc::new(b"YU12"),
        width: 640,
        height: 480,
        bytes_per_line: 640,
        size: PICTURE as u32,
        colours: 0,
    };
    let mut encoder = opened.prepare(&raw, FWHT, 30, export).unwrap();
    encoder.start().unwrap();
    encoder
}

fn picture(index: u32, bytes: &[u8]) -> Picture<'_> {
    Picture { index, bytes, capacity: bytes.len(), stamp: Micros(7_000_000 + u64::from(index)), export: None }
}

/// What comes out until there is nothing for a while: stamps of frames with content.
fn outcome(encoder: &mut M2m, enough: impl Fn(&M2m, usize) -> bool) -> Vec<u64> {
    let (mut stamps, end) = (Vec::new(), Instant::now() + LIMIT);
    while !enough(encoder, stamps.len()) {
        while encoder.returned().unwrap().is_some() {}
        encoder.check().unwrap();
        match encoder.dequeue().unwrap() {
            Some(filled) if filled.end > filled.start => {
                stamps.push(filled.stamp.0);
                encoder.coded.queue(filled.index).unwrap();
            }
            Some(_) => {}
            // Not a loop of the program, but a wait for the driver's thread.
            None => std::thread::yield_now(),
        }
        assert!(Instant::now() < end, "{stamps:?}");
    }
    stamps
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn pictures_go_to_the_encoder_without_a_copy_and_frames_carry_their_stamps() {
    let mut poll = Poll::new().unwrap();
    let (mut coder, told) = coder(&poll);
    assert!(told.contains("pictures are not copied"), "{told}");
    assert!(told.contains("YU12 640x480 at"), "{told}");
    coder.start().unwrap();
    let (mut first, mut last) = (None, Micros(0));
    for n in 0..60 {
        let filled = next(&mut poll, &mut coder).unwrap();
        let now = Micros::now();
        assert_eq!(filled.clock, Clock::Ours);
        assert!(filled.stamp > last && filled.end > filled.start, "frame {n}: {filled:?}");
        let given = filled.encoding.unwrap();
        assert!(filled.stamp <= given && given <= now, "frame {n}: {filled:?} at {now:?}");
        assert!(coder.encoder().in_flight() <= IN_FLIGHT);
        last = filled.stamp;
        first.get_or_insert(last);
        coder.give_back(filled.index).unwrap();
    }
    assert!(!coder.encoder().copies(), "and it stayed so");
    let us = last.since(first.unwrap()).as_micros();
    // At this size vivid has 25 frames a second at most, and says so.
    let expected = if told.contains("at 25 fps") { 59 * 40_000 } else { 59 * 1_000_000 / 30 };
    // The guest's clock may tick every 10 ms; a machine in real time may leave pictures out, but makes up none.
    let late = if time_is_virtual() { 0 } else { expected / 10 };
    assert!((expected - 20_000..=expected + 20_000 + late).contains(&us), "59 intervals in {us} us: {told}");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_camera_that_cannot_fill_whole_macroblocks_is_told_which_size_can() {
    let poll = Poll::new().unwrap();
    let place = Pair { raw: VIVID.into(), encoder: vicodec() };
    let options = Options { size: Size { width: 640, height: 360 }, ..options() };
    let fault = Coder::open_for(FWHT, &place, &options, poll.registry(), TOKEN, &mut Vec::new()).unwrap_err();
    assert!(matches!(&fault, Fault::Unfit(what) if what.contains("640x368") && what.contains("--size")), "{fault:?}");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_pair_that_is_started_again_goes_on() {
    let mut poll = Poll::new().unwrap();
    let (mut coder, _) = coder(&poll);
    coder.start().unwrap();
    for _ in 0..3 {
        for _ in 0..10 {
            let filled = next(&mut poll, &mut coder).unwrap();
            coder.give_back(filled.index).unwrap();
        }
        coder.restart().unwrap();
    }
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_camera_that_is_pulled_out_before_the_encoder_is_unplugged() {
    let mut poll = Poll::new().unwrap();
    let (mut coder, _) = coder(&poll);
    coder.start().unwrap();
    next(&mut poll, &mut coder).unwrap();
    let node = Node::open(Path::new(VIVID)).unwrap();
    node.set(&node.control(0x00f0_f041).unwrap(), 1).unwrap();
    let fault = (0..20).find_map(|_| next(&mut poll, &mut coder).err());
    assert_eq!(fault, Some(Fault::Unplugged));
    drop((coder, node));
    // It is back when nobody holds it.
    Node::open(Path::new(VIVID)).unwrap().identity().unwrap();
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn what_is_inside_comes_out_before_the_end_and_then_it_can_begin_again() {
    let mut encoder = encoder(false);
    assert!(encoder.copies());
    let bytes = vec![128; PICTURE];
    for round in 0..3 {
        for index in 0..IN_FLIGHT as u32 {
            assert!(encoder.has_room());
            encoder.encode(&picture(index, &bytes)).unwrap();
        }
        assert!(round > 0 || encoder.in_flight() <= IN_FLIGHT);
        encoder.drain().unwrap();
        assert!(!encoder.has_room(), "nothing goes in while it drains");
        let stamps = outcome(&mut encoder, |encoder, _| encoder.has_ended());
        assert_eq!(stamps, [7_000_000, 7_000_001]);
        encoder.stop().unwrap();
        encoder.start().unwrap();
        assert!(!encoder.has_ended() && !encoder.is_draining());
    }
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn pictures_that_cannot_be_lent_are_copied_from_then_on() {
    let mut encoder = encoder(true);
    assert!(!encoder.copies());
    let bytes = vec![128; PICTURE];
    // A descriptor that is no memory at all.
    let null = fs::File::open("/dev/null").unwrap().into();
    encoder.encode(&Picture { export: Some(&null), ..picture(0, &bytes) }).unwrap();
    assert!(encoder.copies());
    assert_eq!(outcome(&mut encoder, |_, frames| frames == 1), [7_000_000]);
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn an_encoder_that_is_none_or_not_to_h264_is_a_sentence() {
    let poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(9)).unwrap());
    for (path, words) in [
        (Path::new("/dev/video99"), "there is no encoder at /dev/video99"),
        (Path::new(VIVID), "which is no encoder"),
        (&vicodec(), "encodes to FWHT and not to H264"),
    ] {
        let wakeup = Wakeup { registry: poll.registry(), token: TOKEN, waker: Arc::clone(&waker) };
        let source = Encoder::open(Path::new(VIVID), path, &options(), &wakeup, Instant::now()).unwrap();
        let sentence = source.stats().sentence;
        assert!(sentence.contains(words), "{sentence}");
    }
}
