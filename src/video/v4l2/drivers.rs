//! EDGE: The device layer on the kernel's own test drivers: vivid (a camera with raw formats whose faults can be
//! ordered); what is above it in `machine`, and in `loopback`, where the test writes the H.264. They need a kernel that
//! has them: tests/kernel/run boots one; elsewhere these are ignored.
#![allow(clippy::unwrap_used)]

mod loopback;
mod machine;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use super::super::camera::device::Device;
use super::super::camera::feed::Feed;
use super::super::camera::health::Fault;
use super::super::camera::sequence::Sequence;
use super::super::camera::stream::{Stream, Wanted};
use super::super::settings::Settings;
use super::super::{Choice, Options, Size, Wakeup};
use super::FourCc;
use super::node::Node;
use super::ring::{Clock, Filled};
use crate::clock::Micros;
use crate::frame::Bitrate;

const VIVID: &str = "/dev/video10";

/// Vivid's own controls: buttons that break something once, and a share of frames to drop.
const DISCONNECT: u32 = 0x00f0_f041;
const DQBUF_ERROR: u32 = 0x00f0_f042;
const QUEUE_SETUP_ERROR: u32 = 0x00f0_f043;
const BUF_PREPARE_ERROR: u32 = 0x00f0_f044;
const START_STREAMING_ERROR: u32 = 0x00f0_f045;
const QUEUE_ERROR: u32 = 0x00f0_f046;
const DROP_PERCENTAGE: u32 = 0x00f0_f040;

const YUYV: FourCc = FourCc::new(b"YUYV");
const RAW: Wanted<'static> = Wanted { pixels: &[YUYV], called: "raw pictures", width: 640, height: 360, fps: 30 };
const TOKEN: Token = Token(0);

/// Nothing on these drivers takes so long; virtual time makes it free.
const LIMIT: Duration = Duration::from_secs(20);

fn options(choice: Choice) -> Options {
    let size = Size { width: 640, height: 360 };
    Options { choice, size, fps: 30, bitrate: Bitrate(1_000_000), camera: Settings::default() }
}

/// Presses one of vivid's buttons, or sets its control, and lets go of the device.
fn set(path: &str, id: u32, value: i64) {
    let node = Node::open(Path::new(path)).unwrap();
    let control = node.control(id).unwrap();
    node.set(&control, value).unwrap();
}

struct Bench {
    poll: Poll,
    events: Events,
}

impl Bench {
    fn new() -> Self {
        Self { poll: Poll::new().unwrap(), events: Events::with_capacity(8) }
    }

    fn stream(&self) -> Result<Stream, Fault> {
        Stream::open(Path::new(VIVID), &RAW, self.poll.registry(), TOKEN, &mut |_, _, _| {})
    }

    fn started(&self) -> Stream {
        let mut stream = self.stream().unwrap();
        stream.start().unwrap();
        stream
    }

    /// The next frame; waits as the loop does, and only for edges.
    fn next(&mut self, stream: &mut Stream) -> Result<Filled, Fault> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(filled) = stream.dequeue()? {
                return Ok(filled);
            }
            stream.check()?;
            self.poll.poll(&mut self.events, Some(LIMIT)).unwrap();
            assert!(Instant::now() < end, "no frame in {LIMIT:?}");
        }
    }

    fn feed<D: Device>(&self, place: D::Place) -> Feed<D> {
        let waker = Arc::new(Waker::new(self.poll.registry(), Token(9)).unwrap());
        let wakeup = Wakeup { registry: self.poll.registry(), token: TOKEN, waker };
        Feed::new(place, &options(Choice::Auto), &wakeup, Instant::now()).unwrap()
    }

    /// Runs the loop until `done`, and tells how many turns it took; None if that did not come.
    fn run<D: Device>(&mut self, feed: &mut Feed<D>, mut done: impl FnMut(&mut Feed<D>) -> bool) -> Option<u32> {
        let (end, mut ready) = (Instant::now() + LIMIT, feed.more());
        for turns in 0.. {
            if done(feed) {
                return Some(turns);
            }
            let now = Instant::now();
            let due = feed.poll_timeout().unwrap_or(end).min(end).saturating_duration_since(now);
            let wait = if ready || feed.more() { Duration::ZERO } else { due };
            self.poll.poll(&mut self.events, Some(wait)).unwrap();
            ready |= self.events.iter().any(|event| event.token() == TOKEN) || feed.more();
            let now = Instant::now();
            feed.handle_timeout(now);
            if std::mem::take(&mut ready) {
                feed.handle_ready(now);
            }
            if now >= end {
                break;
            }
        }
        None
    }
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn frames_come_counted_and_stamped_and_at_the_rate_that_was_set() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    assert_eq!(stream.agreed.format.pixels, YUYV);
    assert_eq!(stream.node.identity().unwrap().driver, "vivid");
    let (mut first, mut last, mut sequence) = (None::<Micros>, Micros(0), Sequence::default());
    for n in 0..=60 {
        let filled = bench.next(&mut stream).unwrap();
        assert_eq!(sequence.missing_before(filled.sequence), 0);
        assert_eq!((filled.clock, filled.broken), (Clock::Monotonic, false));
        assert_eq!(stream.ring.bytes(&filled).len(), 640 * 360 * 2);
        assert!(filled.stamp > last, "frame {n}");
        last = filled.stamp;
        first.get_or_insert(last);
        stream.give_back(filled.index).unwrap();
    }
    // The guest's clock may tick every 10 ms.
    let ms = last.since(first.unwrap()).as_millis();
    assert!((1_970..=2_030).contains(&ms), "60 frames in {ms} ms");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_held_buffer_keeps_its_picture_while_others_go_round() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    let held = bench.next(&mut stream).unwrap();
    let picture = stream.ring.bytes(&held).to_vec();
    for _ in 0..30 {
        let filled = bench.next(&mut stream).unwrap();
        assert_ne!(filled.index, held.index);
        stream.give_back(filled.index).unwrap();
        assert!(stream.ring.bytes(&filled).is_empty(), "what the driver has is not readable");
    }
    assert!(stream.ring.bytes(&held) == picture);
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn an_exported_buffer_is_the_same_memory() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    let exported = stream.ring.export().unwrap();
    let filled = bench.next(&mut stream).unwrap();
    let bytes = stream.ring.bytes(&filled);
    // SAFETY: a new read-only mapping of a DMABUF of at least this length; unmapped below, while nothing borrows it.
    let same = unsafe {
        let fd = exported[filled.index as usize].as_raw_fd();
        let start = libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ, libc::MAP_SHARED, fd, 0);
        assert_ne!(start, libc::MAP_FAILED);
        let same = std::slice::from_raw_parts(start.cast::<u8>(), bytes.len()) == bytes;
        libc::munmap(start, bytes.len());
        same
    };
    assert!(same);
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn frames_that_the_driver_drops_are_noticed() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    set(VIVID, DROP_PERCENTAGE, 50);
    let (mut sequence, mut missing) = (Sequence::default(), 0);
    for _ in 0..100 {
        let filled = bench.next(&mut stream).unwrap();
        missing += sequence.missing_before(filled.sequence);
        stream.give_back(filled.index).unwrap();
    }
    set(VIVID, DROP_PERCENTAGE, 0);
    assert!((30..300).contains(&missing), "{missing} of about 200");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_device_that_refuses_buffers_is_unfit_for_now_and_fit_the_next_time() {
    let bench = Bench::new();
    for (button, what) in [(QUEUE_SETUP_ERROR, "buffers"), (BUF_PREPARE_ERROR, "queueing buffers")] {
        set(VIVID, button, 1);
        match bench.stream() {
            Err(Fault::Unfit(text)) => assert!(text.starts_with(what), "{text}"),
            other => panic!("{button:#x}: {other:?}"),
        }
        bench.stream().unwrap();
    }
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_refused_start_leaves_the_buffers_queued_and_is_tried_again_alone() {
    let mut bench = Bench::new();
    let mut stream = bench.stream().unwrap();
    set(VIVID, START_STREAMING_ERROR, 1);
    assert!(matches!(stream.start(), Err(Fault::Refused(_))));
    assert_eq!(stream.ring.queued(), stream.ring.len() as usize);
    stream.start().unwrap();
    bench.next(&mut stream).unwrap();
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_buffer_that_is_refused_once_is_taken_the_second_time() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    let filled = bench.next(&mut stream).unwrap();
    set(VIVID, BUF_PREPARE_ERROR, 1);
    stream.give_back(filled.index).unwrap();
    assert_eq!(stream.ring.free(), None);
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_broken_frame_says_so_and_the_stream_goes_on() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    set(VIVID, DQBUF_ERROR, 1);
    let broken: Vec<_> = (0..12)
        .map(|_| {
            let filled = bench.next(&mut stream).unwrap();
            stream.give_back(filled.index).unwrap();
            filled.broken
        })
        .collect();
    assert_eq!(broken.iter().filter(|broken| **broken).count(), 1, "{broken:?}");
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn after_a_fatal_error_the_stream_is_broken_until_it_is_started_again() {
    let mut bench = Bench::new();
    let mut stream = bench.started();
    bench.next(&mut stream).unwrap();
    set(VIVID, QUEUE_ERROR, 1);
    let fault = (0..20).find_map(|_| bench.next(&mut stream).err()).unwrap();
    assert!(matches!(fault, Fault::Broken(_)), "{fault:?}");
    assert!(matches!(stream.dequeue(), Err(Fault::Broken(_))), "for ever");
    stream.restart().unwrap();
    bench.next(&mut stream).unwrap();
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn a_camera_that_another_has_is_busy_and_free_when_that_lets_go() {
    let bench = Bench::new();
    let first = bench.stream().unwrap();
    assert_eq!(bench.stream().unwrap_err(), Fault::Busy);
    drop(first);
    bench.stream().unwrap();
}
