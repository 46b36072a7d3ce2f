//! A whole frame handed to viewers: the real `Viewers`, whose viewers are engines on a simulated network (`tests/sim`)
//! and whose pages have said hello, so that they are told the stamps.

use std::hint::black_box;

use str0m::net::Transmit;
use windshield::clock::Micros;
use windshield::frame::Frame;
use windshield::link::{Outlet, Sent};

use crate::sim::{self, FRAME, MS, World};

/// The page of this build.
const HELLO: [u8; 10] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 7];

/// The car with `viewers` who have had a picture for two seconds.
pub fn watched_by(viewers: usize) -> World {
    let mut world = World::new(1);
    world.run(100 * MS);
    for _ in 0..viewers {
        world.join(MS);
    }
    world.run(1_000 * MS);
    for viewer in 0..viewers {
        world.say(viewer, true, &HELLO);
    }
    world.run(1_000 * MS);
    assert!((0..viewers).all(|v| world.numbers(v).len() > 30), "everyone has a picture");
    world.running = false;
    world
}

/// Hands each batch to the simulated network as work of another kind.
struct Outside<'a> {
    wire: &'a mut sim::Wire,
    other: fn(&mut dyn FnMut()),
}

impl Outlet for Outside<'_> {
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        let mut sent = Sent::All;
        (self.other)(&mut || sent = self.wire.send(batch));
        sent
    }

    fn clock(&self) -> Micros {
        self.wire.clock()
    }
}

/// Lets a frame's time pass, with all that falls due, and gives the next picture.
pub fn next_picture(world: &mut World, size: usize) -> Vec<u8> {
    world.run(FRAME);
    world.frame_number += 1;
    sim::access_unit(world.frame_number, false, size, world.profile)
}

/// Hands it to everyone. `other` runs what is the simulation's.
pub fn hand_over(world: &mut World, unit: &[u8], other: fn(&mut dyn FnMut())) {
    let stamp = Micros::of(world.now);
    let frame = Frame { bytes: black_box(unit), keyframe: false, captured: stamp, encoding: None, dequeued: stamp };
    let mut outlet = Outside { wire: &mut world.wire, other };
    world.car.handle_frame(world.now, &frame, &mut outlet);
}
