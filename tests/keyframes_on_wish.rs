//! Promise: who needs a keyframe gets one soon, by whatever way it asks, and no storm of wishes makes the picture coarse for
//! everyone. Where the source cannot make one, the page says why it waits.
#![allow(clippy::unwrap_used)]

mod sim;
use sim::{FRAME, MS, World};
use windshield::frame::{Obeyed, Order};

const HELLO: [u8; 10] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 7];
const KEYFRAME: [u8; 2] = [3, 1];

#[test]
fn a_picture_loss_indication_brings_a_keyframe_within_a_frame_and_a_trip() {
    let mut world = World::new(1);
    let viewer = world.join(10 * MS);
    world.run(3_000 * MS);
    let (made, asked) = (world.keyframes_made, world.now);
    world.pli(viewer);
    world.run_until(asked + 500 * MS, |w| w.keyframes_made > made);
    assert!(world.now - asked <= 10 * MS + FRAME + MS, "{:?}", world.now - asked);
}

#[test]
fn the_pages_own_wish_brings_a_keyframe() {
    let mut world = World::new(2);
    let viewer = world.join(10 * MS);
    world.run(3_000 * MS);
    let made = world.keyframes_made;
    world.say(viewer, true, &KEYFRAME);
    world.run(100 * MS);
    assert_eq!(world.keyframes_made, made + 1);
}

#[test]
fn a_foreign_players_messages_move_nothing() {
    let mut world = World::new(3);
    let viewer = world.add_viewer(10 * MS);
    world.ask_as(viewer, false);
    world.run(3_000 * MS);
    let made = world.keyframes_made;
    world.say(viewer, true, &KEYFRAME);
    world.say(viewer, false, &[2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    world.run(500 * MS);
    assert_eq!(world.keyframes_made, made);
    assert!(world.viewers[viewer].messages.is_empty(), "nor are they answered");
    assert_eq!(world.car.link_stats().messages_unknown, 2);
}

#[test]
fn a_storm_of_wishes_from_many_makes_at_most_three_keyframes_a_second() {
    let mut world = World::new(4);
    let viewers: Vec<_> = (0..5).map(|_| world.join(5 * MS)).collect();
    world.run(3_000 * MS);
    let made = world.keyframes_made;
    for _ in 0..100 {
        for v in &viewers {
            world.pli(*v);
            world.say(*v, true, &KEYFRAME);
        }
        world.run(50 * MS);
    }
    let stormed = world.keyframes_made - made;
    assert!((10..=17).contains(&stormed), "{stormed} keyframes in 5 s");
}

#[test]
fn where_no_keyframe_can_be_made_nothing_is_sent_until_one_comes_and_the_page_says_why() {
    let mut world = World::new(5);
    world.obeys = Obeyed::Cannot("a recorded clip has them where they are");
    world.run(500 * MS);
    let viewer = world.join(5 * MS);
    world.run(500 * MS);
    world.say(viewer, true, &HELLO);
    world.run(1_000 * MS);
    assert!(world.viewers[viewer].frames.is_empty(), "nothing that cannot be decoded is sent");
    let packets = world.car.viewer_stats(world.now)[0].sent.packets;
    assert_eq!(packets, 0);
    let said = world.notices(viewer);
    assert!(said.iter().any(|(topic, text)| *topic == 3 && text.contains("a recorded clip has them")), "{said:?}");
    let orders = world.orders.iter().filter(|(_, o)| *o == Order::Keyframe).count();
    assert!(orders <= 3, "a source that cannot is not asked without end: {orders}");

    world.keyframe_next = true;
    world.run(500 * MS);
    assert!(world.viewers[viewer].frames[0].keyframe);
    assert_eq!(world.notices(viewer).last(), Some(&(3, String::new())), "and the sentence is withdrawn");
}

#[test]
fn a_page_is_greeted_with_what_the_others_know() {
    let mut world = World::new(6);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    let (now, severity) = (world.now, windshield::message::Severity::Warning);
    world.car.set_notice(now, windshield::message::Topic::Source, severity, "one frame late", &mut world.wire);
    world.say(viewer, true, &HELLO);
    world.run(100 * MS);
    assert_eq!(world.viewers[viewer].messages[1], [0x81, 1, 0, 0, 0, 0, 0, 0, 0, 7], "the build id comes back");
    assert_eq!(world.notices(viewer).last(), Some(&(1, "one frame late".to_string())));
}

#[test]
fn a_heartbeat_is_answered_with_both_clocks() {
    let mut world = World::new(7);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    world.say(viewer, false, &[2, 1, 0, 0, 0, 0, 0, 0, 2, 3]);
    let sent = world.now;
    world.run(50 * MS);
    let echo = world.viewers[viewer].messages.last().unwrap();
    assert_eq!(echo[..10], [0x82, 2, 0, 0, 0, 0, 0, 0, 2, 3]);
    let expected = windshield::clock::Micros::of(sent + 5 * MS).0;
    for car in [&echo[10..18], &echo[18..]] {
        let car = u64::from_be_bytes(car.try_into().unwrap());
        assert!(car.abs_diff(expected) < 1_000, "{car} and {expected}");
    }
}

#[test]
fn what_means_nothing_is_counted_and_changes_nothing() {
    let mut world = World::new(8);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    for message in [&[][..], &[0], &[99, 1, 2], &[3, 2], &[1, 1, 1], &[0xff; 2_000]] {
        if !message.is_empty() {
            world.say(viewer, true, message);
        }
    }
    let made = world.keyframes_made;
    world.run(500 * MS);
    assert_eq!(world.car.link_stats().messages_unknown, 5);
    assert_eq!(world.keyframes_made, made);
    assert_eq!(world.car.len(), 1);
}
