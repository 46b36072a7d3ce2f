//! Frame number and capture time as black and white blocks along the bottom edge of the picture, so that a page or a
//! test reads true latency and lost frames from the pixels themselves. `scene` draws it, tests and `tests/strip.js`
//! (the same reader for browsers) read it. Not a watermark: anyone may see it.
//!
//! Layout, a pure function of the picture's width and height:
//!
//! ```text
//! block    8 x 8 pixels, from a width of 1280 on 16 x 16 (whole transform blocks: a block costs few bits and survives low rates)
//! columns  width / block, rounded down
//! rows     104 / columns, rounded up
//! top      height - rows * block, rounded down to a multiple of 8; rows of pixels below the last blocks are black
//! bit n    the block in column n % columns, row n / columns; white (luma 224) = 1, black (luma 32) = 0, read at its middle
//! a picture that is too small for the strip (top < 8 or columns = 0) has none
//!
//! bits (most significant first)
//!   0.. 8  sync      10100110
//!   8..40  frame     number of the encoded frame, u32, from 0
//!  40..88  captured  low 48 bits of CLOCK_MONOTONIC in microseconds (they last 8.9 years of uptime)
//!  88..104 check     CRC-16 (polynomial 0x1021, start 0xffff, no reflection) over the 10 bytes of frame and captured
//! ```

use crate::clock::Micros;

const SYNC: u8 = 0b1010_0110;
const BYTES: usize = 13;
const BITS: usize = BYTES * 8;
/// Far from both ends of the luma range: ringing of the codec is cut off by no one, and the middle is the threshold.
const WHITE: u8 = 224;
const BLACK: u8 = 32;
const MIDDLE: u32 = 128;
/// What fits into the strip of a capture time.
const CAPTURED_BITS: u32 = 48;

/// What the strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Number of the encoded frame, from 0. A gap means a frame that was lost after the encoder.
    pub frame: u32,
    /// When the picture was begun; low 48 bits.
    pub captured: Micros,
}

/// Where the blocks lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Edge of a block in pixels.
    pub block: usize,
    /// Blocks in a row.
    pub columns: usize,
    /// Row of pixels where the strip begins; what is above is picture.
    pub top: usize,
}

impl Layout {
    /// For a picture of this many pixels; `None` if it is too small.
    pub fn of(width: usize, height: usize) -> Option<Self> {
        let block = if width >= 1280 { 16 } else { 8 };
        let columns = width / block;
        let rows = BITS.div_ceil(columns.max(1));
        let top = height.checked_sub(rows * block)? / 8 * 8;
        (columns > 0 && top >= 8).then_some(Self { block, columns, top })
    }

    fn place(&self, bit: usize) -> (usize, usize) {
        (bit % self.columns * self.block, self.top + bit / self.columns * self.block)
    }
}

/// Writes the strip into the luma plane (`stride` bytes a row). The colour planes shall be neutral there.
pub fn draw(luma: &mut [u8], stride: usize, width: usize, height: usize, strip: Strip) {
    let Some(layout) = Layout::of(width, height) else { return };
    luma[layout.top * stride..height * stride].fill(BLACK);
    let bytes = encode(strip);
    for bit in (0..BITS).filter(|bit| bytes[bit / 8] << (bit % 8) & 0x80 != 0) {
        let (x, y) = layout.place(bit);
        for row in y..y + layout.block {
            luma[row * stride + x..][..layout.block].fill(WHITE);
        }
    }
}

/// Reads it back. `None`: there is no strip, or it is damaged.
pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<Strip> {
    let layout = Layout::of(width, height)?;
    if stride < width || luma.len() < stride * (height - 1) + width {
        return None;
    }
    let mut bytes = [0; BYTES];
    for bit in 0..BITS {
        let (x, y) = layout.place(bit);
        // The middle half of the block: its edges carry the neighbours' ringing.
        let (from, count) = (layout.block / 4, layout.block / 2);
        let sum: u32 = (0..count)
            .flat_map(|row| &luma[(y + from + row) * stride + x + from..][..count])
            .map(|&y| u32::from(y))
            .sum();
        if sum > MIDDLE * (count * count) as u32 {
            bytes[bit / 8] |= 0x80 >> (bit % 8);
        }
    }
    decode(&bytes)
}

fn encode(strip: Strip) -> [u8; BYTES] {
    let mut bytes = [SYNC; BYTES];
    bytes[1..5].copy_from_slice(&strip.frame.to_be_bytes());
    bytes[5..11].copy_from_slice(&strip.captured.0.to_be_bytes()[2..]);
    let check = crc16(&bytes[1..11]);
    bytes[11..].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<Strip> {
    let [SYNC, f0, f1, f2, f3, c0, c1, c2, c3, c4, c5, check @ ..] = *bytes else { return None };
    (u16::from_be_bytes(check) == crc16(&bytes[1..11])).then_some(Strip {
        frame: u32::from_be_bytes([f0, f1, f2, f3]),
        captured: Micros(u64::from_be_bytes([0, 0, c0, c1, c2, c3, c4, c5])),
    })
}

impl Strip {
    /// With the capture time cut to what the strip holds: what a reader gets back.
    pub fn new(frame: u32, captured: Micros) -> Self {
        Self { frame, captured: Micros(captured.0 & ((1 << CAPTURED_BITS) - 1)) }
    }
}

/// CRC-16 with polynomial x^16 + x^12 + x^5 + 1 and start value 0xffff.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc: u16, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize); 9] = [
        (160, 120),
        (176, 144),
        (320, 240),
        (640, 480),
        (854, 480),
        (1280, 720),
        (1920, 1080),
        (3840, 2160),
        (720, 1280),
    ];

    #[test]
    fn what_is_drawn_is_read_at_every_size() {
        for (width, height) in SIZES {
            for strip in [
                Strip::new(0, Micros(0)),
                Strip::new(1, Micros(123_456_789_012)),
                Strip::new(u32::MAX, Micros(u64::MAX)),
                Strip::new(0xa5a5_5a5a, Micros(0x5555_aaaa_5555)),
            ] {
                let stride = width + 32;
                let mut luma = vec![99; stride * height];
                draw(&mut luma, stride, width, height, strip);
                assert_eq!(read(&luma, stride, width, height), Some(strip), "{width}x{height}");
            }
        }
    }

    #[test]
    fn the_check_is_the_one_that_is_written_down() {
        assert_eq!(crc16(b"123456789"), 0x29b1, "the catalogue's check value of CRC-16/IBM-3740");
    }

    #[test]
    fn one_flipped_block_is_noticed() {
        let (width, height) = (320, 240);
        let mut luma = vec![99; width * height];
        draw(&mut luma, width, width, height, Strip::new(77, Micros(123_456)));
        let layout = Layout::of(width, height).unwrap();
        for bit in 0..BITS {
            let mut luma = luma.clone();
            let (x, y) = layout.place(bit);
            for row in y..y + layout.block {
                luma[row * width + x..][..layout.block].iter_mut().for_each(|p| *p = 255 - *p);
            }
            assert_eq!(read(&luma, width, width, height), None, "bit {bit}");
        }
    }

    #[test]
    fn a_picture_without_a_strip_reads_as_none_and_odd_sizes_do_not_panic() {
        for size in [(0, 0), (1, 1), (7, 99), (64, 64), (159, 119), (1279, 17), (320, 240), (8, 5000)] {
            let (width, height) = size;
            let mut luma = vec![128; width * height];
            assert_eq!(read(&luma, width, width, height), None, "{size:?}");
            draw(&mut luma, width, width, height, Strip::new(3, Micros(4)));
            let read = read(&luma, width, width, height);
            assert_eq!(read.is_some(), Layout::of(width, height).is_some(), "{size:?}");
        }
        assert_eq!(read(&[0; 10], 320, 320, 240), None, "a plane that is too short");
        assert_eq!(read(&[0; 320 * 240], 32, 320, 240), None, "a stride that is too short");
    }
}
