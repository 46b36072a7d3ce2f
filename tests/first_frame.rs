//! Promise: whoever joins sees the first picture at once and every one that follows, in order.
#![allow(clippy::unwrap_used)]

mod sim;
use std::time::Duration;

use sim::{FRAME, MS, World};
use windshield::frame::Order;

#[test]
fn a_viewer_sees_every_frame_from_its_first_keyframe_on() {
    let mut world = World::new(1);
    world.run(100 * MS);
    let viewer = world.join(5 * MS);
    world.run(3_000 * MS);
    let numbers = world.numbers(viewer);
    assert!(world.viewers[viewer].frames[0].keyframe, "begins with a keyframe");
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "without a gap: {numbers:?}");
    assert!(numbers.len() > 80, "{} frames in 3 s", numbers.len());
}

#[test]
fn one_who_joins_in_mid_stream_has_a_picture_a_few_round_trips_later() {
    let mut world = World::new(2);
    let first = world.join(10 * MS);
    world.run(5_000 * MS);
    let (asked, made) = (world.now, world.keyframes_made);
    let viewer = world.join(10 * MS);
    assert!(world.run_until(asked + 1_000 * MS, |w| !w.viewers[viewer].frames.is_empty()), "a picture within a second");
    let took = world.viewers[viewer].frames[0].at - asked;
    // ICE, DTLS 1.3 and the next frame: five trips of 20 ms and a frame at the very most.
    assert!(took < 5 * 20 * MS + FRAME, "{took:?}");
    world.run(1_000 * MS);
    assert_eq!(world.keyframes_made, made + 1, "one keyframe for one who joins");
    let numbers = world.numbers(first);
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "those who were there miss nothing");
}

#[test]
fn five_viewers_see_the_same_frames() {
    let mut world = World::new(3);
    for n in 0..5 {
        world.join((3 + 7 * n) * MS);
    }
    world.run(3_000 * MS);
    let since = (0..5).map(|v| world.numbers(v)[0]).max().unwrap();
    for v in 0..5 {
        let numbers: Vec<_> = world.numbers(v).into_iter().filter(|n| (since..=80).contains(n)).collect();
        assert_eq!(numbers, (since..=80).collect::<Vec<_>>(), "viewer {v}");
    }
    assert!(world.keyframes_made <= 1 + 5, "{} keyframes for five who join", world.keyframes_made);
}

#[test]
fn the_jitter_buffer_is_told_to_keep_nothing_from_the_first_packet_on() {
    let mut world = World::new(4);
    let viewer = world.join(5 * MS);
    world.run(2_000 * MS);
    assert!(world.viewers[viewer].frames.len() > 30);
    for frame in &world.viewers[viewer].frames {
        assert_eq!(frame.playout, Some((0.0, 0.0)), "frame {}", frame.number);
    }
    let mut world = World::with_options(5, 8, Some(windshield::link::PlayoutDelay { min_ms: 20, max_ms: 100 }));
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    assert_eq!(world.viewers[viewer].frames[0].playout, Some((0.02, 0.1)));
    let mut world = World::with_options(6, 8, None);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    assert_eq!(world.viewers[viewer].frames[0].playout, None);
}

#[test]
fn frames_are_stamped_with_their_capture_in_rtp_time() {
    let mut world = World::new(7);
    let viewer = world.join(5 * MS);
    world.run(2_000 * MS);
    for pair in world.viewers[viewer].frames.windows(2) {
        let ticks = pair[1].rtp_time.wrapping_sub(pair[0].rtp_time);
        assert!((2_998..=3_002).contains(&ticks), "a thirtieth of a second is 3,000 ticks, not {ticks}");
    }
}

#[test]
fn pictures_survive_loss_because_lost_packets_are_sent_again() {
    for seed in [11, 12, 13] {
        let mut world = World::new(seed);
        let loss = str0m_netem::RandomLoss::new(str0m_netem::Probability::new(0.05));
        let viewer = world.add_viewer_behind(sim::network(seed, 10 * MS), sim::network(seed + 100, 10 * MS).loss(loss));
        world.ask(viewer);
        world.run(10_000 * MS);
        let keyframes_for_loss = world.orders.iter().filter(|(_, o)| *o == Order::Keyframe).count();
        let (got, made) = (world.numbers(viewer).len(), world.frame_number as usize);
        assert!(got * 100 >= made * 95, "seed {seed}: {got} of {made} frames");
        assert!(keyframes_for_loss <= 5, "seed {seed}: {keyframes_for_loss} keyframes; resending should do");
    }
}

#[test]
fn an_offer_before_the_first_frame_waits_for_the_streams_profile_but_not_for_ever() {
    let mut world = World::new(8);
    world.running = false;
    let viewer = world.join(5 * MS);
    world.run(900 * MS);
    assert!(world.viewers[viewer].session.is_none(), "not answered yet");
    world.run(200 * MS);
    assert!(world.viewers[viewer].answer.contains("profile-level-id=42e01f"), "{}", world.viewers[viewer].answer);

    let mut world = World::new(9);
    world.running = false;
    world.profile = [0x4d, 0x00, 0x1f];
    let viewer = world.join(5 * MS);
    world.run(300 * MS);
    world.make_frame();
    assert!(world.viewers[viewer].answer.contains("profile-level-id=4d001f"), "{}", world.viewers[viewer].answer);
    assert!(world.now - world.start < Duration::from_secs(1));
}
