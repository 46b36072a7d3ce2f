//! From a driver's buffers to access units: usually one is the other, and then nothing is copied. Also: headers in a
//! buffer of their own, a frame split over buffers, broken and missing frames. Pure; only decodable frames get through,
//! and a frame is passed over unread only if a keyframe follows it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::access_unit::{Missing, Outline, code_start, is_plausible, starts_unit};
use super::super::parameter_sets::ParameterSets;
use super::super::v4l2::ring::{Filled, Ring};
use crate::clock::Micros;
use crate::frame::Frame;
use crate::h264;

/// The pieces of a split frame come one right after the other; a frame interval is longer.
const QUIET: Duration = Duration::from_millis(4);

/// No camera's picture is so large; what grows beyond it is no picture.
const LARGEST: usize = 4 << 20;

/// Who holds the bytes of a buffer.
pub(in crate::video) trait Memory {
    fn bytes(&self, filled: &Filled) -> &[u8];
}

impl Memory for Ring {
    fn bytes(&self, filled: &Filled) -> &[u8] {
        Ring::bytes(self, filled)
    }
}

/// Access units that wait to be lent, and the one in the making.
#[derive(Debug)]
pub(in crate::video) struct Units {
    sets: ParameterSets,
    waiting: VecDeque<Unit>,
    /// A unit that may go on in the next buffer.
    open: Option<(Unit, Outline, Instant)>,
    /// Only a keyframe can be decoded next.
    need_keyframe: bool,
    /// This driver splits frames over buffers that are not full.
    pieces: bool,
    scratch: Vec<u8>,
    tally: Tally,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::video) struct Tally {
    /// IDR pictures that came.
    pub(in crate::video) keyframes: u64,
    /// Of those, the ones whose parameter sets never came.
    pub(in crate::video) bare_keyframes: u64,
    /// Frames that were broken, undecodable or passed over.
    pub(in crate::video) dropped: u64,
    /// Frames that were put together from several buffers, by copying.
    pub(in crate::video) joined: u64,
}

#[derive(Debug)]
struct Unit {
    place: Place,
    keyframe: bool,
    captured: Micros,
    encoding: Option<Micros>,
    dequeued: Micros,
    missing: Option<Missing>,
}

#[derive(Debug)]
enum Place {
    Buffer(Filled),
    Own(Vec<u8>),
}

impl Units {
    pub(in crate::video) fn new() -> Self {
        Self {
            sets: ParameterSets::default(),
            waiting: VecDeque::new(),
            open: None,
            need_keyframe: true,
            pieces: false,
            scratch: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Another stream begins, by the same driver. Buffers that were held are not given back: the ring has them all.
    pub(in crate::video) fn restart(&mut self) {
        self.waiting.clear();
        self.open = None;
        self.need_keyframe = true;
    }

    pub(in crate::video) fn tally(&self) -> Tally {
        self.tally
    }

    /// Nothing that comes can be shown before a keyframe has come.
    pub(in crate::video) fn needs_keyframe(&self) -> bool {
        self.need_keyframe
    }

    /// Frames are missing before the next buffer.
    pub(in crate::video) fn lost(&mut self, frames: u32, back: &mut Vec<u32>) {
        self.tally.dropped += u64::from(frames);
        self.break_off(back);
    }

    /// A buffer has come from the driver. The indices of those that are of no more use are added to `back`.
    pub(in crate::video) fn take(
        &mut self,
        now: Instant,
        captured: Micros,
        filled: Filled,
        memory: &impl Memory,
        back: &mut Vec<u32>,
    ) {
        let bytes = memory.bytes(&filled);
        if filled.broken {
            back.push(filled.index);
            self.tally.dropped += 1;
            self.break_off(back);
            return;
        }
        if bytes.is_empty() {
            back.push(filled.index);
            return;
        }
        let Some(outline) = self.scan(bytes) else {
            self.go_on(now, filled, memory, back);
            return;
        };
        self.close(back);
        if outline.slices == 0 {
            // Headers on their own: remembered, and put before the keyframe that follows.
            back.push(filled.index);
            return;
        }
        let unit = Unit {
            place: Place::Buffer(filled),
            keyframe: outline.keyframe,
            captured,
            encoding: filled.encoding,
            dequeued: Micros::of(now),
            missing: None,
        };
        if self.pieces || filled.end == filled.capacity {
            self.open = Some((unit, outline, now + QUIET));
        } else {
            self.push(unit, &outline, back);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(in crate::video) fn poll_timeout(&self) -> Option<Instant> {
        self.open.as_ref().map(|(_, _, until)| *until)
    }

    /// Time has passed: nothing more comes to the frame in the making.
    pub(in crate::video) fn handle_timeout(&mut self, now: Instant, back: &mut Vec<u32>) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            self.close(back);
        }
    }

    /// Everything that waits before the newest keyframe is passed over: it would only be late.
    pub(in crate::video) fn skip_to_newest_keyframe(&mut self, back: &mut Vec<u32>) {
        let newest = self.waiting.iter().rposition(|unit| unit.keyframe).unwrap_or(0);
        for unit in self.waiting.drain(..newest) {
            self.tally.dropped += 1;
            unit.give_back(back);
        }
    }

    /// Lends the oldest frame; false if there is none. Its buffer is added to `back`.
    pub(in crate::video) fn lend(
        &mut self,
        memory: &impl Memory,
        take: &mut dyn FnMut(Frame<'_>),
        back: &mut Vec<u32>,
    ) -> bool {
        let Some(unit) = self.waiting.pop_front() else { return false };
        let plain = match &unit.place {
            Place::Buffer(filled) => memory.bytes(filled),
            Place::Own(bytes) => bytes,
        };
        let bytes = match &unit.missing {
            None => plain,
            Some(missing) => missing.put_into(plain, &mut self.scratch),
        };
        take(Frame {
            bytes,
            keyframe: unit.keyframe,
            captured: unit.captured,
            encoding: unit.encoding,
            dequeued: unit.dequeued,
        });
        unit.give_back(back);
        true
    }

    /// What a buffer holds; None if it begins no access unit, and so goes on with the one before or is garbage.
    fn scan(&mut self, bytes: &[u8]) -> Option<Outline> {
        let mut outline = Outline::default();
        let mut start = 0;
        for nal in h264::nals(bytes).filter(is_plausible) {
            let code = code_start(bytes, nal.offset);
            if outline.is_empty() {
                // Zeros may stand before the first start code, nothing else.
                if !starts_unit(&nal) || bytes[..code].iter().any(|b| *b != 0) {
                    return None;
                }
                start = code;
            }
            self.sets.remember(&nal);
            outline.add(&nal, code - start);
        }
        // From the start of the buffer: zeros before the first start code are lent along.
        outline.gap += if outline.gap == 0 { 0 } else { start };
        (!outline.is_empty()).then_some(outline)
    }

    /// A buffer that begins no unit.
    fn go_on(&mut self, now: Instant, filled: Filled, memory: &impl Memory, back: &mut Vec<u32>) {
        let bytes = memory.bytes(&filled);
        let Some((unit, outline, until)) = &mut self.open else {
            back.push(filled.index);
            // The frame before was not whole, or this is no H.264.
            self.pieces = true;
            self.tally.dropped += 1;
            self.break_off(back);
            return;
        };
        let joined = match &mut unit.place {
            Place::Own(joined) => joined,
            Place::Buffer(first) => {
                let copy = memory.bytes(first).to_vec();
                back.push(first.index);
                self.tally.joined += 1;
                unit.place = Place::Own(copy);
                let Place::Own(joined) = &mut unit.place else { unreachable!("it was set in the line above") };
                joined
            }
        };
        joined.extend_from_slice(bytes);
        back.push(filled.index);
        *until = now + QUIET;
        let too_large = joined.len() > LARGEST;
        // Slices that came along count; a part of one counts as nothing.
        for nal in h264::nals(bytes).filter(is_plausible) {
            outline.slices += u32::from(nal.is_slice());
        }
        if too_large {
            self.open = None;
            self.tally.dropped += 1;
            self.break_off(back);
        } else if !self.pieces && filled.end < filled.capacity {
            // The piece that did not fill its buffer was the last.
            self.close(back);
        }
    }

    /// The unit in the making is whole.
    fn close(&mut self, back: &mut Vec<u32>) {
        if let Some((unit, outline, _)) = self.open.take() {
            self.push(unit, &outline, back);
        }
    }

    /// What is in the making is broken, and nothing is of use until the next keyframe.
    fn break_off(&mut self, back: &mut Vec<u32>) {
        if let Some((unit, ..)) = self.open.take() {
            self.tally.dropped += 1;
            unit.give_back(back);
        }
        self.need_keyframe = true;
    }

    fn push(&mut self, mut unit: Unit, outline: &Outline, back: &mut Vec<u32>) {
        unit.missing = match outline.bare_keyframe() {
            false => None,
            true => self.sets.joined().map(|sets| Missing { sets, gap: outline.gap }),
        };
        let bare = outline.bare_keyframe() && unit.missing.is_none();
        self.tally.keyframes += u64::from(outline.keyframe);
        self.tally.bare_keyframes += u64::from(bare);
        if !outline.begun || bare || (self.need_keyframe && !outline.keyframe) {
            self.tally.dropped += 1;
            self.need_keyframe = true;
            unit.give_back(back);
            return;
        }
        self.need_keyframe = false;
        self.waiting.push_back(unit);
    }
}

impl Unit {
    fn give_back(self, back: &mut Vec<u32>) {
        if let Place::Buffer(filled) = self.place {
            back.push(filled.index);
        }
    }
}

#[cfg(test)]
mod tests;
