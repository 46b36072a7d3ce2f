//! A stand-in named rpicam-vid (the real one needs a Raspberry Pi) that writes down how it was called and streams a
//! clip; run by the real shell, in a small loop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use super::super::access_unit::tests::{PPS, SPS, idr, p};
use super::super::scratch::Scratch;
use super::super::settings::WhiteBalance;
use super::super::{Choice, Size};
use super::*;

/// Far beyond anything these programs need.
const DEADLINE: Duration = Duration::from_secs(300);

struct Loop {
    poll: Poll,
    rpicam: Rpicam,
    /// Where the stand-in writes its command lines.
    calls: PathBuf,
    /// Everything that was ever said.
    notices: Vec<String>,
    /// Runs ahead of the real clock, so that pauses cost no time.
    ahead: Duration,
    _scratch: Scratch,
}

impl Loop {
    fn new(camera: &str) -> Self {
        let scratch = Scratch::new();
        let calls = scratch.path("calls");
        let clip = scratch.file("clip.h264", &[SPS, PPS, &idr(500), &p(30), &p(20)].concat());
        let script =
            format!("#!/bin/sh\necho \"$@\" >> '{}'\ncat '{}'\nexec sleep 1000\n", calls.display(), clip.display());
        let program = scratch.file("rpicam-vid", script.as_bytes());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // Once for each test.
        let program: &'static str = Box::leak(program.display().to_string().into_boxed_str());
        let options = Options {
            choice: Choice::Rpicam,
            size: Size { width: 640, height: 480 },
            fps: 30,
            bitrate: Bitrate(2_000_000),
            camera: if camera.is_empty() { Settings::default() } else { camera.parse().unwrap() },
        };
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(9)).unwrap());
        let wakeup = Wakeup { registry: poll.registry(), token: Token(0), waker };
        let rpicam = Rpicam::open(program, &options, &wakeup, Instant::now()).unwrap();
        Self { poll, rpicam, calls, notices: Vec::new(), ahead: Duration::ZERO, _scratch: scratch }
    }

    fn now(&self) -> Instant {
        Instant::now() + self.ahead
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(4);
        let wait = self.rpicam.poll_timeout().map_or(DEADLINE, |at| at.saturating_duration_since(self.now()));
        match self.poll.poll(&mut events, Some(if self.rpicam.more() { Duration::ZERO } else { wait })) {
            // Whoever stops and continues this process interrupts the wait.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            other => other.unwrap(),
        }
        let now = self.now();
        if !events.is_empty() || self.rpicam.more() {
            self.rpicam.handle_ready(now);
        }
        self.rpicam.handle_timeout(now);
        while self.rpicam.lend(now, &mut |_| {}) {}
        if let Some((_, sentence)) = self.rpicam.notice()
            && self.notices.last().is_none_or(|last| last != sentence)
        {
            self.notices.push(sentence.to_owned());
        }
    }

    /// Runs until the stand-in was called `count` times and the last one's three pictures have come.
    fn until_called(&mut self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let calls = fs::read_to_string(&self.calls).unwrap_or_default();
            let calls: Vec<_> = calls.lines().map(str::to_owned).collect();
            if calls.len() >= count && self.rpicam.stats().frames as usize >= 3 * count {
                return calls;
            }
            assert!(Instant::now() < deadline, "{calls:?}, said {:?}", self.notices);
            self.turn();
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.rpicam.close();
    }
}

#[test]
fn its_pictures_come_and_its_options_are_those_asked_for() {
    let mut it = Loop::new("exposure=5ms,hflip");
    let calls = it.until_called(1);
    assert!(calls[0].contains("--width 640 --height 480 --framerate 30 --bitrate 2000000"), "{calls:?}");
    assert!(calls[0].ends_with("--shutter 5000 --hflip -o -"), "{calls:?}");
    let stats = it.rpicam.stats();
    assert_eq!((stats.name.as_str(), stats.state, stats.bitrate), ("rpicam-vid", "running", Some(2_000_000)));
    assert!(matches!(it.rpicam.order(it.now(), Order::Keyframe), Obeyed::Cannot(why) if why.contains("every second")));
}

#[test]
fn a_change_is_a_restart_that_is_said_and_the_old_child_is_gone() {
    let mut it = Loop::new("");
    it.until_called(1);
    let change = Change { bitrate: Some(Bitrate(1_000_000)), hflip: Some(true), ..Change::default() };
    let outcomes = it.rpicam.change(it.now(), &change);
    assert!(outcomes.len() == 2 && outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!((it.rpicam.settings().hflip, it.rpicam.stats().bitrate), (Some(true), Some(1_000_000)));
    it.ahead += FOR_A_PERSON;
    let calls = it.until_called(2);
    assert!(calls[1].contains("--bitrate 1000000") && calls[1].contains("--hflip"), "{calls:?}");
    assert!(it.notices[0].contains("starting it again with the new settings"), "{:?}", it.notices);
    assert!(!it.notices.iter().any(|sentence| sentence.contains("ended")), "{:?}", it.notices);
    assert_eq!((it.rpicam.stats().restarts, it.rpicam.stats().state), (1, "running"));
}

#[test]
fn changes_in_quick_succession_are_one_restart_and_one_that_changes_nothing_is_none() {
    let mut it = Loop::new("");
    it.until_called(1);
    for rate in [1_000_000, 900_000, 800_000] {
        it.rpicam.change(it.now(), &Change { bitrate: Some(Bitrate(rate)), ..Change::default() });
    }
    it.ahead += FOR_A_PERSON;
    let calls = it.until_called(2);
    assert!(calls.len() == 2 && calls[1].contains("--bitrate 800000"), "{calls:?}");
    it.rpicam.change(it.now(), &Change { bitrate: Some(Bitrate(800_000)), ..Change::default() });
    assert!(it.rpicam.next.is_none());
    // Asked for and taken back before it came to that.
    it.rpicam.change(it.now(), &Change { vflip: Some(true), ..Change::default() });
    it.rpicam.change(it.now(), &Change { vflip: Some(false), ..Change::default() });
    assert!(it.rpicam.next.is_none() || it.rpicam.settings().vflip == Some(false));
}

#[test]
fn the_link_restarts_it_seldom_and_never_for_a_little() {
    let mut it = Loop::new("");
    it.until_called(1);
    let now = it.now();
    assert_eq!(it.rpicam.order(now, Order::Bitrate(Bitrate(1_800_000))), Obeyed::Yes);
    assert!(it.rpicam.next.is_none());
    assert_eq!(it.rpicam.order(now, Order::Bitrate(Bitrate(1_000_000))), Obeyed::Yes);
    let (_, at) = it.rpicam.next.as_ref().unwrap();
    assert_eq!(*at, it.rpicam.started + FOR_THE_LINK);
    // A person's wish takes it along.
    it.rpicam.change(now, &Change { hflip: Some(true), ..Change::default() });
    it.ahead += FOR_A_PERSON;
    let calls = it.until_called(2);
    assert!(calls[1].contains("--bitrate 1000000") && calls[1].contains("--hflip"), "{calls:?}");
}

#[test]
fn what_it_has_no_option_for_is_refused_with_the_reason_and_restarts_nothing() {
    let mut it = Loop::new("awb=daylight");
    it.until_called(1);
    let change = Change {
        rotation: Some(super::super::settings::Rotation::Left),
        white_balance: Some(WhiteBalance::Shade),
        ..Change::default()
    };
    let outcomes = it.rpicam.change(it.now(), &change);
    assert!(outcomes.len() == 2 && outcomes.iter().all(|outcome| outcome.result.is_err()), "{outcomes:?}");
    assert_eq!(it.rpicam.settings().white_balance, Some(WhiteBalance::Daylight));
    assert!(it.rpicam.next.is_none());
}
