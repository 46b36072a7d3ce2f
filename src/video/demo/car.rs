//! The car of the demo: where it is on the road, how fast, and how it answers the controls; and the gentle driver who
//! holds the wheel until someone else does. Pure: time comes in as `dt`.

use super::road;

/// Metres between the axles: with the wheels at their stop and slow, the car turns within 5 m.
const WHEELBASE: f32 = 2.4;
/// Largest angle of the front wheels, radians (29 degrees).
const WHEEL_STOP: f32 = 0.5;
/// How fast the front wheels turn, radians a second: from straight to the stop in a third of a second.
const WHEEL_RATE: f32 = 1.5;
/// Sideways acceleration the tyres hold, m/s^2: limits the wheel angle at speed, so that nobody spins.
const GRIP: f32 = 7.0;
/// Full throttle, m/s^2.
const ACCELERATION: f32 = 4.5;
/// Full brake, m/s^2.
const BRAKE: f32 = 9.0;
/// Backwards at most, m/s.
const REVERSE: f32 = 4.0;
/// How far beside the centre line the car can get, metres: a fence nobody sees.
const FENCE: f32 = 14.0;
/// How far it can point away from the road, radians: it never turns round.
const TURNED: f32 = 1.0;
/// What the gentle driver likes, m/s (54 km/h).
const CRUISE: f32 = 15.0;

/// Steering and throttle as a driver gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Controls {
    /// -1 full left to 1 full right.
    pub steering: f32,
    /// 1 full throttle; below 0 brakes, and drives backwards once the car stands.
    pub throttle: f32,
}

impl Controls {
    /// Both limited to -1..1; what is not a number counts as 0.
    pub fn new(steering: f32, throttle: f32) -> Self {
        let limit = |x: f32| if x.is_nan() { 0.0 } else { x.clamp(-1.0, 1.0) };
        Self { steering: limit(steering), throttle: limit(throttle) }
    }
}

/// State of the car, relative to the road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Car {
    /// Metres driven along the centre line.
    pub along: f64,
    /// Metres to the right of the centre line.
    pub aside: f32,
    /// Radians the car points to the right of the road's direction.
    pub yaw: f32,
    /// Metres a second, below 0 backwards.
    pub speed: f32,
    /// Angle of the front wheels, radians, right is positive.
    pub wheels: f32,
    /// Radians turned since the start: moves the hills.
    pub heading: f32,
}

impl Car {
    /// On its lane, already rolling: the first picture moves.
    pub fn new() -> Self {
        Self { along: 0.0, aside: road::LANE, yaw: 0.0, speed: 12.0, wheels: 0.0, heading: 0.0 }
    }

    /// Moves the car by `dt` seconds (at most 0.1: more would step over the model).
    pub fn step(&mut self, controls: Controls, dt: f32) {
        let dt = dt.clamp(0.0, 0.1);
        let off_road = self.aside.abs() > road::HALF_WIDTH + road::SHOULDER;

        let stop = (WHEELBASE * GRIP / (self.speed * self.speed).max(1.0)).atan().min(WHEEL_STOP);
        let turn = (controls.steering * stop - self.wheels).clamp(-WHEEL_RATE * dt, WHEEL_RATE * dt);
        self.wheels = (self.wheels + turn).clamp(-WHEEL_STOP, WHEEL_STOP);

        let push = if controls.throttle >= 0.0 {
            controls.throttle * ACCELERATION
        } else if self.speed > 0.0 {
            controls.throttle * BRAKE
        } else {
            controls.throttle * ACCELERATION / 2.0
        };
        // Rolling resistance, air, and grass.
        let drag =
            0.03 * self.speed + 0.005 * self.speed * self.speed.abs() + if off_road { 0.7 * self.speed } else { 0.0 };
        let before = self.speed;
        self.speed = (self.speed + (push - drag) * dt).max(-REVERSE);
        // The brake stops the car before it begins to drive it backwards.
        if before > 0.0 && self.speed < 0.0 {
            self.speed = 0.0;
        }

        let curvature = road::curvature(self.along);
        let turned = self.speed * self.wheels.tan() / WHEELBASE * dt;
        let advance = self.speed * self.yaw.cos() / (1.0 - self.aside * curvature).max(0.5) * dt;
        self.along = (self.along + f64::from(advance)).max(0.0);
        self.aside += self.speed * self.yaw.sin() * dt;
        let yaw = self.yaw;
        self.yaw += turned - curvature * advance;
        if self.aside.abs() > FENCE {
            self.aside = self.aside.clamp(-FENCE, FENCE);
            // Along the fence, not into it.
            if self.yaw * self.aside > 0.0 {
                self.yaw *= 0.8;
            }
        }
        self.yaw = self.yaw.clamp(-TURNED, TURNED);
        // The road's turn and what the car really turned against it, so that hills and road stay together.
        self.heading = (self.heading + curvature * advance + self.yaw - yaw).rem_euclid(std::f32::consts::TAU);
    }

    /// What the gentle driver does now: keeps the right lane, looks ahead, slows down for a bend.
    pub fn gentle(&self) -> Controls {
        let reach = 4.0 + 0.6 * self.speed.max(0.0);
        let bend = road::curvature(self.along + f64::from(reach * 0.5));
        let back = -0.35 * (self.aside - road::LANE) / reach - 1.4 * self.yaw / reach;
        let wanted = (WHEELBASE * (bend + back)).atan();
        let stop = (WHEELBASE * GRIP / (self.speed * self.speed).max(1.0)).atan().min(WHEEL_STOP);
        let ahead = road::curvature(self.along + f64::from(2.0 * self.speed.max(0.0)));
        let target = (2.2 / ahead.abs().max(1e-3)).sqrt().clamp(8.0, CRUISE);
        Controls::new(wanted / stop, (target - self.speed) * 0.4)
    }
}

impl Default for Car {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 1.0 / 30.0;

    #[test]
    fn the_gentle_driver_stays_in_the_lane_for_ten_minutes() {
        let mut car = Car::new();
        for tick in 0..18_000 {
            car.step(car.gentle(), DT);
            assert!((car.aside - road::LANE).abs() < 1.2, "{car:?} after {tick} ticks");
            assert!((5.0..20.0).contains(&car.speed), "{car:?} after {tick} ticks");
        }
    }

    #[test]
    fn steering_right_leads_to_the_right() {
        let mut car = Car::new();
        let straight = {
            let mut car = car;
            (0..30).for_each(|_| car.step(Controls::new(0.0, 0.0), DT));
            car.aside
        };
        (0..30).for_each(|_| car.step(Controls::new(1.0, 0.0), DT));
        assert!(car.aside > straight + 1.0, "{car:?}, straight {straight}");
    }

    #[test]
    fn the_brake_stops_and_then_drives_backwards_slowly() {
        let mut car = Car::new();
        let mut stood = false;
        for _ in 0..300 {
            car.step(Controls::new(0.0, -1.0), DT);
            stood |= car.speed == 0.0;
        }
        assert!(stood && (-REVERSE..0.0).contains(&car.speed), "{car:?}");
    }

    #[test]
    fn grass_slows_the_car() {
        let top = |aside: f32| {
            let mut car = Car { aside, ..Car::new() };
            (0..600).for_each(|_| {
                car.step(Controls::new(0.0, 1.0), DT);
                (car.aside, car.yaw) = (aside, 0.0);
            });
            car.speed
        };
        assert!(top(0.0) > 20.0, "{}", top(0.0));
        assert!(top(10.0) < 8.0, "{}", top(10.0));
    }

    #[test]
    fn no_control_makes_the_car_insane() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1.0, 1.0, 0.0];
        for steering in odd {
            for throttle in odd {
                let mut car = Car::new();
                for dt in [DT, 0.0, 10.0, -1.0, DT].iter().cycle().take(2_000) {
                    car.step(Controls::new(steering, throttle), *dt);
                }
                assert!(car.aside.abs() <= FENCE && car.yaw.abs() <= TURNED, "{car:?}");
                assert!((-REVERSE..60.0).contains(&car.speed) && car.along.is_finite(), "{car:?}");
            }
        }
    }
}
