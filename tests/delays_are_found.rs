//! Promise: the instrument is right. A delay made on purpose is found in the stage where it was made, whole, and in no
//! other: in the histograms behind `/stats` and `/metrics`, and in the stamps that the page joins with what it sees.
#![allow(clippy::unwrap_used)]

mod sim;

use std::time::{Duration, Instant};

use sim::{FRAME, MS, World, access_unit};
use windshield::clock::Micros;
use windshield::frame::Frame;
use windshield::trace::{Stage, WINDOW};

const HELLO: [u8; 10] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 7];

/// Thirty frames a second for one window and a little.
const FRAMES: u32 = 330;

/// When a source had a frame, in microseconds before it is handed over.
#[derive(Clone, Copy, Default)]
struct Source {
    camera_us: u64,
    encode_us: Option<u64>,
}

/// Somebody has watched a while; sums per stage and stamps of what comes then.
struct Measured {
    /// Count and sum in microseconds of each stage, in the order of [`Stage::ALL`].
    stages: [(u64, u64); 6],
    /// Median and longest of the last full window.
    window: [(u64, u64); 6],
    /// Of each frame the page was told: encoding, dequeued, packetized, protected, sent, in us after capture.
    told: Vec<[Option<u32>; 5]>,
}

fn sums(world: &World) -> [(u64, u64); 6] {
    Stage::ALL.map(|stage| world.car.stages().since_start(stage)).map(|d| (d.count(), d.sum_us()))
}

/// Records of all STAMPS messages (layout: `src/message.rs`).
fn told(world: &World, viewer: usize) -> Vec<[Option<u32>; 5]> {
    let messages = world.viewers[viewer].messages.iter().filter(|m| m[0] == 0x85);
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().unwrap())).filter(|n| *n != u32::MAX);
    let record = |r: &[u8]| std::array::from_fn(|n| number(&r[12 + 4 * n..16 + 4 * n]));
    messages.flat_map(|m| m[2..].chunks_exact(32).map(record).collect::<Vec<_>>()).collect()
}

fn measure(seed: u64, source: Source, sending: Duration) -> Measured {
    let mut world = World::new(seed);
    world.run(100 * MS);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    world.say(viewer, true, &HELLO);
    world.run(1_000 * MS);
    world.running = false;
    let (before, told_before) = (sums(&world), told(&world, viewer).len());
    for _ in 0..FRAMES {
        world.run(FRAME);
        let unit = access_unit(world.frame_number, std::mem::take(&mut world.keyframe_next), 8_300, world.profile);
        world.frame_number += 1;
        let dequeued = world.wire.clock;
        let encoding = source.encode_us.map(|us| Micros(dequeued.0 - us));
        let captured = Micros(encoding.unwrap_or(dequeued).0 - source.camera_us);
        let frame = Frame { bytes: &unit, keyframe: false, captured, encoding, dequeued };
        // Only the frame's own system call, not that of a check or a report.
        world.wire.slow = sending;
        world.car.handle_frame(world.now, &frame, &mut world.wire);
        world.wire.slow = Duration::ZERO;
        world.settle();
    }
    world.run(1_000 * MS);
    let after = sums(&world);
    let window = Stage::ALL.map(|stage| world.car.stages().last_window(stage).percentiles());
    let mut told = told(&world, viewer);
    Measured {
        stages: std::array::from_fn(|n| (after[n].0 - before[n].0, after[n].1 - before[n].1)),
        window: window.map(|p| (p.p50_us, p.max_us)),
        told: told.split_off(told_before),
    }
}

/// Each frame's share of a stage, in microseconds; all frames are alike, so this is exact.
fn each(measured: &Measured) -> [u64; 6] {
    measured.stages.map(|(count, sum)| {
        assert!(count == 0 || (count == u64::from(FRAMES) && sum % count == 0), "{count} {sum}");
        sum.checked_div(count).unwrap_or_default()
    })
}

/// A histogram tells values apart to a hundredth.
fn is_about(value: u64, wanted: u64) -> bool {
    value >= wanted && value <= wanted + wanted / 100
}

#[test]
fn thirty_milliseconds_in_sending_are_found_in_send_and_nowhere_else() {
    let calm = measure(1, Source::default(), Duration::ZERO);
    assert_eq!(each(&calm), [0; 6], "in virtual time nothing takes time by itself");
    let slow = measure(1, Source::default(), 30 * MS);
    assert_eq!(each(&slow), [0, 0, 0, 0, 30_000, 30_000]);
    let [camera, _, packetize, protect, send, car] = slow.window;
    assert_eq!([camera, packetize, protect], [(0, 0); 3]);
    assert!([send.0, send.1, car.0, car.1].into_iter().all(|us| is_about(us, 30_000)), "{send:?} {car:?}");
    // What the page gets. The last few may still be gathered; none is told with another delay.
    assert!(slow.told.len() as u32 > FRAMES - 16, "{}", slow.told.len());
    let begun = slow.told.iter().position(|r| r[4] == Some(30_000)).unwrap();
    assert!(begun < 8, "those before were still without the delay");
    for record in &slow.told[begun..] {
        assert_eq!(*record, [None, Some(0), Some(0), Some(0), Some(30_000)]);
    }
}

#[test]
fn a_late_camera_and_a_slow_encoder_are_told_apart() {
    for (seed, camera_us, encode_us, wanted) in [
        (2, 30_000, None, [30_000, 0, 0, 0, 0, 30_000]),
        (3, 2_000, Some(30_000), [2_000, 30_000, 0, 0, 0, 32_000]),
        (4, 30_000, Some(2_000), [30_000, 2_000, 0, 0, 0, 32_000]),
    ] {
        let measured = measure(seed, Source { camera_us, encode_us }, Duration::ZERO);
        assert_eq!(each(&measured), wanted, "camera {camera_us}, encoder {encode_us:?}");
        let (encoding, dequeued) = (encode_us.map(|_| camera_us as u32), Some(wanted[5] as u32));
        let last = measured.told.last().unwrap();
        assert_eq!(*last, [encoding, dequeued, dequeued, dequeued, dequeued]);
    }
}

#[test]
fn the_delay_of_one_viewer_is_among_what_the_next_waits_for() {
    let mut world = World::new(5);
    world.run(100 * MS);
    world.join(5 * MS);
    world.join(5 * MS);
    world.run(2_000 * MS);
    let before = sums(&world);
    world.wire.slow = 10 * MS;
    world.make_frame();
    let after = sums(&world);
    let spent = |stage: Stage| {
        (after[stage as usize].0 - before[stage as usize].0, after[stage as usize].1 - before[stage as usize].1)
    };
    // Two calls of 10 ms; the second viewer's packets are encrypted after the first one's are sent.
    assert_eq!((spent(Stage::Send), spent(Stage::Protect), spent(Stage::Car)), ((2, 20_000), (2, 10_000), (2, 30_000)));
    assert_eq!(spent(Stage::Packetize), (1, 0), "once for both");
}

#[test]
fn windows_run_while_somebody_watches_and_an_unwatched_car_sleeps() {
    let mut world = World::new(6);
    world.run(60_000 * MS);
    assert!(world.windows_ended.is_empty(), "nobody watches");
    // The first datagram of a viewer begins them.
    let (viewer, joined) = (world.join(5 * MS), world.now + 5 * MS);
    world.run(35_000 * MS);
    let since: Vec<Duration> = world.windows_ended.iter().map(|at| at.duration_since(joined)).collect();
    assert_eq!(since, [WINDOW, 2 * WINDOW, 3 * WINDOW]);
    let count = world.car.stages().last_window(Stage::Car).count();
    assert!((299..=301).contains(&count), "{count} frames in ten seconds");
    let session = world.session(viewer);
    world.delete(&session);
    world.run(60_000 * MS);
    assert_eq!(world.windows_ended.len(), 5, "what was begun is ended, and what is left forgotten");
    assert_eq!(world.car.stages().last_window(Stage::Car).count(), 0);
    assert_eq!(world.car.poll_timeout(), None::<Instant>);
}

#[test]
fn what_viewers_were_sent_is_counted_on_when_they_are_gone() {
    let mut world = World::new(7);
    world.run(100 * MS);
    let viewers = [world.join(5 * MS), world.join(5 * MS)];
    world.run(2_000 * MS);
    let alone: u64 = world.car.viewer_stats(world.now).iter().map(|v| v.sent.frames).sum();
    assert_eq!(world.car.link_stats().sent.frames, alone);
    let session = world.session(viewers[0]);
    world.delete(&session);
    assert_eq!(world.car.link_stats().sent.frames, alone, "a counter never goes back");
    world.run(1_000 * MS);
    assert!(world.car.link_stats().sent.frames > alone + 25);
}

#[test]
fn nobodys_picture_waits_for_what_another_is_told_about_his() {
    let mut world = World::new(9);
    world.run(100 * MS);
    let viewers = [world.join(5 * MS), world.join(5 * MS), world.join(5 * MS)];
    world.run(1_000 * MS);
    for viewer in viewers {
        world.say(viewer, true, &HELLO);
    }
    world.run(1_000 * MS);
    world.running = false;
    for _ in 0..60 {
        world.run(FRAME);
        world.wire.slow = 5 * MS;
        world.make_frame();
        world.wire.slow = Duration::ZERO;
    }
    world.run(1_000 * MS);
    assert!(viewers.iter().all(|viewer| told(&world, *viewer).len() > 60), "and they were told");
    let protect = world.car.stages().since_start(Stage::Protect).percentiles();
    // The third waits for two system calls of 5 ms; the histogram is true to a hundredth.
    assert!((10_000..=10_100).contains(&protect.max_us), "{protect:?}");
}
