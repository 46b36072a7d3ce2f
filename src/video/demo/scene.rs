//! The demo's little world, painted: sky, hills, road, trees, posts, the car's bonnet, instruments, strip. The same
//! controls give the same pictures: nothing here reads a clock or is random. Cheap by construction: everything is
//! rows filled from one pixel to another. `filming` and `tools/make_clip.rs` step and paint it.

use super::car::{Car, Controls};
use super::dash::{self, Reading};
use super::picture::{Color, Picture};
use super::road::{self, View};
use super::roadside::{self, Camera, EYE, HAZE, hash, haze};
use super::strip::{self, Strip};
use crate::video::Size;

const ZENITH: Color = Color::rgb(74, 140, 212);
const SUN: Color = Color::rgb(255, 246, 214);
const CLOUD: Color = Color::rgb(246, 248, 250);
const FAR_HILLS: Color = Color::rgb(138, 162, 190);
const NEAR_HILLS: Color = Color::rgb(98, 138, 118);
const GRASS: [Color; 2] = [Color::rgb(104, 152, 70), Color::rgb(92, 140, 62)];
const GRAVEL: Color = Color::rgb(168, 156, 132);
const ASPHALT: [Color; 2] = [Color::rgb(86, 88, 94), Color::rgb(80, 82, 88)];
const PAINT: Color = Color::rgb(240, 240, 232);
const BONNET: [Color; 2] = [Color::rgb(214, 62, 48), Color::rgb(150, 34, 34)];
const BONNET_EDGE: Color = Color::rgb(240, 128, 104);

/// Focal length in picture widths: 62 degrees from edge to edge.
const FOCAL: f32 = 0.83;
/// Where the horizon lies, from the top.
const HORIZON: f32 = 0.43;
/// Metres between dashes of the centre line, and their length.
const DASH: (f32, f32) = (9.0, 4.0);
/// Half the width of a painted line, metres.
const LINE: f32 = 0.075;
/// Metres between bands of grass and asphalt, which show speed where there is no line.
const BAND: f32 = 12.0;

/// The world and its camera.
#[derive(Debug)]
pub struct Scene {
    car: Car,
    controls: Option<Controls>,
    view: View,
    hills: Vec<[f32; 2]>,
}

impl Scene {
    /// At its beginning, driving itself.
    pub fn new() -> Self {
        Self { car: Car::new(), controls: None, view: View::new(), hills: Vec::new() }
    }

    /// Someone takes the wheel (and keeps it).
    pub fn drive(&mut self, controls: Controls) {
        self.controls = Some(controls);
    }

    /// Lets `dt` seconds pass (at most 1), in steps small enough for the car's model: at any frame rate it drives alike.
    pub fn step(&mut self, dt: f32) {
        let dt = dt.clamp(0.0, 1.0);
        let parts = (dt / 0.05).ceil().max(1.0);
        for _ in 0..parts as u32 {
            self.car.step(self.controls.unwrap_or_else(|| self.car.gentle()), dt / parts);
        }
    }

    /// The car as it is now.
    pub fn car(&self) -> &Car {
        &self.car
    }

    /// Paints the whole picture, strip included.
    pub fn draw(&mut self, picture: &mut Picture, strip: Strip) {
        let Size { width, height } = picture.size();
        let (width, height) = (width as usize, height as usize);
        let top = strip::Layout::of(width, height).map_or(height, |layout| layout.top);
        let camera = Camera {
            focal: width as f32 * FOCAL,
            middle: width as f32 / 2.0,
            horizon: (top as f32 * HORIZON).floor(),
            bottom: top as i32,
        };
        self.view.look(self.car.along, self.car.aside, self.car.yaw);
        self.sky(picture, &camera);
        self.ground(picture, &camera);
        roadside::draw(picture, &camera, &self.view, self.car.along);
        bonnet(picture, &camera);
        let reading = Reading { speed: self.car.speed, wheels: self.car.wheels, driven: self.controls.is_some() };
        dash::draw(picture, camera.bottom, reading);
        let half = top / 2 * (width / 2);
        picture.cb[half..].fill(128);
        picture.cr[half..].fill(128);
        strip::draw(&mut picture.luma, width, width, height, strip);
    }

    fn sky(&mut self, picture: &mut Picture, camera: &Camera) {
        let (width, horizon) = (picture.width() as f32, camera.horizon);
        for y in 0..horizon as i32 {
            let up = y as f32 / horizon;
            picture.span(y, 0.0, width, ZENITH.mix(HAZE, up * up * 0.9 + 0.1 * up), 1.0);
        }
        // What is far away moves with the heading alone; one turn is this many pixels.
        let around = camera.focal * std::f32::consts::TAU;
        let place = |bearing: f32| {
            (bearing - self.car.heading / std::f32::consts::TAU + 0.5).rem_euclid(1.0) * around - around / 2.0
                + camera.middle
        };
        let (x, y, r) = (place(0.045), horizon * 0.40, width * 0.026);
        for (grow, cover) in [(2.6, 0.10), (1.7, 0.18), (1.0, 0.95)] {
            picture.ellipse(x, y, r * grow, r * grow, horizon, SUN, cover);
        }
        for n in 0..14u32 {
            let x = place((n as f32 + hash(n, 1) * 0.7) / 14.0);
            let y = horizon * (0.14 + 0.42 * hash(n, 2));
            let r = width * (0.035 + 0.03 * hash(n, 3));
            for (dx, dy, rx, ry) in [(-0.9, 0.12, 0.8, 0.22), (0.8, 0.1, 0.9, 0.24), (0.0, 0.0, 1.1, 0.38)] {
                picture.ellipse(x + dx * r, y + dy * r, rx * r, ry * r, y + 0.22 * r, CLOUD, 0.9);
            }
        }

        let wave = |bearing: f32, cycles: f32, phase: f32| (bearing * cycles + phase).sin();
        self.hills.clear();
        self.hills.extend((0..picture.width()).map(|x| {
            // Whole numbers of waves a turn, so that the hills close behind the car.
            let bearing = self.car.heading + (x as f32 - camera.middle) / camera.focal;
            let far = 0.155
                + 0.05 * wave(bearing, 5.0, 0.4)
                + 0.035 * wave(bearing, 11.0, 2.0)
                + 0.018 * wave(bearing, 29.0, 1.0);
            let near = 0.06 + 0.03 * wave(bearing, 7.0, 3.9) + 0.018 * wave(bearing, 17.0, 0.7);
            [horizon * (1.0 - far), horizon * (1.0 - near.max(0.01))]
        }));
        let highest = self.hills.iter().fold(horizon, |top, hill| top.min(hill[0]));
        for y in highest as i32..horizon as i32 {
            // Mist lies in the valleys.
            let low = 1.0 - (horizon - y as f32) / (horizon * 0.26);
            let colors = [FAR_HILLS.mix(HAZE, 0.25 + 0.5 * low), NEAR_HILLS.mix(HAZE, 0.12 + 0.35 * low)];
            for (x, tops) in (0..).zip(&self.hills) {
                for (top, color) in tops.iter().zip(colors) {
                    picture.dot(x, y, color, y as f32 + 1.0 - top);
                }
            }
        }
    }

    fn ground(&self, picture: &mut Picture, camera: &Camera) {
        let width = picture.width() as f32;
        for y in camera.horizon as i32..camera.bottom {
            let below = y as f32 + 0.5 - camera.horizon;
            let ahead = camera.focal * EYE / below;
            let deep = ahead / below;
            let fog = haze(ahead);
            let Some(point) = self.view.ahead(ahead) else {
                picture.span(y, 0.0, width, GRASS[0].mix(GRASS[1], 0.5).mix(HAZE, fog), 1.0);
                continue;
            };
            // Metres of road in this row: what alternates faster than that is shown as its average.
            let slant = point.turn.cos().max(0.2);
            let run = self.car.along + f64::from(point.run);
            let band = share(run, deep / slant, (BAND, BAND / 2.0));
            picture.span(y, 0.0, width, GRASS[0].mix(GRASS[1], band).mix(HAZE, fog), 1.0);
            let mut stripe = |from: f32, to: f32, color: Color, cover: f32| {
                let at = |off: f32| camera.middle + (point.aside + off / slant) * camera.focal / ahead;
                picture.span(y, at(from), at(to), color.mix(HAZE, fog), cover);
            };
            let edge = road::HALF_WIDTH + road::SHOULDER;
            stripe(-edge, edge, GRAVEL, 0.85);
            stripe(-road::HALF_WIDTH, road::HALF_WIDTH, ASPHALT[0].mix(ASPHALT[1], band), 1.0);
            let line = road::HALF_WIDTH - 0.3;
            stripe(-line - LINE, -line + LINE, PAINT, 0.9);
            stripe(line - LINE, line + LINE, PAINT, 0.9);
            stripe(-LINE, LINE, PAINT, 0.95 * share(run, deep / slant, DASH));
        }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// The front of the car: a red bow along the lower edge with a pale stripe.
fn bonnet(picture: &mut Picture, camera: &Camera) {
    let (width, bottom) = (picture.width() as f32, camera.bottom as f32);
    let (top, half) = (bottom * 0.87, width * 0.37);
    for y in top as i32..camera.bottom {
        let down = (y as f32 + 0.5 - top) / (bottom - top);
        let reach = half * (1.0 - (1.0 - down).powi(2)).max(0.0).sqrt().powf(0.6);
        let (left, right) = (camera.middle - reach, camera.middle + reach);
        picture.span(y, left, right, BONNET_EDGE, 1.0);
        let rim = width * 0.006;
        if down > 0.07 {
            picture.span(y, left + rim, right - rim, BONNET[0].mix(BONNET[1], down), 1.0);
        }
        // Two creases that run towards the horizon, and the stripe between them.
        let spread = 0.55 + 0.45 * down;
        let stripe = width * 0.035 * spread;
        for (at, half, color, cover) in [
            (0.0, stripe, PAINT, 0.85),
            (-width * 0.16 * spread, width * 0.004, BONNET_EDGE, 0.5),
            (width * 0.16 * spread, width * 0.004, BONNET[1], 0.7),
        ] {
            if half + at.abs() < reach {
                picture.span(y, camera.middle + at - half, camera.middle + at + half, color, cover);
            }
        }
    }
}

/// How much of the stretch from `run` to `run + deep` is marked, where every `period` metres begin with `length` marked
/// ones: 0 to 1. The average over the stretch, so that far dashes fade instead of flickering.
fn share(run: f64, deep: f32, (period, length): (f32, f32)) -> f32 {
    let marked = |at: f64| {
        let periods = (at / f64::from(period)).floor();
        periods * f64::from(length) + (at - periods * f64::from(period)).min(f64::from(length))
    };
    let deep = f64::from(deep.max(0.01));
    ((marked(run + deep / 2.0) - marked(run - deep / 2.0)) / deep) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Micros;

    const SIZE: Size = Size { width: 320, height: 240 };

    fn painted(scene: &mut Scene, size: Size) -> Picture {
        let mut picture = Picture::new(size);
        scene.draw(&mut picture, Strip::new(1, Micros(2)));
        picture
    }

    /// A drive of `seconds` with fixed controls, or on its own.
    fn driven(controls: Option<Controls>, seconds: u32) -> Scene {
        let mut scene = Scene::new();
        controls.into_iter().for_each(|controls| scene.drive(controls));
        (0..seconds * 30).for_each(|_| scene.step(1.0 / 30.0));
        scene
    }

    /// How many luma samples differ clearly.
    fn difference(a: &Picture, b: &Picture) -> usize {
        a.luma.iter().zip(&b.luma).filter(|(a, b)| a.abs_diff(**b) > 12).count()
    }

    #[test]
    fn the_same_drive_gives_the_same_pictures() {
        let picture = || painted(&mut driven(None, 5), SIZE).luma;
        assert_eq!(picture(), picture());
    }

    #[test]
    fn the_picture_moves_with_speed_and_stands_with_the_car() {
        let mut scene = driven(None, 1);
        let before = painted(&mut scene, SIZE);
        scene.step(1.0 / 30.0);
        assert!(difference(&before, &painted(&mut scene, SIZE)) > 500);
        let mut scene = driven(Some(Controls::new(0.0, 0.0)), 600);
        let before = painted(&mut scene, SIZE);
        scene.step(1.0 / 30.0);
        assert!(scene.car().speed < 0.1, "rolled out: {:?}", scene.car());
        assert!(difference(&before, &painted(&mut scene, SIZE)) < 20);
    }

    #[test]
    fn steering_moves_the_scene_and_the_indicator() {
        let [left, right] = [-1.0, 1.0].map(|x| driven(Some(Controls::new(x, 0.3)), 1));
        assert!(left.car().wheels < -0.02 && right.car().wheels > 0.02);
        let [left, right] = [left, right].map(|mut scene| painted(&mut scene, SIZE));
        assert!(difference(&left, &right) > 5_000, "{}", difference(&left, &right));
    }

    #[test]
    fn no_size_and_no_place_makes_it_panic() {
        let sizes =
            [(160, 120), (162, 122), (64, 200), (2, 2), (0, 0), (17, 33), (1920, 1080), (120, 1000), (3840, 160)];
        for (width, height) in sizes {
            let size = Size { width, height };
            for aside in [-14.0, 0.0, 14.0] {
                for yaw in [-1.0, 0.0, 1.0] {
                    let mut scene = driven(None, 3);
                    (scene.car.aside, scene.car.yaw, scene.car.wheels) = (aside, yaw, yaw);
                    scene.car.speed = aside * 1000.0;
                    painted(&mut scene, size);
                }
            }
        }
    }

    #[test]
    fn a_low_frame_rate_drives_as_far_as_a_high_one() {
        let [slow, fast] = [1, 60].map(|fps| {
            let mut scene = Scene::new();
            (0..20 * fps).for_each(|_| scene.step(1.0 / fps as f32));
            scene.car().along
        });
        assert!((slow / fast - 1.0).abs() < 0.02, "{slow} m and {fast} m");
    }

    #[test]
    fn far_dashes_fade_into_their_average() {
        assert_eq!(share(0.5, 0.01, (9.0, 4.0)), 1.0);
        assert_eq!(share(6.0, 0.01, (9.0, 4.0)), 0.0);
        let far = share(1234.5, 9_000.0, (9.0, 4.0));
        assert!((far - 4.0 / 9.0).abs() < 0.01, "{far}");
    }
}
