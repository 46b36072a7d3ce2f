//! What is written over the scene: speed, wheel angle, who drives. Own 5 x 7 letters, so that no font is needed.
//! `scene` calls it last, when the road is painted.

use super::picture::{Color, Picture};

const WHITE: Color = Color::rgb(245, 248, 250);
const PALE: Color = Color::rgb(178, 196, 206);
const ACCENT: Color = Color::rgb(255, 190, 60);
const SHADE: Color = Color::rgb(14, 20, 28);
/// How much of the scene a panel hides: readable on snow and on grass.
const PANEL: f32 = 0.62;

const DRIVEN: &[u8] = b"DEMO";
const SELF_DRIVING: &[u8] = b"DEMO - SELF-DRIVING";
const FORWARD: &[u8] = b"KM/H";
const REVERSE: &[u8] = b"R";

/// What the instruments show.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Metres a second, below 0 backwards.
    pub speed: f32,
    /// Radians of the front wheels, right is positive.
    pub wheels: f32,
    /// Someone holds the wheel.
    pub driven: bool,
}

/// Paints the instruments into the lowest part of the picture above row `bottom`.
pub fn draw(picture: &mut Picture, bottom: i32, reading: Reading) {
    let width = picture.width() as i32;
    // One unit = one dot of the smallest letters; even from 240 rows on, so that colour falls into whole samples.
    let unit = match bottom / 110 {
        0 | 1 => 1,
        n => n / 2 * 2,
    };
    let small = (unit / 2).max(1);
    let (tall, margin) = (22 * unit / 2 + 4, 6 * small);
    let top = bottom - tall - margin;

    // Speed, left. Three digits at most, whatever the car does.
    let kmh = ((reading.speed.abs() * 3.6).round() as u32).min(999);
    let digits = [(kmh / 100) as u8, (kmh / 10 % 10) as u8, (kmh % 10) as u8].map(|d| b'0' + d);
    let shown = &digits[if kmh >= 100 {
        0
    } else if kmh >= 10 {
        1
    } else {
        2
    }..];
    let panel = 18 * unit + 32 * small;
    self::panel(picture, margin, top, panel, tall, small);
    let base = top + (tall - 7 * unit) / 2;
    text(picture, margin + 4 * small + (3 - shown.len() as i32) * 6 * unit, base, unit, WHITE, shown);
    let label = if reading.speed < -0.05 { REVERSE } else { FORWARD };
    text(picture, margin + 5 * small + 18 * unit, base + 7 * (unit - small), small, PALE, label);

    // Wheel, right: the steering wheel turns ten times as far as the front wheels do.
    let degrees = reading.wheels.to_degrees().round() as i32;
    let panel = tall + 27 * small;
    let left = width - margin - panel;
    self::panel(picture, left, top, panel, tall, small);
    let radius = tall as f32 * 0.40;
    wheel(
        picture,
        left as f32 + tall as f32 * 0.5,
        top as f32 + tall as f32 * 0.5,
        radius,
        reading.wheels * 10.0 / 3.0,
    );
    let angle = degrees.unsigned_abs().min(99);
    let side = match degrees.signum() {
        -1 => b'L',
        1 => b'R',
        _ => b' ',
    };
    let angle = [if angle >= 10 { b'0' + (angle / 10) as u8 } else { b' ' }, b'0' + (angle % 10) as u8, b'*', side];
    text(picture, left + tall + small, top + (tall - 7 * small) / 2, small, WHITE, &angle);

    // So that nobody takes it for a camera.
    let label = if reading.driven || width < 240 { DRIVEN } else { SELF_DRIVING };
    let long = label.len() as i32 * 6 * small + 7 * small;
    self::panel(picture, margin, margin, long, 13 * small, small);
    text(picture, margin + 4 * small, margin + 3 * small, small, PALE, label);
}

/// A dark pane with cut corners.
fn panel(picture: &mut Picture, x: i32, y: i32, width: i32, height: i32, corner: i32) {
    for row in 0..height {
        let cut = (corner * 2 - row.min(height - 1 - row)).max(0);
        picture.span(y + row, (x + cut) as f32, (x + width - cut) as f32, SHADE, PANEL);
    }
}

/// A steering wheel turned by `angle` radians to the right.
fn wheel(picture: &mut Picture, x: f32, y: f32, radius: f32, angle: f32) {
    let (sin, cos) = angle.sin_cos();
    let (rim, spoke) = (radius * 0.10, radius * 0.09);
    let reach = (radius + rim + 1.0) as i32;
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let (fx, fy) = (dx as f32, dy as f32);
            let far = fx.hypot(fy);
            // Into the wheel's own directions: `across` to its right, `up` to its top.
            let (across, up) = (fx * cos + fy * sin, fx * sin - fy * cos);
            let ring = (rim - (far - radius).abs() + 0.5).clamp(0.0, 1.0);
            let bars = if far < radius {
                let level = (spoke - up.abs() + 0.5).clamp(0.0, 1.0);
                let down = if up < 0.0 { (spoke - across.abs() + 0.5).clamp(0.0, 1.0) } else { 0.0 };
                level.max(down)
            } else {
                0.0
            };
            let hub = (radius * 0.24 - far + 0.5).clamp(0.0, 1.0);
            // The mark at twelve o'clock.
            let mark = ring > 0.0 && up > 0.0 && across.abs() < radius * 0.16;
            let cover = ring.max(bars).max(hub);
            picture.dot((x + fx) as i32, (y + fy) as i32, if mark { ACCENT } else { WHITE }, cover);
        }
    }
}

/// Letters of 5 x 7 dots, `unit` pixels a dot, one dot between them. What is not in the font is a gap.
fn text(picture: &mut Picture, x: i32, y: i32, unit: i32, color: Color, letters: &[u8]) {
    for (at, &letter) in (0..).zip(letters) {
        for (row, bits) in (0..).zip(glyph(letter)) {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 != 0) {
                picture.block(x + (at * 6 + column) * unit, y + row * unit, unit, unit, color, 1.0);
            }
        }
    }
}

/// Seven rows, five bits each, the left dot is the highest bit.
#[rustfmt::skip]
fn glyph(letter: u8) -> [u8; 7] {
    match letter {
        b'0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        b'1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        b'2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        b'3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        b'4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        b'5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        b'6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        b'7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
        b'8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        b'9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        b'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        b'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        b'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        b'G' => [0b01110, 0b10001, 0b10000, 0b10111, 0b10001, 0b10001, 0b01111],
        b'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        b'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        b'K' => [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001],
        b'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        b'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        b'N' => [0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001],
        b'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        b'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        b'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        b'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        b'/' => [0b00001, 0b00010, 0b00010, 0b00100, 0b01000, 0b01000, 0b10000],
        b'-' => [0b00000, 0b00000, 0b00000, 0b01110, 0b00000, 0b00000, 0b00000],
        // A degree sign.
        b'*' => [0b01100, 0b10010, 0b10010, 0b01100, 0b00000, 0b00000, 0b00000],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_that_is_written_is_in_the_font() {
        let written = [DRIVEN, SELF_DRIVING, FORWARD, REVERSE, b"0123456789*LR"].concat();
        for letter in written.into_iter().filter(|&letter| letter != b' ') {
            assert_ne!(glyph(letter), [0; 7], "{}", char::from(letter));
        }
    }
}
