//! Whole frames of an arriving stream, waiting to be lent: only decodable ones get in, and never more than somebody
//! would still want to see. Pure; `assembler` fills it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::access_unit::{Missing, Outline};
use super::parameter_sets::ParameterSets;
use super::window::Window;
use crate::clock::Micros;
use crate::frame::Frame;
use crate::h264::Nal;

/// So many whole frames are kept until somebody takes them. The loop takes all of them in each turn, so this only
/// bounds memory.
const MOST: usize = 256;

/// And so many bytes of them.
const MOST_BYTES: u64 = 8 << 20;

/// 120 frames a second are let through in the long run, more than any camera of this trade makes (a Pi: 90). A flood
/// beyond it would only fill the network.
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 120);

/// That much at once: a backlog of a second is worth more than the way to a keyframe that nobody can order, and a
/// decoder is through with it in no time.
const BURST: Duration = Duration::from_secs(1);

/// Frames by their place in a [`Window`], oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    units: VecDeque<Unit>,
    sets: ParameterSets,
    /// For frames that get parameter sets: the one copy a frame may take here.
    scratch: Vec<u8>,
    next: Next,
    /// Until when frames would last that were let through, at [`INTERVAL`] each.
    busy: Option<Instant>,
    tally: Tally,
}

/// What happened at the entrance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// IDR pictures that came, usable or not.
    pub(super) keyframes: u64,
    /// Of those, the ones whose parameter sets never came.
    pub(super) bare_keyframes: u64,
    /// Frames, or broken parts of some, that were dropped.
    pub(super) dropped: u64,
    /// How often there were too many.
    pub(super) floods: u64,
    /// How often a picture was lent before its end.
    pub(super) mistakes: u64,
}

/// Which frame can be decoded next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Keyframe,
    Any,
}

#[derive(Debug)]
struct Unit {
    range: Range<u64>,
    keyframe: bool,
    captured: Micros,
    dequeued: Micros,
    missing: Option<Missing>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            units: VecDeque::with_capacity(MOST),
            sets: ParameterSets::default(),
            scratch: Vec::new(),
            next: Next::Keyframe,
            busy: None,
            tally: Tally::default(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Where the oldest frame begins.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.units.front().map(|unit| unit.range.start)
    }

    /// Another stream begins; what was dropped stays counted.
    pub(super) fn restart(&mut self) {
        self.units.clear();
        self.sets = ParameterSets::default();
        self.next = Next::Keyframe;
        self.tally = Tally { keyframes: 0, bare_keyframes: 0, ..self.tally };
    }

    /// A NAL unit went by; parameter sets are kept.
    pub(super) fn remember(&mut self, nal: &Nal<'_>) {
        self.sets.remember(nal);
    }

    /// Something was lost: nothing is of use until the next keyframe.
    pub(super) fn want_keyframe(&mut self) {
        self.next = Next::Keyframe;
    }

    /// The newest picture was no whole one.
    pub(super) fn count_mistake(&mut self) {
        self.tally.mistakes += 1;
        self.next = Next::Keyframe;
    }

    /// A picture of which nothing is left.
    pub(super) fn count_lost(&mut self) {
        self.tally.dropped += 1;
    }

    /// The access unit at `range` is whole.
    pub(super) fn push(&mut self, range: Range<u64>, outline: &Outline, captured: Micros, now: Instant) {
        let missing = match outline.bare_keyframe() {
            false => None,
            true => self.sets.joined().map(|sets| Missing { sets, gap: outline.gap }),
        };
        let bare = outline.bare_keyframe() && missing.is_none();
        self.tally.keyframes += u64::from(outline.keyframe);
        self.tally.bare_keyframes += u64::from(bare);
        if !outline.begun || bare || (self.next == Next::Keyframe && !outline.keyframe) {
            self.tally.dropped += 1;
            self.next = Next::Keyframe;
            return;
        }
        if self.is_flooded(now) {
            self.tally.floods += 1;
            self.tally.dropped += 1;
            self.next = Next::Keyframe;
            return;
        }
        self.next = Next::Any;
        self.make_room(outline.keyframe, range.end);
        if self.next == Next::Any {
            let dequeued = Micros::of(now);
            self.units.push_back(Unit { range, keyframe: outline.keyframe, captured, dequeued, missing });
        } else {
            self.tally.dropped += 1;
        }
    }

    /// Frames come faster than [`INTERVAL`] for longer than [`BURST`]. Once it is so, half of that must have passed.
    fn is_flooded(&mut self, now: Instant) -> bool {
        let busy = self.busy.filter(|busy| *busy > now).unwrap_or(now);
        let limit = if self.next == Next::Keyframe { BURST / 2 } else { BURST };
        let flooded = busy + INTERVAL > now + limit;
        if !flooded {
            self.busy = Some(busy + INTERVAL);
        }
        flooded
    }

    /// If nobody took what is here: go on at the newest keyframe, or wait for one.
    fn make_room(&mut self, keyframe: bool, end: u64) {
        let bytes = self.oldest().map_or(0, |oldest| end - oldest);
        if self.units.len() < MOST && bytes <= MOST_BYTES {
            return;
        }
        self.tally.floods += 1;
        let newest = self.units.iter().rposition(|unit| unit.keyframe).unwrap_or(0);
        let gone = if keyframe || newest == 0 { self.units.len() } else { newest };
        self.tally.dropped += gone as u64;
        self.units.drain(..gone);
        if !keyframe && newest == 0 {
            self.next = Next::Keyframe;
        }
    }

    /// Lends the oldest frame, which lies in `window`; false if there is none.
    pub(super) fn lend(&mut self, window: &Window, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        let Some(unit) = self.units.pop_front() else { return false };
        let plain = window.bytes(unit.range);
        let bytes = match &unit.missing {
            None => plain,
            Some(missing) => missing.put_into(plain, &mut self.scratch),
        };
        take(Frame {
            bytes,
            keyframe: unit.keyframe,
            captured: unit.captured,
            encoding: None,
            dequeued: unit.dequeued,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_unit::tests::{PPS, SPS, idr, p};
    use super::*;

    /// A queue, its window, and a clock that the test moves.
    struct Bench {
        queue: Queue,
        window: Window,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { queue: Queue::new(), window: Window::default(), now: Instant::now() }
        }

        fn push(&mut self, bytes: &[u8]) {
            let start = self.window.end();
            let mut rest = bytes;
            while !rest.is_empty() {
                let room = self.window.room(self.queue.oldest().unwrap_or(start));
                let count = room.len().min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                self.window.grow(count);
                rest = &rest[count..];
            }
            let mut outline = Outline::default();
            for nal in crate::h264::nals(bytes) {
                self.queue.remember(&nal);
                outline.add(&nal, nal.offset - 3);
            }
            self.queue.push(start..self.window.end(), &outline, Micros(0), self.now);
        }

        /// At 60 pictures a second.
        fn push_in_time(&mut self, bytes: &[u8]) {
            self.push(bytes);
            self.now += Duration::from_secs(1) / 60;
        }

        fn lent(&mut self) -> Vec<bool> {
            let mut keys = Vec::new();
            while self.queue.lend(&self.window, &mut |frame| keys.push(frame.keyframe)) {}
            keys
        }
    }

    fn key() -> Vec<u8> {
        [SPS, PPS, &idr(9)].concat()
    }

    #[test]
    fn nothing_is_lent_before_a_keyframe_with_its_parameter_sets() {
        let mut bench = Bench::new();
        for picture in [p(9), idr(9), p(9)] {
            bench.push(&picture);
        }
        assert!(bench.lent().is_empty());
        let tally = bench.queue.tally();
        assert_eq!(tally, Tally { keyframes: 1, bare_keyframes: 1, dropped: 3, ..Tally::default() });
        for picture in [key(), p(9), idr(9)] {
            bench.push(&picture);
        }
        assert_eq!(bench.lent(), [true, false, true]);
    }

    #[test]
    fn a_backlog_of_a_second_passes_whole() {
        let mut bench = Bench::new();
        bench.push(&key());
        for _ in 0..89 {
            bench.push(&p(9));
        }
        assert_eq!(bench.lent().len(), 90);
    }

    #[test]
    fn a_flood_is_thinned_to_what_a_camera_could_make() {
        let mut bench = Bench::new();
        let mut lent = 0;
        // Ten seconds at 1,200 frames a second, with a keyframe in every tenth.
        for n in 0..12_000 {
            bench.push(&if n % 10 == 0 { key() } else { p(9) });
            bench.now += INTERVAL / 10;
            lent += bench.lent().len();
        }
        assert!((1200..=1200 + 120).contains(&lent), "{lent}");
        let tally = bench.queue.tally();
        assert_eq!(tally.dropped, 12_000 - lent as u64);
        assert!(tally.floods > 0);
    }

    #[test]
    fn what_nobody_takes_is_dropped_up_to_the_newest_keyframe() {
        let mut bench = Bench::new();
        for n in 0..=MOST {
            bench.push_in_time(&if n == 0 || n == 200 { key() } else { p(9) });
        }
        let keys = bench.lent();
        assert_eq!((keys.len(), keys[0]), (MOST + 1 - 200, true));
        assert_eq!((bench.queue.tally().dropped, bench.queue.tally().floods), (200, 1));
    }

    #[test]
    fn without_a_newer_keyframe_it_waits_for_the_next_one() {
        let mut bench = Bench::new();
        bench.push_in_time(&key());
        for _ in 0..MOST + 20 {
            bench.push_in_time(&p(9));
        }
        assert!(bench.lent().is_empty());
        assert_eq!(bench.queue.tally().dropped, MOST as u64 + 21);
        bench.push_in_time(&key());
        assert_eq!(bench.lent(), [true]);
    }

    #[test]
    fn large_frames_that_nobody_takes_fill_no_memory() {
        let mut bench = Bench::new();
        for _ in 0..30 {
            bench.push_in_time(&[&key()[..], &vec![7; 3 << 20]].concat());
            assert!(bench.window.end() - bench.queue.oldest().unwrap_or(0) <= MOST_BYTES + (4 << 20));
        }
    }
}
