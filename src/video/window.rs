//! The part of an arriving byte stream that is still needed, addressed by position in the stream. One buffer that is
//! refilled in place: bytes are read straight into it and moved only when a piece of a picture is left over. Pure.

use std::ops::Range;

use memchr::memmem;

/// Least room offered to a reader. A usual keyframe of 640x480 fits.
const ROOM: usize = 64 << 10;

/// Bytes `base..end` of the stream.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Those bytes, then spare room.
    buffer: Vec<u8>,
    base: u64,
    end: u64,
}

impl Window {
    /// Bytes received since the stream began.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Room for the next bytes, at least 64 KiB; what precedes `keep` may go.
    pub(super) fn room(&mut self, keep: u64) -> &mut [u8] {
        let (gone, held) = (self.index(keep), self.index(self.end));
        if gone == held || (gone > 0 && self.buffer.len() - held < ROOM) {
            self.buffer.copy_within(gone..held, 0);
            self.base = keep;
        }
        let held = self.index(self.end);
        if self.buffer.len() - held < ROOM {
            self.buffer.resize((held + ROOM).next_power_of_two(), 0);
        }
        &mut self.buffer[held..]
    }

    /// `count` bytes were put into [`room`](Self::room).
    pub(super) fn grow(&mut self, count: usize) {
        self.end += count as u64;
        assert!(self.index(self.end) <= self.buffer.len(), "no more bytes can come than there was room for");
    }

    /// Another stream begins.
    pub(super) fn restart(&mut self) {
        (self.base, self.end) = (0, 0);
    }

    /// A piece of what is held.
    pub(super) fn bytes(&self, range: Range<u64>) -> &[u8] {
        &self.buffer[self.index(range.start)..self.index(range.end)]
    }

    /// Where the next 00 00 01 at or behind `from` begins.
    pub(super) fn find_code(&self, from: u64) -> Option<u64> {
        memmem::find(self.bytes(from..self.end), &[0, 0, 1]).map(|at| from + at as u64)
    }

    /// Where the zeros at the end of `range` begin.
    pub(super) fn without_zeros(&self, range: Range<u64>) -> u64 {
        let end = range.end;
        end - self.bytes(range).iter().rev().take_while(|b| **b == 0).count() as u64
    }

    fn index(&self, at: u64) -> usize {
        (at - self.base) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(window: &mut Window, keep: u64, bytes: &[u8]) {
        window.room(keep)[..bytes.len()].copy_from_slice(bytes);
        window.grow(bytes.len());
    }

    #[test]
    fn what_is_kept_stays_readable_at_its_place_in_the_stream() {
        let mut window = Window::default();
        for n in 0..100_u64 {
            let chunk: Vec<u8> = (0..50_000_u64).map(|i| ((n * 50_000 + i) % 251) as u8).collect();
            let keep = window.end().saturating_sub(70_000);
            feed(&mut window, keep, &chunk);
            let seen = window.bytes(keep..window.end());
            assert!(seen.iter().zip(keep..).all(|(b, at)| u64::from(*b) == at % 251), "after chunk {n}");
        }
        assert!(window.buffer.len() <= 512 << 10, "{} bytes for 120,000", window.buffer.len());
    }

    #[test]
    fn start_codes_and_zeros_are_found_by_position() {
        let mut window = Window::default();
        feed(&mut window, 0, &[9; 10]);
        feed(&mut window, 10, &[5, 0, 0, 0, 1, 7]);
        assert_eq!(window.find_code(10), Some(12));
        assert_eq!(window.find_code(13), None);
        assert_eq!(window.without_zeros(10..14), 11);
    }
}
