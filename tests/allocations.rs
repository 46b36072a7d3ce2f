//! Promise: however many watch, a frame costs one allocation a payload (the `Arc` all viewers share, which is also the
//! one copy of its bytes in our code) and one a payload and viewer (the encrypted datagram, made by str0m); nothing of
//! ours a frame besides. Counted by an allocator, on the real `Viewers` with real engines at the other end.
#![allow(clippy::unwrap_used)]

mod sim;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::mem::size_of;

use sim::{FRAME, MS, World, access_unit};
use str0m::net::Transmit;
use windshield::clock::Micros;
use windshield::frame::{Frame, Stamps};
use windshield::link::packetize::Packetizer;
use windshield::link::{Outlet, Sent};
use windshield::trace::{Stage, Stages, WINDOW};

/// Counts what this thread asks for while told to. Other threads (the test harness) do not disturb.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// More allocations than any one frame here makes.
const ROOM: usize = 4_096;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static ASKED: RefCell<[usize; ROOM]> = const { RefCell::new([0; ROOM]) };
}

fn note(size: usize) {
    // A thread that is going away has no counters any more, and nothing to count.
    if ON.try_with(Cell::get).unwrap_or(false) {
        let at = COUNT.replace(COUNT.get() + 1);
        ASKED.with_borrow_mut(|sizes| sizes[at % ROOM] = size);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting itself allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// The sizes of everything `work` allocates.
fn allocations(work: impl FnOnce()) -> Vec<usize> {
    COUNT.set(0);
    ON.set(true);
    work();
    ON.set(false);
    let count = COUNT.get();
    assert!(count <= ROOM, "{count} allocations");
    ASKED.with_borrow(|sizes| sizes[..count].to_vec())
}

/// Hands datagrams to the simulated network. What that costs is the test's own and is not counted.
struct Uncounted<'a> {
    wire: &'a mut sim::Wire,
    /// Length of each RTP datagram.
    rtp: Vec<usize>,
    /// How many were of a data channel: stamps for the page.
    messages: usize,
    /// How many were something else: checks of the path, reports.
    others: usize,
}

impl Outlet for Uncounted<'_> {
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        let was_on = ON.replace(false);
        for transmit in batch {
            // The first byte of STUN is 0 to 3, of DTLS 20 to 63, of RTP and RTCP 128 to 191 (RFC 7983 section 7), and
            // RTCP has packet types 192 to 223 (RFC 5761 section 4).
            if (20..64).contains(&transmit.contents[0]) {
                self.messages += 1;
            } else if transmit.contents[0] < 128 || (192..=223).contains(&transmit.contents[1]) {
                self.others += 1;
            } else {
                self.rtp.push(transmit.contents.len());
            }
        }
        let sent = self.wire.send(batch);
        ON.set(was_on);
        sent
    }

    fn clock(&self) -> Micros {
        self.wire.clock()
    }
}

/// What one frame cost, and what came of it.
struct Cost {
    /// Lengths of the RTP payloads.
    payloads: Vec<usize>,
    /// Lengths of the RTP datagrams of all viewers.
    rtp: Vec<usize>,
    /// How many datagrams of data channels left with them.
    messages: usize,
    /// How many others did.
    others: usize,
    /// Sizes of the allocations.
    sizes: Vec<usize>,
}

/// A world with `viewers` who all have a picture. Frames are made by hand from here on.
fn watched_by(viewers: usize) -> World {
    let mut world = World::new(viewers as u64);
    world.run(100 * MS);
    for _ in 0..viewers {
        world.join(5 * MS);
    }
    world.run(2_000 * MS);
    assert!((0..viewers).all(|v| world.numbers(v).len() > 30), "everyone has a picture");
    world.running = false;
    world
}

/// One frame of `size` bytes; whatever is due by then (reports, path checks) was done before, as the loop does it.
fn frame(world: &mut World, size: usize) -> Cost {
    world.run(FRAME);
    let keyframe = std::mem::take(&mut world.keyframe_next);
    let unit = access_unit(world.frame_number, keyframe, size, world.profile);
    world.frame_number += 1;
    let payloads = Packetizer::default().packetize(&unit).iter().map(|p| p.bytes.len()).collect();
    let stamp = Micros::of(world.now);
    let frame = Frame { bytes: &unit, keyframe, captured: stamp, encoding: None, dequeued: stamp };
    let mut outlet = Uncounted { wire: &mut world.wire, rtp: Vec::with_capacity(ROOM), messages: 0, others: 0 };
    let sizes = allocations(|| world.car.handle_frame(world.now, &frame, &mut outlet));
    let Uncounted { rtp, messages, others, .. } = outlet;
    world.settle();
    Cost { payloads, rtp, messages, others, sizes }
}

/// The sizes, smallest first.
fn sorted(sizes: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut sizes: Vec<usize> = sizes.into_iter().collect();
    sizes.sort_unstable();
    sizes
}

/// What an `Arc<[u8]>` of `len` bytes takes: two counters, the bytes, and padding.
fn arc(len: usize) -> usize {
    (2 * size_of::<usize>() + len).next_multiple_of(size_of::<usize>())
}

const SIZES: [usize; 5] = [25_000, 8_300, 600, 3_000, 100];

#[test]
fn a_frame_costs_one_allocation_a_payload_and_one_a_payload_and_viewer_and_no_other() {
    for viewers in [1, 2, 5, 10] {
        let mut world = watched_by(viewers);
        // str0m's store for resends and our vectors grow to the largest frames there are, and then no more.
        for _ in 0..90 {
            frame(&mut world, SIZES[0]);
        }
        for size in SIZES {
            let mut with_others = 0;
            for _ in 0..90 {
                let Cost { payloads, rtp, messages, others, sizes } = frame(&mut world, size);
                let what = format!("{viewers} viewers, {size} bytes, {} payloads, allocated {sizes:?}", payloads.len());
                assert_eq!(rtp.len(), payloads.len() * viewers, "{what}");
                assert_eq!(messages, 0, "nobody has said hello");
                if others > 0 {
                    // Once a second str0m joins its check of the path to what is sent, and builds it in five pieces.
                    with_others += 1;
                    assert!(sizes.len() <= payloads.len() * (1 + viewers) + 5 * others, "{what}");
                    continue;
                }
                // Exactly these, byte for byte: each payload once, whoever watches, and each datagram once.
                let expected = payloads.iter().map(|p| arc(*p)).chain(rtp);
                assert_eq!(sorted(sizes), sorted(expected), "{what}");
            }
            assert!(with_others <= 6, "{with_others} of 90 frames left together with something else");
        }
        assert!((0..viewers).all(|v| world.numbers(v).len() > 90 * SIZES.len()), "and the pictures arrived");
    }
}

/// The page of this build says hello.
const HELLO: [u8; 10] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 7];

/// Allocations of a batch of stamps: the engine's SCTP and DTLS build the datagram in so many pieces. None is ours: records
/// are kept in place, and the message is written into a buffer that stays.
const A_BATCH: usize = 19;

#[test]
fn stamps_for_the_page_cost_a_frame_nothing_and_a_batch_the_engines_datagram() {
    for viewers in [1, 2, 5] {
        let mut world = watched_by(viewers);
        for viewer in 0..viewers {
            world.say(viewer, true, &HELLO);
        }
        for _ in 0..90 {
            frame(&mut world, SIZES[1]);
        }
        let mut batches = 0;
        for _ in 0..180 {
            let Cost { payloads, rtp, messages, others, sizes } = frame(&mut world, SIZES[1]);
            if others > 0 {
                continue;
            }
            if messages == 0 {
                let expected = payloads.iter().map(|p| arc(*p)).chain(rtp);
                assert_eq!(sorted(sizes), sorted(expected), "{viewers} viewers, who are told stamps");
            } else {
                let expected = payloads.len() * (1 + viewers) + messages * A_BATCH;
                assert_eq!(sizes.len(), expected, "{messages} batches to {viewers} viewers, allocated {sizes:?}");
                batches += messages;
            }
        }
        // Five a second for each, but for frames with which something else fell due as well.
        assert!((15..=30).contains(&(batches / viewers)), "{batches} batches in 6 s for {viewers} viewers");
    }
}

#[test]
fn a_frame_that_nobody_watches_costs_nothing() {
    let mut world = World::new(1);
    world.running = false;
    for size in SIZES {
        world.keyframe_next = true;
        assert!(frame(&mut world, size).sizes.is_empty(), "{size} bytes");
    }
}

#[test]
fn measuring_the_stages_and_going_on_to_the_next_window_cost_nothing() {
    let (mut stages, mut now) = (Stages::default(), std::time::Instant::now());
    stages.watched(now);
    let sizes = allocations(|| {
        for us in (0..100_000_000).step_by(100_003) {
            let (captured, dequeued) = (Micros(1), Micros(1 + us));
            let frame = Frame { bytes: &[], keyframe: false, captured, encoding: Some(captured), dequeued };
            stages.frame(&frame, dequeued);
            stages.viewer(&Stamps { captured, sent: Some(dequeued), ..Stamps::default() });
            now += WINDOW / 7;
            stages.handle_timeout(now, true);
        }
    });
    assert!(sizes.is_empty(), "{sizes:?}");
    assert!((6..=7).contains(&stages.last_window(Stage::Car).count()));
}

#[test]
fn the_counter_counts() {
    let sizes = allocations(|| drop(std::hint::black_box((vec![1_u8; 10], Box::new([0_u8; 20])))));
    assert_eq!(sizes, [10, 20]);
    assert!(allocations(|| ()).is_empty());
}
