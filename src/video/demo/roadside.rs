//! What stands beside the demo's road: trees and posts, and the camera that turns metres into pixels. Every tree has
//! its place along the road for ever, by a hash of that place. `scene` calls it between the ground and the bonnet.

use super::picture::{Color, Picture};
use super::road::{self, Point, View};

/// What is far away becomes this colour.
pub(super) const HAZE: Color = Color::rgb(214, 226, 230);
const TRUNK: Color = Color::rgb(92, 70, 52);
const FIR: [Color; 2] = [Color::rgb(40, 84, 58), Color::rgb(54, 104, 68)];
const OAK: [Color; 2] = [Color::rgb(70, 122, 50), Color::rgb(98, 150, 64)];
const POST: Color = Color::rgb(238, 240, 240);
const POST_BAND: Color = Color::rgb(36, 38, 42);
const REFLECTOR: Color = Color::rgb(255, 120, 40);
/// Metres from the road to the camera: a small car.
pub(super) const EYE: f32 = 1.15;
/// Metres at which haze has taken two thirds of a colour.
const SIGHT: f32 = 260.0;
/// Metres between posts.
const POST_SPACING: f32 = 24.0;
/// Metres between the places where a tree may stand.
const TREE_SPACING: f32 = 6.0;
/// Metres up to which trees and posts are painted.
const FARTHEST: f32 = 320.0;

/// How metres become pixels.
pub(super) struct Camera {
    /// Focal length, pixels.
    pub(super) focal: f32,
    /// Column of the camera's axis.
    pub(super) middle: f32,
    /// Row of the horizon.
    pub(super) horizon: f32,
    /// Row where the picture ends and the strip begins.
    pub(super) bottom: i32,
}

impl Camera {
    /// Foot of something `off` metres beside the road: column, row, pixels a metre, haze. `None` behind the camera.
    fn foot(&self, point: &Point, off: f32) -> Option<(f32, f32, f32, f32)> {
        let (ahead, aside) = point.beside(off);
        let scale = self.focal / ahead;
        (ahead > 2.0).then(|| (self.middle + aside * scale, self.horizon + EYE * scale, scale, haze(ahead)))
    }
}

/// Trees and posts, the farthest first.
pub(super) fn draw(picture: &mut Picture, camera: &Camera, view: &View, along: f64) {
    let first = (along / f64::from(TREE_SPACING)) as i64;
    for place in (first..=first + (FARTHEST / TREE_SPACING) as i64).rev() {
        let run = (place as f64 * f64::from(TREE_SPACING) - along) as f32;
        let Some(point) = view.along(run) else { continue };
        let seed = place as u32;
        for side in [-1.0, 1.0] {
            let salt = if side < 0.0 { 10 } else { 20 };
            if hash(seed, salt) < 0.34 {
                let off = side * (7.5 + 26.0 * hash(seed, salt + 1).powi(2));
                let tall = 3.0 + 5.5 * hash(seed, salt + 2);
                tree(picture, camera, &point, off, tall, hash(seed, salt + 3));
            }
            if place % (POST_SPACING / TREE_SPACING) as i64 == 0 {
                post(picture, camera, &point, side * (road::HALF_WIDTH + 0.65));
            }
        }
    }
}

fn tree(picture: &mut Picture, camera: &Camera, point: &Point, off: f32, tall: f32, kind: f32) {
    let Some((x, foot, scale, fog)) = camera.foot(point, off) else { return };
    let (tall, floor) = (tall * scale, (camera.bottom as f32).min(foot));
    let wide = tall * 0.24;
    if x + wide * 2.0 < 0.0 || x - wide * 2.0 > picture.width() as f32 {
        return;
    }
    // Its shadow, then the trunk.
    picture.ellipse(
        x + wide * 0.3,
        foot,
        wide * 1.1,
        (wide * 0.13).max(0.5),
        camera.bottom as f32,
        FIR[0].mix(HAZE, fog),
        0.35,
    );
    let trunk = (tall * 0.03).max(0.4);
    for y in (foot - tall * 0.3) as i32..floor as i32 {
        picture.span(y, x - trunk, x + trunk, TRUNK.mix(HAZE, fog), 1.0);
    }
    if kind < 0.6 {
        let [dark, light] = FIR.map(|c| c.mix(HAZE, fog));
        let (peak, skirt) = (foot - tall, foot - tall * 0.14);
        for y in (peak as i32).max(0)..(skirt.min(floor) as i32) {
            let down = (y as f32 + 0.5 - peak) / (skirt - peak);
            // Three tiers, each as wide as a fir is there.
            let tier = (down * 3.0).fract() * 0.42 + down * 0.66;
            let half = wide * tier.max(0.02);
            picture.span(y, x - half, x + half, dark, 1.0);
            picture.span(y, x - half * 0.75, x - half * 0.05, light, 0.8);
        }
    } else {
        let [dark, light] = OAK.map(|c| c.mix(HAZE, fog));
        let crown = wide * 1.25;
        picture.ellipse(x, foot - tall * 0.60, crown, tall * 0.36, floor, dark, 1.0);
        picture.ellipse(x - crown * 0.22, foot - tall * 0.68, crown * 0.68, tall * 0.24, floor, light, 0.85);
    }
}

fn post(picture: &mut Picture, camera: &Camera, point: &Point, off: f32) {
    let Some((x, foot, scale, fog)) = camera.foot(point, off) else { return };
    let (tall, half) = (0.95 * scale, (0.06 * scale).max(0.4));
    let (top, floor) = (foot - tall, (camera.bottom as f32).min(foot) as i32);
    for y in top.max(0.0) as i32..floor {
        let down = (y as f32 + 0.5 - top) / tall;
        let color = if (0.14..0.36).contains(&down) { POST_BAND } else { POST };
        picture.span(y, x - half, x + half, color.mix(HAZE, fog), 1.0);
        if (0.19..0.31).contains(&down) {
            picture.span(y, x - half * 0.5, x + half * 0.5, REFLECTOR.mix(HAZE, fog), 1.0);
        }
    }
}

/// How much of a colour haze has taken at `ahead` metres.
pub(super) fn haze(ahead: f32) -> f32 {
    1.0 - (-ahead / SIGHT).exp()
}

/// A number from 0 to 1 that looks random and is the same for the same `seed` and `salt`.
pub(super) fn hash(seed: u32, salt: u32) -> f32 {
    let mut x = seed.wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b);
    x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
    x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    (x >> 8) as f32 / (1 << 24) as f32
}
