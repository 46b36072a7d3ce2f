//! Promise: where the network cannot take a whole frame, nobody is shown half a picture: the rest is dropped and counted, a
//! keyframe is ordered, and that viewer alone waits for it.
#![allow(clippy::unwrap_used)]

mod sim;
use sim::{FRAME, MS, World};
use windshield::frame::Order;

#[test]
fn a_frame_cut_off_by_a_full_socket_is_followed_by_nothing_but_a_keyframe() {
    let mut world = World::new(1);
    let viewer = world.join(5 * MS);
    world.run(2_000 * MS);
    let (orders, made) = (world.orders.len(), world.keyframes_made);

    // Three of eight datagrams fit.
    world.wire.room = Some(3);
    let cut = world.frame_number;
    world.make_frame();
    assert_eq!(world.wire.room, Some(0), "the frame filled it");
    world.wire.room = None;
    assert_eq!(world.orders[orders..].iter().map(|(_, o)| *o).collect::<Vec<_>>(), [Order::Keyframe], "at once");
    let stats = &world.car.viewer_stats(world.now)[0];
    assert_eq!((stats.state, stats.sent.frames_dropped), ("waiting", 1 + stats_before_live(&world)));

    world.run(FRAME * 10);
    assert_eq!(world.keyframes_made, made + 1);
    let after: Vec<_> = world.viewers[viewer].frames.iter().filter(|f| f.number > cut).collect();
    assert!(after[0].keyframe, "the next whole picture is a keyframe, not {}", after[0].number);
    assert_eq!(after[0].number, cut + 1);
    assert_eq!(world.car.viewer_stats(world.now)[0].state, "live");
}

/// Frames made between this viewer's joining and its first keyframe are not sent either.
fn stats_before_live(world: &World) -> u64 {
    u64::from(world.viewers[0].frames[0].number).min(world.car.viewer_stats(world.now)[0].sent.frames_dropped - 1)
}

#[test]
fn the_others_go_on() {
    let mut world = World::new(2);
    let (first, second) = (world.join(5 * MS), world.join(5 * MS));
    world.run(2_000 * MS);
    // The first viewer's eight datagrams and three of the second's.
    world.wire.room = Some(8 + 3);
    let cut = world.frame_number;
    world.make_frame();
    world.wire.room = None;
    let states = |world: &World| world.car.viewer_stats(world.now).iter().map(|v| v.state).collect::<Vec<_>>();
    assert_eq!(states(&world), ["live", "waiting"]);
    world.run(FRAME * 10);
    let numbers = world.numbers(first);
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "{numbers:?}");
    let next = world.viewers[second].frames.iter().find(|f| f.number > cut).unwrap();
    assert!(next.keyframe, "after the cut comes a keyframe");
    assert_eq!(states(&world), ["live", "live"], "and the second is back");
}

#[test]
fn while_the_socket_stays_full_keyframes_are_not_ordered_without_end() {
    let mut world = World::new(3);
    world.join(5 * MS);
    world.run(2_000 * MS);
    let orders = world.orders.len();
    for _ in 0..300 {
        world.wire.room = Some(2);
        world.run(FRAME);
    }
    let ordered = world.orders.len() - orders;
    assert!((2..=35).contains(&ordered), "{ordered} orders in 10 s");
}

#[test]
fn a_socket_that_takes_too_little_does_not_starve_always_the_same_viewer() {
    let mut world = World::new(4);
    let viewers = [world.join(5 * MS), world.join(5 * MS)];
    world.run(2_000 * MS);
    let before = viewers.map(|v| world.numbers(v).len());
    for _ in 0..300 {
        // One viewer's keyframe and little more.
        world.wire.room = Some(26);
        world.run(FRAME);
    }
    world.wire.room = None;
    let shown: Vec<_> = viewers.iter().zip(before).map(|(v, before)| world.numbers(*v).len() - before).collect();
    assert!(shown.iter().all(|shown| *shown > 30), "pictures in 10 s: {shown:?}");
}
