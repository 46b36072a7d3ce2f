//! The clip with real files and a real timer; nothing here asserts how long anything took.

use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use super::super::access_unit::tests::{AUD, PPS, SPS, idr, p};
use super::super::scratch::Scratch;
use super::*;

fn open(poll: &Poll, path: &Path, fps: u32, now: Instant) -> io::Result<Clip> {
    let waker = Arc::new(Waker::new(poll.registry(), Token(9))?);
    Clip::open(path, fps, &Wakeup { registry: poll.registry(), token: Token(0), waker }, now)
}

/// Plays until `count` frames were lent.
fn play(poll: &mut Poll, clip: &mut Clip, count: usize) -> Vec<(Vec<u8>, bool, Micros)> {
    let mut frames = Vec::new();
    let mut events = Events::with_capacity(4);
    while frames.len() < count {
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "the clip ticks");
        let now = Instant::now();
        clip.handle_ready(now);
        while clip.lend(now, &mut |frame| frames.push((frame.bytes.to_vec(), frame.keyframe, frame.captured))) {}
    }
    frames.truncate(count);
    frames
}

#[test]
fn a_clip_plays_in_order_and_for_ever_with_parameter_sets_before_each_keyframe() {
    let scratch = Scratch::new();
    let stream = [&p(8)[..], SPS, PPS, &idr(30), &p(20), AUD, &idr(25), &p(10)].concat();
    let path = scratch.file("a.h264", &stream);
    let mut poll = Poll::new().unwrap();
    let mut clip = open(&poll, &path, 240, Instant::now()).unwrap();
    let frames = play(&mut poll, &mut clip, 12);
    let round = [
        ([SPS, PPS, &idr(30)].concat(), true),
        (p(20), false),
        ([AUD, SPS, PPS, &idr(25)].concat(), true),
        (p(10), false),
    ];
    let expected = round.iter().cycle().take(12);
    assert!(frames.iter().map(|(bytes, key, _)| (bytes, key)).eq(expected.map(|(bytes, key)| (bytes, key))));
    let stats = clip.stats();
    assert_eq!((stats.state, stats.keyframes_on_demand), ("running", false));
    assert!(stats.frames >= 12 && stats.keyframes >= 6);
    clip.close();
}

#[test]
fn frames_are_stamped_at_exact_intervals_when_nothing_was_missed() {
    let scratch = Scratch::new();
    let path = scratch.file("a.h264", &[SPS, PPS, &idr(30), &p(20)].concat());
    let mut poll = Poll::new().unwrap();
    let mut clip = open(&poll, &path, 240, Instant::now()).unwrap();
    let frames = play(&mut poll, &mut clip, 20);
    if clip.skipped == 0 {
        let gaps: Vec<_> = frames.windows(2).map(|pair| pair[1].2.since(pair[0].2).as_micros()).collect();
        assert!(gaps.iter().all(|gap| (4165..=4168).contains(gap)), "{gaps:?}");
    }
}

#[test]
fn after_a_pause_of_seconds_time_is_skipped_and_not_sent_in_a_burst() {
    let scratch = Scratch::new();
    let path = scratch.file("a.h264", &[SPS, PPS, &idr(30), &p(20), &p(21), &p(22), &p(23)].concat());
    let poll = Poll::new().unwrap();
    let opened = Instant::now() - Duration::from_secs(10);
    let mut clip = open(&poll, &path, 1, opened).unwrap();
    let now = Instant::now();
    clip.handle_ready(now);
    let mut stamps = Vec::new();
    while clip.lend(now, &mut |frame| stamps.push(frame.captured)) {}
    assert_eq!(stamps.len() as u64, CATCH_UP);
    assert!(stamps.windows(2).all(|pair| pair[1].since(pair[0]) == Duration::from_secs(1)), "{stamps:?}");
    let last = stamps.last().unwrap().since(Micros::of(opened)).as_secs();
    assert!(last >= 9, "the newest was due just now, {last} s after the start");
    assert_eq!(clip.stats().dropped, last + 1 - CATCH_UP);
    assert_eq!(clip.next, 3, "skipped in time, not in frames");
}

#[test]
fn a_file_that_cannot_be_played_is_refused_with_its_name_and_what_to_do() {
    let scratch = Scratch::new();
    let cases = [
        (scratch.path("missing.h264"), "no such file"),
        (scratch.as_ref().to_owned(), "no ordinary file"),
        (scratch.file("empty.h264", b""), "is empty"),
        (scratch.file("text.h264", b"no H.264 at all"), "ffmpeg"),
        (scratch.file("zeros.h264", &[0; 9999]), "ffmpeg"),
        (scratch.file("sets.h264", &[SPS, PPS].concat()), "ffmpeg"),
        (scratch.file("no_key.h264", &[SPS, PPS, &p(9), &p(9)].concat()), "no keyframe"),
        (scratch.file("no_sets.h264", &[&idr(9)[..], &p(9)].concat()), "parameter sets"),
    ];
    for (path, hint) in cases {
        let poll = Poll::new().unwrap();
        let sentence = open(&poll, &path, 30, Instant::now()).unwrap_err().to_string();
        assert!(sentence.contains(&path.display().to_string()) && sentence.contains(hint), "{sentence}");
    }
}

#[test]
fn a_file_that_breaks_off_anywhere_is_played_as_far_as_it_goes_or_refused() {
    let scratch = Scratch::new();
    let stream = [AUD, SPS, PPS, &idr(9), AUD, &p(5), &p(4)].concat();
    for length in 1..stream.len() {
        let path = scratch.file("cut.h264", &stream[..length]);
        let poll = Poll::new().unwrap();
        let first_slice = [AUD, SPS, PPS].concat().len() + 5;
        match open(&poll, &path, 30, Instant::now()) {
            Ok(_) => assert!(length >= first_slice, "{length}"),
            Err(sentence) => assert!(length < first_slice, "{length}: {sentence}"),
        }
    }
}

#[test]
fn a_clip_obeys_the_frame_rate_and_says_why_it_cannot_do_more() {
    let scratch = Scratch::new();
    let path = scratch.file("a.h264", &[SPS, PPS, &idr(30), &p(20)].concat());
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut clip = open(&poll, &path, 1, now).unwrap();
    play(&mut poll, &mut clip, 1);
    assert_eq!(clip.order(now, Order::FrameRate(200)), Obeyed::Yes);
    let frames = play(&mut poll, &mut clip, 2);
    let gap = frames[1].2.since(frames[0].2).as_micros();
    assert_eq!(gap % 5_000, 0, "{gap}");
    assert!(clip.describe().contains("200 fps"), "{}", clip.describe());
    for order in [Order::Keyframe, Order::Bitrate(crate::frame::Bitrate(1)), Order::FrameRate(0)] {
        assert!(matches!(clip.order(now, order), Obeyed::Cannot(_)), "{order:?}");
    }
}
