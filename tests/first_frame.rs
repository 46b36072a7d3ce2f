//! Promise: whoever joins sees the first picture at once and every one that follows, in order.
#![allow(clippy::unwrap_used)]

mod sim;
use sim::{MS, World};

#[test]
fn a_viewer_sees_every_frame_from_its_first_keyframe_on() {
    let mut world = World::new(1);
    world.run(100 * MS);
    let viewer = world.join(5 * MS);
    world.run(3_000 * MS);
    let numbers = world.numbers(viewer);
    let v = &world.viewers[viewer];
    println!("{}\n{}\n{:?} {:?} {:?}", v.offer, v.answer, v.connected, v.refused, world.car.viewer_stats(world.now));
    println!("{:?}", world.car.link_stats());
    assert!(world.viewers[viewer].frames[0].keyframe, "begins with a keyframe");
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "without a gap: {numbers:?}");
    assert!(numbers.len() > 80, "{} frames in 3 s", numbers.len());
    println!("{}", world.viewers[viewer].answer);
}
