//! Access units out of a byte stream that is still arriving: the rule by which a picture leaves when its last byte
//! has come, not when the next picture begins (which would cost a whole frame interval). Pure: bytes and times go in,
//! frames come out; `pipe` reads. What the rule is, and where it ends, is told at [`Assembler`].

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::access_unit::{Outline, is_plausible, starts_unit};
use super::queue::{Queue, Tally};
use super::slices::Slices;
use super::trust::{Trust, Verdict};
use super::window::Window;
use crate::clock::Micros;
use crate::frame::Frame;
use crate::h264::Nal;

/// Two writes of one flush are microseconds apart, or a scheduler tick if the writer was preempted; 4 ms is above that
/// and far below a frame interval.
const QUIET: Duration = Duration::from_millis(4);

/// Three frames at 30 a second: a stream that pauses so long has no next picture to wait for.
const SILENCE: Duration = Duration::from_millis(100);

/// glibc's stdio buffer on a pipe (st_blksize); other writers use multiples of it.
const STDIO_BLOCK: u64 = 4096;

/// No camera's picture is so large (an intra picture of 4096x2304 has 1 to 2 MB): beyond it, it is no H.264.
const LARGEST: u64 = 4 << 20;

/// Pictures in a row that had to wait for their successor before it is called late: one second.
const LATE: u32 = 30;

/// Cuts access units out of what a pipe brings, and decides when each is whole.
///
/// Annex B marks where a NAL unit begins and never where it ends, so the end of a picture in hand is a guess until the
/// next one shows its first byte. The guess rests on the writer: Linux holds the pipe for the length of a write that
/// fits into it (fs/pipe.c, `pipe_write`), so a reader who has emptied the pipe has seen whole writes, and a program
/// that writes a picture with one call ends it where the pipe runs *dry*. Every guess is checked against what follows,
/// and acted upon only once it proved right for some pictures in a row ([`Trust`]):
///
/// - **at once**: dry means whole. Trusted after 8 right guesses.
/// - **when quiet**: dry for 4 ms means whole. Trusted after 2. For programs that flush a picture in odd pieces.
/// - **otherwise** at the first NAL unit of the next picture, or after 100 ms of silence: a stream that pauses.
///
/// Dry is no sign of an end
/// - when the bytes stop at a multiple of 4,096 from the start of the stream, the picture, its last NAL unit or the
///   last flush: that is C's stdio half-way through. `fwrite` and `fflush` of one picture, as in rpicam-vid --flush,
///   write 4,096 bytes, then the whole blocks, then the rest, and on one core the reader wakes in between;
/// - when the last byte is zero (no NAL unit ends so) or a start code is incomplete;
/// - when the pipe may have been full, so that a write may be half done.
///
/// A program that writes slice by slice gives itself away when a slice with a macroblock other than 0 follows a guess;
/// from then on a guess needs as many slices as the largest of the last 8 pictures had.
///
/// Limits. A program that does not flush is one frame late, see [`is_late`](Self::is_late). So are single pictures of
/// exactly n * 4,096 bytes, and, if written slice by slice, those with fewer slices than their neighbours. A wrong
/// guess that was acted upon has broken its picture: everything up to the next keyframe is dropped and counted, and
/// that kind of guess must be right 8 times as often before it is trusted again.
#[derive(Debug)]
pub(super) struct Assembler {
    window: Window,
    queue: Queue,
    /// Where the access unit in the making begins. All positions count from the start of the stream.
    start: u64,
    /// Every start code before here was dealt with.
    scanned: u64,
    /// Where the bytes that came last begin.
    chunk: u64,
    sync: Sync,
    outline: Outline,
    /// Where its last slice ends, once something else has followed it.
    trailer: Option<u64>,
    /// The header byte of the last NAL unit, whose end is not known yet.
    open: Option<u64>,
    /// When the first byte of the unit in the making came.
    captured: Option<Micros>,
    /// A picture was sent at a guess, and nothing came since that proves it right or wrong.
    sent: Option<Sent>,
    guess: Guess,
    dry: Option<Dry>,
    /// Where the writer last stopped, block boundaries aside.
    flushed: u64,
    at_once: Trust,
    when_quiet: Trust,
    slices: Slices,
    late_run: u32,
    nals: u64,
}

/// Whether the bytes at `start` are known to be a NAL unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// No: search for a start code; what precedes it is nothing.
    Lost,
    /// A picture was sent at a guess: if anything but a start code follows, the guess was wrong.
    Doubted,
    /// Yes.
    Held,
}

/// Where the unit in the making ends, as each rule guessed first.
#[derive(Debug, Clone, Default)]
struct Guess {
    at_once: Option<u64>,
    when_quiet: Option<u64>,
}

#[derive(Debug)]
struct Sent {
    end: u64,
    guess: Guess,
}

/// The pipe is empty.
#[derive(Debug, Clone, Copy)]
struct Dry {
    since: Instant,
    look: Look,
}

/// What the bytes in hand look like when the pipe runs dry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Certainly no whole picture.
    Part,
    /// Maybe one, but more likely a writer between two writes.
    Doubtful,
    /// A picture.
    Whole,
}

/// Whether the pipe could have been full since it was last empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Every write found room at once, and was seen whole.
    Never,
    /// A writer may be waiting for room, half-way.
    Maybe,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self {
            window: Window::default(),
            queue: Queue::new(),
            start: 0,
            scanned: 0,
            chunk: 0,
            sync: Sync::Lost,
            outline: Outline::default(),
            trailer: None,
            open: None,
            captured: None,
            sent: None,
            guess: Guess::default(),
            dry: None,
            flushed: 0,
            at_once: Trust::after(8),
            when_quiet: Trust::after(2),
            slices: Slices::default(),
            late_run: 0,
            nals: 0,
        }
    }

    /// Another stream begins, by the same program: how it writes stays known, what it wrote is gone.
    pub(super) fn restart(&mut self) {
        self.lose(0);
        self.window.restart();
        self.queue.restart();
        (self.chunk, self.flushed, self.late_run, self.nals, self.dry) = (0, 0, 0, 0, None);
    }

    /// Room for the next bytes, at least 64 KiB. Say with [`filled`](Self::filled) how many came.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let keep = self.queue.oldest().map_or(self.start, |oldest| oldest.min(self.start));
        self.window.room(keep)
    }

    /// `count` bytes were put into [`room`](Self::room).
    pub(super) fn filled(&mut self, now: Instant, count: usize) {
        if count == 0 {
            return;
        }
        self.note_quiet(now);
        self.dry = None;
        self.chunk = self.window.end();
        self.window.grow(count);
        self.captured.get_or_insert(Micros::of(now));
        self.scan(now);
        if self.window.end() - self.start > LARGEST {
            self.lose(self.window.end());
        }
    }

    /// The pipe is empty for now.
    pub(super) fn dry(&mut self, now: Instant, fill: Fill) {
        if self.dry.is_some() {
            return;
        }
        let (end, look) = (self.window.end(), self.look(fill));
        if !(end - self.flushed).is_multiple_of(STDIO_BLOCK) {
            self.flushed = end;
        }
        self.dry = Some(Dry { since: now, look });
        if look == Look::Whole {
            self.guess.at_once.get_or_insert(end);
            if self.at_once.is_earned() {
                self.send_at_a_guess(now);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called if nothing comes before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let dry = self.dry?;
        match dry.look {
            Look::Part => None,
            // A program that flushes; this picture happens to fill its last block.
            Look::Doubtful => self.at_once.is_earned().then(|| dry.since + SILENCE),
            Look::Whole => Some(dry.since + if self.when_quiet.is_earned() { QUIET } else { SILENCE }),
        }
    }

    /// Time has passed. Read once more before: what lies in the pipe unread is no silence.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.note_quiet(now);
            self.send_at_a_guess(now);
        }
    }

    /// The stream has ended: what is in hand is all there will be.
    pub(super) fn finish(&mut self, now: Instant) {
        let end = self.window.end();
        if self.outline.slices > 0 && self.sent.is_none() {
            self.deliver(self.window.without_zeros(self.start..end), now);
        }
        self.lose(end);
    }

    /// Lends the next whole frame; false if there is none.
    pub(super) fn lend(&mut self, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        self.queue.lend(&self.window, take)
    }

    /// Pictures leave about one frame interval late, because the program gives no sign of their end.
    pub(super) fn is_late(&self) -> bool {
        self.late_run >= LATE
    }

    /// Bytes since the stream began.
    pub(super) fn received(&self) -> u64 {
        self.window.end()
    }

    /// NAL units since the stream began, as far as they can be H.264.
    pub(super) fn nals(&self) -> u64 {
        self.nals
    }

    /// Keyframes since the stream began; drops and floods since the program began.
    pub(super) fn tally(&self) -> Tally {
        self.queue.tally()
    }

    fn scan(&mut self, now: Instant) {
        loop {
            let end = self.window.end();
            match self.sync {
                Sync::Lost => match self.window.find_code(self.scanned) {
                    Some(code) => {
                        // With the zero that makes it a start code of four bytes, if there is one.
                        let zero = code > self.start && self.window.bytes(code - 1..code) == [0];
                        (self.start, self.scanned, self.sync) = (code - u64::from(zero), code, Sync::Held);
                        self.captured = Some(Micros::of(now));
                    }
                    None => {
                        // The last three bytes may be the beginning of a start code.
                        self.start = self.start.max(end.saturating_sub(3));
                        self.scanned = self.start;
                        return;
                    }
                },
                Sync::Doubted => {
                    let head = self.window.bytes(self.start..end);
                    let zeros = head.iter().take_while(|b| **b == 0).count() as u64;
                    match head.get(zeros as usize) {
                        None => {
                            self.start = self.start.max(end.saturating_sub(3));
                            return;
                        }
                        Some(1) if zeros >= 2 => {
                            (self.scanned, self.sync) = (self.start + zeros - 2, Sync::Held);
                        }
                        Some(_) => {
                            self.admit_mistake();
                            (self.scanned, self.sync) = (self.start, Sync::Lost);
                        }
                    }
                }
                Sync::Held => {
                    let Some(code) = self.window.find_code(self.scanned) else {
                        self.scanned = self.scanned.max(end.saturating_sub(2));
                        return;
                    };
                    self.scanned = code;
                    // The header, and for slices the byte that says whether macroblock 0 comes.
                    let heading = match *self.window.bytes(code + 3..end.min(code + 5)) {
                        [header, next] => [header, next],
                        [header] if !matches!(header & 0x1f, 1..=5) => [header, 0],
                        _ => return,
                    };
                    let nal = Nal { bytes: &heading, offset: 3 };
                    if is_plausible(&nal) {
                        self.enter(&nal, code, now);
                        self.scanned = code + 3;
                    } else {
                        self.lose(code + 3);
                    }
                }
            }
        }
    }

    /// A NAL unit begins, with its start code at `code`.
    fn enter(&mut self, nal: &Nal<'_>, code: u64, now: Instant) {
        self.nals += 1;
        let before = self.window.without_zeros(self.start..code);
        if let Some(open) = self.open.take().filter(|open| *open < before) {
            self.queue.remember(&Nal { bytes: self.window.bytes(open..before), offset: 3 });
        }
        match self.sent.take() {
            Some(sent) if starts_unit(nal) => {
                self.check(&sent.guess, sent.end..=sent.end);
                self.slices.record(self.outline.slices);
                self.outline = Outline::default();
            }
            Some(sent) if nal.is_slice() => {
                self.slices.one_by_one = true;
                self.sent = Some(sent);
                self.admit_mistake();
            }
            Some(sent) => {
                // Filler and the like behind its picture: nobody misses it.
                self.sent = Some(sent);
                return;
            }
            None if self.outline.ended_by(nal) => {
                let guess = std::mem::take(&mut self.guess);
                self.check(&guess, self.trailer.unwrap_or(before)..=before);
                self.slices.record(self.outline.slices);
                // A program that writes whole blocks only holds the end of a picture back as well.
                let late = before <= self.chunk || self.window.end().is_multiple_of(STDIO_BLOCK);
                self.late_run = if late { self.late_run.saturating_add(1) } else { 0 };
                self.deliver(before, now);
            }
            None if self.outline.slices > 0 && !nal.is_slice() => {
                self.trailer.get_or_insert(before);
            }
            None => {
                let doubted = [self.guess.at_once, self.guess.when_quiet].contains(&Some(before));
                self.slices.one_by_one |= doubted && nal.is_slice();
            }
        }
        // A start code of four bytes, if there is a zero to spare.
        let begin = code - u64::from(before < code);
        if self.outline.is_empty() {
            self.start = begin;
            self.captured = Some(Micros::of(now));
        }
        self.outline.add(nal, (begin - self.start) as usize);
        self.open = Some(code + 3);
    }

    /// What is in hand before `until` is of no use: look for a start code from there, and then for a keyframe.
    fn lose(&mut self, until: u64) {
        if self.outline.slices > 0 && self.sent.is_none() {
            self.queue.count_lost();
        }
        (self.outline, self.trailer, self.open) = (Outline::default(), None, None);
        (self.sent, self.guess) = (None, Guess::default());
        (self.start, self.scanned, self.sync, self.captured) = (until, until, Sync::Lost, None);
        self.queue.want_keyframe();
    }

    fn look(&self, fill: Fill) -> Look {
        let end = self.window.end();
        let Some(open) = self.open.filter(|_| self.sync == Sync::Held) else { return Look::Part };
        let code_incomplete = self.scanned + 2 < end;
        let last_byte = self.window.bytes(open..end).last();
        if !self.outline.begun
            || self.outline.slices < self.slices.wanted()
            || code_incomplete
            || matches!(last_byte, None | Some(0))
        {
            return Look::Part;
        }
        // The last NAL unit has a start code of three or four bytes.
        let marks = [0, self.start, open - 3, open.saturating_sub(4), self.flushed];
        let blocks = marks.iter().any(|mark| (end - mark).is_multiple_of(STDIO_BLOCK));
        if blocks || fill == Fill::Maybe { Look::Doubtful } else { Look::Whole }
    }

    /// Keeps in mind that the pipe was dry for so long that the second rule would have guessed.
    fn note_quiet(&mut self, now: Instant) {
        if let Some(Dry { since, look: Look::Whole }) = self.dry
            && now.saturating_duration_since(since) >= QUIET
        {
            self.guess.when_quiet.get_or_insert(self.window.end());
        }
    }

    fn send_at_a_guess(&mut self, now: Instant) {
        let (end, guess) = (self.window.end(), std::mem::take(&mut self.guess));
        // Its slices are still counted if more should follow.
        let outline = self.outline.clone();
        self.deliver(end, now);
        self.outline = outline;
        self.sent = Some(Sent { end, guess });
        (self.dry, self.open, self.late_run) = (None, None, 0);
        (self.start, self.scanned, self.sync, self.captured) = (end, end, Sync::Doubted, None);
    }

    /// The picture that was sent at a guess goes on: it is broken, and so is what refers to it.
    fn admit_mistake(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.check(&sent.guess, u64::MAX..=u64::MAX);
            self.outline = self.outline.remainder();
            self.queue.count_mistake();
        }
    }

    /// The picture ended within `end`, filler aside: were the guesses right?
    fn check(&mut self, guess: &Guess, end: RangeInclusive<u64>) {
        for (guess, trust) in [(guess.at_once, &mut self.at_once), (guess.when_quiet, &mut self.when_quiet)] {
            if let Some(guess) = guess {
                trust.record(if end.contains(&guess) { Verdict::Right } else { Verdict::Wrong });
            }
        }
    }

    /// The unit in the making ends at `end`.
    fn deliver(&mut self, end: u64, now: Instant) {
        let outline = std::mem::take(&mut self.outline);
        self.trailer = None;
        let captured = self.captured.unwrap_or(Micros::of(now));
        self.queue.push(self.start..end, &outline, captured, now);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
