//! The road of the demo: an endless one, the same every time, and how the stretch ahead lies before the camera.
//! Pure numbers; `scene` paints them and `car` drives on them.

/// Metres from the centre line to the edge of the asphalt.
pub const HALF_WIDTH: f32 = 3.4;
/// Metres of gravel beyond it.
pub const SHOULDER: f32 = 0.9;
/// Metres from the centre line to the middle of the right lane.
pub const LANE: f32 = 1.7;
/// Metres between two points of a [`View`].
const STRIDE: f32 = 2.0;
/// Points of a [`View`]: 400 m, beyond which haze hides everything.
const POINTS: usize = 200;

/// How much the road bends at `along` metres: 1/radius in metres, right is positive. Three waves whose lengths have no
/// common measure, so it never quite repeats; the tightest bend has a radius of about 55 m.
pub fn curvature(along: f64) -> f32 {
    let wave = |length: f64, phase: f64| (along / length + phase).sin() as f32;
    // The first 60 m are nearly straight: a quiet first picture.
    let fade = (along / 60.0).clamp(0.05, 1.0) as f32;
    fade * (0.0075 * wave(71.0, 0.0) + 0.0065 * wave(43.0, 1.3) + 0.004 * wave(127.0, 2.1))
}

/// A point of the centre line as the camera sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Point {
    /// Metres along the road from the car.
    pub run: f32,
    /// Metres straight ahead of the camera.
    pub ahead: f32,
    /// Metres to the right of the camera's axis.
    pub aside: f32,
    /// Radians the road points to the right of the camera's axis there.
    pub turn: f32,
}

impl Point {
    /// The point `off` metres to the right of this one, across the road: (ahead, aside).
    pub fn beside(&self, off: f32) -> (f32, f32) {
        (self.ahead - off * self.turn.sin(), self.aside + off * self.turn.cos())
    }

    fn between(a: Self, b: Self, share: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        Self {
            run: mix(a.run, b.run),
            ahead: mix(a.ahead, b.ahead),
            aside: mix(a.aside, b.aside),
            turn: mix(a.turn, b.turn),
        }
    }
}

/// The stretch ahead of the car, as far as it can be seen.
#[derive(Debug)]
pub struct View {
    points: Vec<Point>,
}

impl View {
    /// An empty view; [`Self::look`] fills it.
    pub fn new() -> Self {
        Self { points: Vec::with_capacity(POINTS) }
    }

    /// Looks ahead from a car `along` the road, `aside` of its centre line, turned by `yaw` from its direction.
    pub fn look(&mut self, along: f64, aside: f32, yaw: f32) {
        self.points.clear();
        // A little behind the camera, so that the lowest row of the picture is between two points.
        let mut point = Point { run: -STRIDE, ahead: 0.0, aside: -aside * yaw.cos(), turn: -yaw };
        point.ahead = -aside * yaw.sin() - STRIDE * point.turn.cos();
        point.aside -= STRIDE * point.turn.sin();
        for _ in 0..POINTS {
            self.points.push(point);
            point.turn += curvature(along + f64::from(point.run)) * STRIDE;
            // Where the road turns away (80 degrees) it is hidden by its own bend.
            if point.turn.abs() > 1.4 {
                break;
            }
            point.ahead += STRIDE * point.turn.cos();
            point.aside += STRIDE * point.turn.sin();
            point.run += STRIDE;
        }
    }

    /// The centre line `ahead` metres before the camera, or `None` where no road is seen.
    pub fn ahead(&self, ahead: f32) -> Option<Point> {
        // `ahead` rises strictly from point to point, since the road never turns by 90 degrees.
        let next = self.points.partition_point(|p| p.ahead < ahead);
        let (&a, &b) = (self.points.get(next.checked_sub(1)?)?, self.points.get(next)?);
        Some(Point::between(a, b, (ahead - a.ahead) / (b.ahead - a.ahead)))
    }

    /// The centre line `run` metres along the road from the car, or `None` where no road is seen.
    pub fn along(&self, run: f32) -> Option<Point> {
        let at = run / STRIDE + 1.0;
        if at < 0.0 {
            return None;
        }
        let (&a, &b) = (self.points.get(at as usize)?, self.points.get(at as usize + 1)?);
        Some(Point::between(a, b, at.fract()))
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bend_is_tighter_than_a_car_can_drive() {
        assert!((0..200_000).all(|m| curvature(f64::from(m)).abs() < 1.0 / 50.0));
    }

    #[test]
    fn a_car_right_of_the_centre_sees_the_road_to_its_left() {
        let mut view = View::new();
        view.look(0.0, 1.5, 0.0);
        let near = view.ahead(3.0).map(|p| p.aside);
        assert!(near.is_some_and(|x| (x + 1.5).abs() < 0.1), "{near:?}");
        view.look(0.0, 0.0, 0.3);
        let far = view.ahead(20.0).map(|p| p.aside);
        assert!(far.is_some_and(|x| x < -4.0), "turned right, the road leads left: {far:?}");
    }
}
