//! EDGE: the machine that cameras run in, on vivid: its faults are told and mended, and none of them makes it spin.

use std::path::PathBuf;

use mio::{Registry, Token};

use super::super::super::camera::Camera;
use super::super::super::camera::setup::Codec;
use super::*;
use crate::message::Severity;

/// Vivid behind the machine that cameras run in: its pictures are no H.264 and count as dropped, all else is as ever.
#[derive(Debug)]
struct Raw {
    stream: Stream,
    codec: Codec,
}

impl Device for Raw {
    type Place = PathBuf;
    const NAME: &'static str = "raw";

    fn main(place: &PathBuf) -> &PathBuf {
        place
    }
    fn source(place: &PathBuf) -> String {
        place.display().to_string()
    }
    fn open(
        place: &PathBuf,
        _: &Options,
        registry: &Registry,
        token: Token,
        _: &mut Vec<String>,
    ) -> Result<Self, Fault> {
        let stream = Stream::open(place, &RAW, registry, token, &mut |_, _, _| {})?;
        Ok(Self { stream, codec: Codec::default() })
    }
    fn stream(&self) -> &Stream {
        &self.stream
    }
    fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
    fn codec(&self) -> (&Codec, &Node) {
        (&self.codec, &self.stream.node)
    }
}

/// Vivid behind the machine, past the two attempts to get a keyframe out of it.
fn raw_feed(bench: &mut Bench) -> Feed<Raw> {
    let mut feed = bench.feed::<Raw>(VIVID.into());
    assert_eq!(feed.stats().sentence, "");
    bench.run(&mut feed, |feed| !feed.stats().keyframes_on_demand).unwrap();
    frames(bench, &mut feed, 5);
    feed
}

/// Waits for so many more frames.
fn frames<D: Device>(bench: &mut Bench, feed: &mut Feed<D>, count: u64) {
    let goal = feed.stats().dropped + count;
    bench.run(feed, |feed| feed.stats().dropped >= goal).expect("frames");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn each_fault_of_a_running_camera_is_told_and_over_within_a_second() {
    let mut bench = Bench::new();
    let mut feed = raw_feed(&mut bench);
    for (button, word) in [(QUEUE_ERROR, "failed"), (DISCONNECT, "unplugged")] {
        let (frames_before, restarts) = (feed.stats().dropped, feed.stats().restarts);
        set(VIVID, button, 1);
        let told = |feed: &mut Feed<Raw>| {
            feed.notice().is_some_and(|(severity, text)| {
                severity == Severity::Fault && text.contains(word) && text.contains(VIVID)
            })
        };
        bench.run(&mut feed, told).unwrap_or_else(|| panic!("{word}: {:?}", feed.notice()));
        let fell = Instant::now();
        bench.run(&mut feed, |feed| feed.notice().is_none()).unwrap_or_else(|| panic!("{:?}", feed.notice()));
        assert!(fell.elapsed() < Duration::from_secs(1), "{word}: {:?}", fell.elapsed());
        assert!(feed.stats().restarts > restarts && feed.stats().dropped > frames_before);
        frames(&mut bench, &mut feed, 30);
    }
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn faults_at_each_step_of_the_way_back_are_waited_out() {
    let mut bench = Bench::new();
    let mut feed = raw_feed(&mut bench);
    for button in [START_STREAMING_ERROR, BUF_PREPARE_ERROR, QUEUE_SETUP_ERROR] {
        set(VIVID, button, 1);
        set(VIVID, QUEUE_ERROR, 1);
        bench.run(&mut feed, |feed| feed.notice().is_some()).unwrap();
        bench.run(&mut feed, |feed| feed.notice().is_none()).unwrap_or_else(|| panic!("{:?}", feed.notice()));
        frames(&mut bench, &mut feed, 5);
    }
    // One of them is still pressed: nothing asked for new buffers. It must not hit the next test.
    drop(feed);
    let _ = bench.stream();
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_running_camera_wakes_the_loop_about_once_a_frame() {
    let mut bench = Bench::new();
    let mut feed = raw_feed(&mut bench);
    let goal = feed.stats().dropped + 90;
    let turns = bench.run(&mut feed, |feed| feed.stats().dropped >= goal).unwrap();
    assert!((45..=200).contains(&turns), "{turns} turns for 90 frames");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_busy_camera_is_waited_for_without_spinning_and_taken_when_it_is_free() {
    let mut bench = Bench::new();
    let other = bench.stream().unwrap();
    let mut feed = bench.feed::<Raw>(VIVID.into());
    assert!(feed.stats().sentence.contains("busy"), "{:?}", feed.notice());
    let end = Instant::now() + Duration::from_secs(5);
    let turns = bench.run(&mut feed, |_| Instant::now() >= end).unwrap();
    assert!((8..=40).contains(&turns), "{turns} turns in 5 s");
    drop(other);
    frames(&mut bench, &mut feed, 5);
    assert_eq!(feed.notice(), None);
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_camera_without_h264_is_told_with_what_it_offers() {
    let bench = Bench::new();
    let camera: Camera = bench.feed(VIVID.into());
    let sentence = camera.stats().sentence;
    assert!(sentence.contains("does not deliver H.264") && sentence.contains(" more"), "{sentence}");
}
