//! Buffers as drivers fill them, kindly and not, and which frames come of it.

use super::super::super::access_unit::tests::{AUD, PPS, SEI, SPS, idr, p, slice};
use super::super::super::v4l2::ring::Clock;
use super::*;

const CAPACITY: usize = 64;

/// Buffers as a driver would have them.
#[derive(Default)]
struct Buffers(Vec<Vec<u8>>);

impl Memory for Buffers {
    fn bytes(&self, filled: &Filled) -> &[u8] {
        &self.0[filled.index as usize][filled.start..filled.end]
    }
}

struct Bench {
    units: Units,
    buffers: Buffers,
    back: Vec<u32>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { units: Units::new(), buffers: Buffers::default(), back: Vec::new(), now: Instant::now() }
    }

    fn put(&mut self, bytes: &[u8], broken: bool) {
        let index = self.buffers.0.len() as u32;
        self.buffers.0.push(bytes.to_vec());
        let filled = Filled {
            index,
            start: 0,
            end: bytes.len(),
            capacity: CAPACITY,
            sequence: index,
            stamp: Micros(0),
            clock: Clock::Monotonic,
            encoding: None,
            broken,
            last: false,
        };
        self.units.take(self.now, Micros(index.into()), filled, &self.buffers, &mut self.back);
        self.now += Duration::from_millis(1);
    }

    fn lent(&mut self) -> Vec<(Vec<u8>, bool)> {
        let mut frames = Vec::new();
        let mut take = |frame: Frame<'_>| frames.push((frame.bytes.to_vec(), frame.keyframe));
        while self.units.lend(&self.buffers, &mut take, &mut self.back) {}
        frames
    }

    /// Every buffer came back, each once.
    fn all_came_back(&mut self) {
        self.back.sort();
        assert_eq!(self.back, (0..self.buffers.0.len() as u32).collect::<Vec<_>>());
    }
}

fn key() -> Vec<u8> {
    [SPS, PPS, &idr(9)].concat()
}

#[test]
fn a_buffer_that_is_a_frame_is_lent_as_it_is_and_goes_back_after() {
    let mut bench = Bench::new();
    bench.put(&key(), false);
    assert!(bench.back.is_empty(), "held while it waits");
    assert_eq!(bench.lent(), [(key(), true)]);
    bench.put(&p(7), false);
    assert_eq!(bench.lent(), [(p(7), false)]);
    bench.all_came_back();
    assert_eq!(bench.units.tally(), Tally { keyframes: 1, ..Tally::default() });
}

#[test]
fn headers_in_a_buffer_of_their_own_are_put_before_each_keyframe() {
    let mut bench = Bench::new();
    bench.put(&[SPS, PPS].concat(), false);
    for bytes in [idr(9), p(5), [AUD, &idr(6)].concat()] {
        bench.put(&bytes, false);
    }
    let frames: Vec<_> = bench.lent().into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!(frames, [key(), p(5), [AUD, SPS, PPS, &idr(6)].concat()]);
    bench.all_came_back();
}

#[test]
fn a_frame_that_fills_its_buffer_goes_on_in_the_next() {
    let mut bench = Bench::new();
    let picture = [SPS, PPS, &idr(2 * CAPACITY)].concat();
    for piece in picture.chunks(CAPACITY) {
        bench.put(piece, false);
    }
    assert_eq!(bench.lent(), [(picture, true)], "without waiting for the next frame");
    bench.put(&p(7), false);
    assert_eq!(bench.lent(), [(p(7), false)]);
    bench.all_came_back();
    assert_eq!(bench.units.tally().joined, 1);
}

#[test]
fn a_frame_that_happens_to_fill_its_buffer_leaves_with_the_next_or_after_a_moment() {
    let mut bench = Bench::new();
    bench.put(&key(), false);
    let full = p(CAPACITY - 3);
    assert_eq!(full.len(), CAPACITY);
    bench.put(&full, false);
    bench.put(&p(5), false);
    assert_eq!(bench.lent().len(), 3);
    bench.put(&full, false);
    assert!(bench.lent().is_empty());
    let due = bench.units.poll_timeout().map(|due| due - bench.now);
    assert!(due.is_some_and(|due| due <= QUIET), "{due:?}");
    bench.units.handle_timeout(bench.now + QUIET, &mut bench.back);
    assert_eq!(bench.lent(), [(full, false)]);
    bench.all_came_back();
}

#[test]
fn slices_in_buffers_of_their_own_are_joined_once_it_is_known() {
    let mut bench = Bench::new();
    let pieces = |bench: &mut Bench| {
        bench.put(&key(), false);
        bench.put(&slice(0x65, false, 7), false);
    };
    pieces(&mut bench);
    assert!(bench.units.needs_keyframe(), "half a picture went out, which nobody can decode on");
    bench.lent();
    pieces(&mut bench);
    bench.put(&p(6), false);
    bench.put(&slice(0x41, false, 5), false);
    bench.units.handle_timeout(bench.now + QUIET, &mut bench.back);
    let frames: Vec<_> = bench.lent().into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!(frames, [[key(), slice(0x65, false, 7)].concat(), [p(6), slice(0x41, false, 5)].concat()]);
    bench.all_came_back();
}

#[test]
fn after_a_broken_or_lost_frame_nothing_is_lent_before_a_keyframe() {
    let mut bench = Bench::new();
    for broken in [true, false] {
        bench.put(&key(), false);
        if broken {
            bench.put(&p(5), true);
        } else {
            bench.units.lost(1, &mut bench.back);
        }
        bench.put(&p(6), false);
        assert!(bench.units.needs_keyframe());
        bench.put(&key(), false);
        bench.put(&p(7), false);
        let keys: Vec<_> = bench.lent().into_iter().map(|(_, key)| key).collect();
        assert_eq!(keys, [true, true, false]);
    }
    bench.all_came_back();
    assert_eq!(bench.units.tally().dropped, 4);
}

#[test]
fn old_frames_are_passed_over_only_if_a_keyframe_follows() {
    let mut bench = Bench::new();
    for bytes in [key(), p(5), p(6)] {
        bench.put(&bytes, false);
    }
    bench.units.skip_to_newest_keyframe(&mut bench.back);
    assert!(bench.back.is_empty());
    bench.put(&key(), false);
    bench.put(&p(7), false);
    bench.units.skip_to_newest_keyframe(&mut bench.back);
    assert_eq!(bench.back, [0, 1, 2]);
    assert_eq!(bench.lent(), [(key(), true), (p(7), false)]);
    bench.all_came_back();
}

#[test]
fn garbage_and_empty_buffers_go_back_and_break_nothing() {
    let mut bench = Bench::new();
    for bytes in [&[][..], &[0; 30], &[7; CAPACITY], &[0, 0, 1], &[0, 0, 1, 0x80], SEI, &slice(0x65, false, 9)] {
        bench.put(bytes, false);
    }
    for _ in 0..3 {
        bench.put(&[9; CAPACITY], false);
    }
    assert!(bench.lent().is_empty());
    bench.put(&key(), false);
    bench.units.handle_timeout(bench.now + QUIET, &mut bench.back);
    assert_eq!(bench.lent(), [(key(), true)]);
    bench.all_came_back();
}

#[test]
fn a_frame_without_end_is_dropped_and_not_kept() {
    let mut bench = Bench::new();
    bench.put(&[key(), vec![7; CAPACITY - key().len()]].concat(), false);
    for _ in 0..=LARGEST / CAPACITY {
        bench.put(&[7; CAPACITY], false);
    }
    assert!(bench.units.open.is_none() && bench.units.needs_keyframe());
}
