//! Whole frames of an arriving stream, waiting to be lent: only decodable ones get in, and never more than somebody
//! would still want to see. Pure; `assembler` fills it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::access_unit::{Missing, Outline};
use super::parameter_sets::ParameterSets;
use super::window::Window;
use crate::clock::Micros;
use crate::frame::Frame;
use crate::h264::Nal;

/// So many whole frames are kept for a loop that was away (half a second at 30 frames a second); more is a flood, or a
/// backlog that nobody wants to see.
const MOST: usize = 16;

/// And so many bytes of them.
const MOST_BYTES: u64 = 8 << 20;

/// Frames by their place in a [`Window`], oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    units: VecDeque<Unit>,
    sets: ParameterSets,
    /// For frames that get parameter sets: the one copy a frame may take here.
    scratch: Vec<u8>,
    next: Next,
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
    /// How often the queue ran over.
    pub(super) floods: u64,
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

    /// Something was broken or lost: nothing is of use until the next keyframe.
    pub(super) fn want_keyframe(&mut self) {
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
        self.next = Next::Any;
        self.make_room(outline.keyframe, range.end);
        if self.next == Next::Any {
            let dequeued = Micros::of(now);
            self.units.push_back(Unit { range, keyframe: outline.keyframe, captured, dequeued, missing });
        } else {
            self.tally.dropped += 1;
        }
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
        take(Frame { bytes, keyframe: unit.keyframe, captured: unit.captured, dequeued: unit.dequeued });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_unit::tests::{idr, p};
    use super::*;

    fn push(queue: &mut Queue, window: &mut Window, bytes: &[u8]) {
        let mut outline = Outline::default();
        for nal in crate::h264::nals(bytes) {
            queue.remember(&nal);
            outline.add(&nal, nal.offset - 3);
        }
        let start = window.end();
        window.room(queue.oldest().unwrap_or(start))[..bytes.len()].copy_from_slice(bytes);
        window.grow(bytes.len());
        queue.push(start..window.end(), &outline, Micros(0), Instant::now());
    }

    fn lent(queue: &mut Queue, window: &Window) -> Vec<bool> {
        let mut keys = Vec::new();
        while queue.lend(window, &mut |frame| keys.push(frame.keyframe)) {}
        keys
    }

    fn key() -> Vec<u8> {
        [super::super::access_unit::tests::SPS, super::super::access_unit::tests::PPS, &idr(9)].concat()
    }

    #[test]
    fn nothing_is_lent_before_a_keyframe_with_its_parameter_sets() {
        let (mut queue, mut window) = (Queue::new(), Window::default());
        for picture in [p(9), idr(9), p(9)] {
            push(&mut queue, &mut window, &picture);
        }
        assert_eq!(lent(&mut queue, &window), []);
        assert_eq!(queue.tally(), Tally { keyframes: 1, bare_keyframes: 1, dropped: 3, floods: 0 });
        for picture in [key(), p(9), idr(9)] {
            push(&mut queue, &mut window, &picture);
        }
        assert_eq!(lent(&mut queue, &window), [true, false, true]);
    }

    #[test]
    fn a_backlog_is_dropped_up_to_the_newest_keyframe() {
        let (mut queue, mut window) = (Queue::new(), Window::default());
        for n in 0..=MOST {
            push(&mut queue, &mut window, &if n == 0 || n == 12 { key() } else { p(9) });
        }
        let keys = lent(&mut queue, &window);
        assert_eq!((keys.len(), keys[0]), (MOST + 1 - 12, true));
        assert_eq!((queue.tally().dropped, queue.tally().floods), (12, 1));
    }

    #[test]
    fn a_backlog_without_a_newer_keyframe_waits_for_the_next_one() {
        let (mut queue, mut window) = (Queue::new(), Window::default());
        push(&mut queue, &mut window, &key());
        for _ in 0..40 {
            push(&mut queue, &mut window, &p(9));
        }
        assert_eq!(lent(&mut queue, &window), []);
        assert_eq!(queue.tally().dropped, 41);
        push(&mut queue, &mut window, &key());
        assert_eq!(lent(&mut queue, &window), [true]);
    }

    #[test]
    fn large_frames_that_nobody_takes_fill_no_memory() {
        let (mut queue, mut window) = (Queue::new(), Window::default());
        for _ in 0..30 {
            let picture = [&key()[..], &vec![7; 3 << 20]].concat();
            window.room(queue.oldest().unwrap_or(window.end()));
            let mut rest = &picture[..];
            let start = window.end();
            while !rest.is_empty() {
                let keep = queue.oldest().unwrap_or(start);
                let room = window.room(keep);
                let count = room.len().min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                window.grow(count);
                rest = &rest[count..];
            }
            let mut outline = Outline::default();
            for nal in crate::h264::nals(&picture) {
                outline.add(&nal, nal.offset - 3);
            }
            queue.push(start..window.end(), &outline, Micros(0), Instant::now());
            assert!(window.end() - queue.oldest().unwrap_or(0) <= MOST_BYTES + (4 << 20));
        }
    }
}
