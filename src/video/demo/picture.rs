//! A picture in YUV 4:2:0 (I420), BT.709, limited range, and the few strokes the demo scene is painted with: rows,
//! boxes and single pixels, with soft edges. Not a general canvas: no clipping paths, no rotation.
//! `scene` and `dash` paint, `strip` writes into the luma plane, `encoder` reads.

use crate::video::Size;

/// A colour as the encoder wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    /// Luma, 16 (black) to 235 (white).
    pub y: u8,
    /// Blue difference, 128 is none.
    pub u: u8,
    /// Red difference, 128 is none.
    pub v: u8,
}

impl Color {
    /// From red, green and blue, 0 to 255 (ITU-R BT.709 matrix, limited range, coefficients in 1/65536).
    pub const fn rgb(r: u8, g: u8, b: u8) -> Self {
        let (r, g, b) = (r as i32, g as i32, b as i32);
        Self {
            y: (16 + ((11_966 * r + 40_254 * g + 4_064 * b + 32_768) >> 16)) as u8,
            u: (128 + ((-6_596 * r - 22_189 * g + 28_784 * b + 32_768) >> 16)) as u8,
            v: (128 + ((28_784 * r - 26_145 * g - 2_639 * b + 32_768) >> 16)) as u8,
        }
    }

    /// This colour with `share` (0 to 1) of `other` in it.
    pub fn mix(self, other: Self, share: f32) -> Self {
        let share = (share.clamp(0.0, 1.0) * 256.0) as i32;
        Self { y: mix(self.y, other.y, share), u: mix(self.u, other.u, share), v: mix(self.v, other.v, share) }
    }
}

/// `share` in 1/256.
fn mix(a: u8, b: u8, share: i32) -> u8 {
    (i32::from(a) + (((i32::from(b) - i32::from(a)) * share) >> 8)) as u8
}

/// Three planes. Chroma has half the width and half the height; there is no padding between rows.
#[derive(Debug, Clone)]
pub struct Picture {
    size: Size,
    /// Luma, `width` bytes a row.
    pub luma: Vec<u8>,
    /// Blue difference, `width / 2` bytes a row.
    pub cb: Vec<u8>,
    /// Red difference, `width / 2` bytes a row.
    pub cr: Vec<u8>,
}

impl Picture {
    /// A black picture. An odd width or height is rounded down: 4:2:0 has no half chroma samples.
    pub fn new(size: Size) -> Self {
        let size = Size { width: size.width & !1, height: size.height & !1 };
        let pixels = size.width as usize * size.height as usize;
        Self { size, luma: vec![16; pixels], cb: vec![128; pixels / 4], cr: vec![128; pixels / 4] }
    }

    /// Width and height, both even.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pixels in a row, which is also the luma stride.
    pub fn width(&self) -> usize {
        self.size.width as usize
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.size.height as usize
    }

    /// Fills row `y` from `left` to `right` (pixels; the pixel x covers x to x + 1) with a soft pixel at either end.
    /// `cover` (0 to 1) is how much of what was there is hidden. What lies outside the picture is cut off.
    pub fn span(&mut self, y: i32, left: f32, right: f32, color: Color, cover: f32) {
        let width = self.width();
        let (left, right) = (left.max(0.0), right.min(width as f32));
        if y < 0 || y as usize >= self.height() || left >= right || cover <= 0.0 {
            return;
        }
        let y = y as usize;
        let (first, last) = (left.ceil() as usize, right as usize);
        let row = &mut self.luma[y * width..][..width];
        let whole = (cover.min(1.0) * 256.0) as i32;
        if first > last {
            // The span begins and ends within one pixel.
            row[last] = mix(row[last], color.y, ((right - left) * cover * 256.0) as i32);
        } else {
            if first > 0 {
                row[first - 1] = mix(row[first - 1], color.y, ((first as f32 - left) * cover * 256.0) as i32);
            }
            if last < width {
                row[last] = mix(row[last], color.y, ((right - last as f32) * cover * 256.0) as i32);
            }
            fill(&mut row[first..last], color.y, whole);
        }
        if y.is_multiple_of(2) {
            let half = width / 2;
            let (first, last) = (((left / 2.0).round() as usize).min(half), ((right / 2.0).round() as usize).min(half));
            let row = y / 2 * half;
            fill(&mut self.cb[row + first..row + last], color.u, whole);
            fill(&mut self.cr[row + first..row + last], color.v, whole);
        }
    }

    /// Fills a box whose corners are whole pixels; `cover` as in [`Self::span`].
    pub fn block(&mut self, x: i32, y: i32, width: i32, height: i32, color: Color, cover: f32) {
        for row in y..y + height {
            self.span(row, x as f32, (x + width) as f32, color, cover);
        }
    }

    /// One pixel; `cover` as in [`Self::span`]. Chroma is taken from the pixels at even places.
    pub fn dot(&mut self, x: i32, y: i32, color: Color, cover: f32) {
        let width = self.width();
        if x < 0 || y < 0 || x as usize >= width || y as usize >= self.height() || cover <= 0.0 {
            return;
        }
        let (x, y, share) = (x as usize, y as usize, (cover.min(1.0) * 256.0) as i32);
        let at = y * width + x;
        self.luma[at] = mix(self.luma[at], color.y, share);
        if x.is_multiple_of(2) && y.is_multiple_of(2) {
            let at = y / 2 * (width / 2) + x / 2;
            self.cb[at] = mix(self.cb[at], color.u, share);
            self.cr[at] = mix(self.cr[at], color.v, share);
        }
    }

    /// An ellipse with its centre at (`x`, `y`) and half axes `rx`, `ry`, down to row `floor` and no further.
    #[allow(clippy::too_many_arguments)] // Seven numbers are what an ellipse is.
    pub fn ellipse(&mut self, x: f32, y: f32, rx: f32, ry: f32, floor: f32, color: Color, cover: f32) {
        let top = (y - ry).max(0.0) as i32;
        let bottom = (y + ry).min(floor).min(self.height() as f32) as i32;
        for row in top..bottom {
            let up = (row as f32 + 0.5 - y) / ry;
            let half = rx * (1.0 - up * up).max(0.0).sqrt();
            self.span(row, x - half, x + half, color, cover);
        }
    }
}

/// Mixes `share` (1/256) of `value` into every byte.
fn fill(bytes: &mut [u8], value: u8, share: i32) {
    if share >= 256 {
        bytes.fill(value);
    } else {
        bytes.iter_mut().for_each(|b| *b = mix(*b, value, share));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 16, height: 8 };

    #[test]
    fn grey_has_no_colour_and_the_ends_of_the_range_are_kept() {
        assert_eq!(Color::rgb(0, 0, 0), Color { y: 16, u: 128, v: 128 });
        assert_eq!(Color::rgb(255, 255, 255), Color { y: 235, u: 128, v: 128 });
        assert!(Color::rgb(255, 0, 0).v > 230 && Color::rgb(0, 0, 255).u > 230);
    }

    #[test]
    fn a_span_covers_its_pixels_and_softens_its_ends() {
        let mut picture = Picture::new(SIZE);
        picture.span(1, 2.5, 5.25, Color { y: 216, u: 0, v: 0 }, 1.0);
        assert_eq!(picture.luma[16..16 + 8], [16, 16, 116, 216, 216, 66, 16, 16]);
        picture.span(1, 8.25, 8.75, Color { y: 216, u: 0, v: 0 }, 1.0);
        assert_eq!(picture.luma[24], 116);
    }

    #[test]
    fn what_lies_outside_the_picture_is_cut_off() {
        let mut picture = Picture::new(SIZE);
        let white = Color::rgb(255, 255, 255);
        for (left, right) in [(-9.0, -3.0), (-4.0, 40.0), (15.9, 16.0), (16.0, 17.0), (5.0, 4.0), (f32::NAN, f32::NAN)]
        {
            for y in [-1, 0, 7, 8, i32::MAX] {
                picture.span(y, left, right, white, 1.0);
            }
        }
        picture.dot(16, 8, white, 1.0);
        picture.dot(-1, 0, white, 1.0);
        picture.ellipse(0.0, 0.0, 1e9, 1e9, 1e9, white, 0.5);
        picture.ellipse(f32::INFINITY, -5.0, 3.0, 3.0, 4.0, white, 1.0);
        picture.block(14, 6, 9, 9, white, 1.0);
    }
}
