//! EDGE: The device layer and the machine above it on the kernel's own test drivers: vivid (a camera with raw formats whose
//! faults can be ordered), v4l2loopback (H.264 that the test writes), vicodec (an encoder). They need a kernel that has
//! them: tests/kernel/run boots one; elsewhere these are ignored.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry, Token, Waker};

use super::super::access_unit;
use super::super::camera::Camera;
use super::super::camera::feed::{Device, Feed};
use super::super::camera::health::{Fault, SILENCE};
use super::super::camera::sequence::Sequence;
use super::super::camera::setup::Codec;
use super::super::camera::stream::{Stream, Wanted};
use super::super::settings::Settings;
use super::super::{Choice, Options, Size, Wakeup};
use super::node::{Node, zeroed};
use super::ring::{Clock, Filled, Ring};
use super::{FourCc, H264, sys};
use crate::clock::Micros;
use crate::frame::Bitrate;
use crate::message::Severity;

const VIVID: &str = "/dev/video10";
const LOOPBACK: &str = "/dev/video20";

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
    fn start(&mut self) -> Result<(), Fault> {
        self.stream.start()
    }
    fn restart(&mut self) -> Result<(), Fault> {
        self.stream.restart()
    }
    fn dequeue(&mut self, _: Micros) -> Result<Option<Filled>, Fault> {
        self.stream.dequeue()
    }
    fn give_back(&mut self, index: u32) -> Result<(), Fault> {
        self.stream.give_back(index)
    }
    fn check(&mut self) -> Result<(), Fault> {
        self.stream.check()
    }
    fn memory(&self) -> &Ring {
        &self.stream.ring
    }
    fn codec(&self) -> (&Codec, &Node) {
        (&self.codec, &self.stream.node)
    }
    fn camera(&self) -> &Node {
        &self.stream.node
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

/// The writing end of v4l2loopback.
struct Writer(File);

impl Writer {
    fn open() -> Self {
        let node = Node::open(Path::new(LOOPBACK)).unwrap();
        let kind = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
        let mut format = sys::v4l2_format { type_: kind, ..zeroed() };
        let mut pix: sys::v4l2_pix_format = zeroed();
        (pix.width, pix.height, pix.pixelformat) = (640, 360, H264.0);
        (pix.field, pix.sizeimage) = (sys::v4l2_field_V4L2_FIELD_NONE, 640 * 360);
        format.fmt.pix = pix;
        // SAFETY: S_FMT reads and fills a v4l2_format.
        unsafe { node.call(v4l::v4l2::vidioc::VIDIOC_S_FMT, &mut format).unwrap() };
        // The same device by another descriptor would be another writer.
        Self(node.into_file())
    }

    fn write(&mut self, unit: &[u8]) {
        assert_eq!(self.0.write(unit).unwrap(), unit.len());
    }
}

fn clip() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let file = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "h264")).unwrap();
    let stream = std::fs::read(file).unwrap();
    let cut = access_unit::cut(&stream);
    cut.units.iter().map(|unit| stream[unit.range.clone()].to_vec()).collect()
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn access_units_arrive_byte_for_byte_and_a_starved_camera_recovers() {
    let units = clip();
    let mut bench = Bench::new();
    let mut writer = Writer::open();
    // The first frame after REQBUFS is of full length whatever was written: it is not looked at.
    writer.write(&units[0]);
    let mut camera: Camera = bench.feed(LOOPBACK.into());
    assert_eq!(camera.stats().sentence, "", "{}", camera.describe());
    assert!(camera.describe().contains("H264 640x360"), "{}", camera.describe());
    let mut arrived: Vec<Vec<u8>> = Vec::new();
    let lend = |camera: &mut Camera, arrived: &mut Vec<Vec<u8>>| {
        let mut lent = 0;
        while camera.lend(Instant::now(), &mut |frame| arrived.push(frame.bytes.to_vec())) {
            lent += 1;
        }
        lent > 0
    };
    let flush = Instant::now() + Duration::from_millis(100);
    bench.run(&mut camera, |camera| lend(camera, &mut arrived) || Instant::now() >= flush).unwrap();
    for round in 0..2 {
        arrived.clear();
        for unit in &units {
            writer.write(unit);
            bench
                .run(&mut camera, |camera| lend(camera, &mut arrived))
                .unwrap_or_else(|| panic!("round {round}, frame {} did not come: {:?}", arrived.len(), camera.stats()));
        }
        assert_eq!(arrived.len(), units.len());
        assert!(arrived == units, "byte for byte");
        // Nothing more is written: the camera is starved, which is told after a second.
        let stopped = Instant::now();
        bench.run(&mut camera, |camera| camera.notice().is_some()).unwrap();
        assert!(stopped.elapsed() >= SILENCE - Duration::from_millis(100), "{:?}", stopped.elapsed());
        assert!(camera.stats().sentence.contains("no picture for a second"), "{:?}", camera.notice());
        bench.run(&mut camera, |camera| !camera.more()).unwrap();
        // And over as soon as there is a picture; the first after a new start does not count, see above.
        writer.write(&units[0]);
        bench
            .run(&mut camera, |camera| {
                lend(camera, &mut arrived);
                camera.notice().is_none()
            })
            .unwrap();
    }
}
