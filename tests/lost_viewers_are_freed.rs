//! Promise: who closes is freed at once, who falls silent after five seconds, and nobody who is still there.
#![allow(clippy::unwrap_used)]

mod sim;
use std::time::Duration;

use sim::{MS, World};
use windshield::link::{Answer, Refused, SILENCE};

#[test]
fn a_viewer_that_vanishes_is_freed_after_five_seconds_whatever_the_engine_thinks() {
    let mut world = World::new(1);
    let (gone, stays) = (world.join(5 * MS), world.join(5 * MS));
    world.run(2_000 * MS);
    world.kill(gone);
    let killed = world.now;
    assert_eq!(world.car.len(), 2);
    assert!(world.run_until(killed + 10_000 * MS, |w| w.car.len() == 1), "never freed");
    let after = world.now - killed;
    assert!(after <= SILENCE + 50 * MS && after >= Duration::from_secs(3), "freed after {after:?}");
    world.run(20_000 * MS);
    assert_eq!(world.car.len(), 1, "the other is still there");
    let numbers = world.numbers(stays);
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "and saw everything");
}

#[test]
fn a_viewer_that_closes_is_freed_at_once() {
    let mut world = World::new(2);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    world.viewers[viewer].rtc.close().unwrap();
    world.wake(viewer);
    world.run(50 * MS);
    assert_eq!(world.car.len(), 0);
}

#[test]
fn a_session_that_is_deleted_is_freed_and_told() {
    let mut world = World::new(3);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    let session = world.session(viewer);
    assert!(matches!(world.delete(&session), Answer::Closed));
    assert_eq!(world.car.len(), 0);
    assert!(matches!(world.delete(&session), Answer::Refused(Refused::UnknownSession)));
    world.run(100 * MS);
    assert!(world.viewers[viewer].closed, "the browser knows");
}

#[test]
fn at_the_end_everyone_is_told() {
    let mut world = World::new(4);
    let viewers = [world.join(5 * MS), world.join(9 * MS)];
    world.run(1_000 * MS);
    world.car.close_all(world.now, &mut world.wire);
    world.running = false;
    world.settle();
    world.run(100 * MS);
    assert_eq!(world.car.len(), 0);
    for v in viewers {
        assert!(world.viewers[v].closed, "viewer {v}");
    }
}

#[test]
fn fifty_viewers_that_join_together_and_vanish_leave_nothing_behind() {
    let mut world = World::new(5);
    world.frame_bytes = 1_500;
    let watcher = world.join(5 * MS);
    world.run(500 * MS);
    let crowd: Vec<_> = (0..50).map(|n| world.join((2 + n % 7) * MS)).collect();
    assert_eq!(world.car.len(), 51);
    world.run(1_000 * MS);
    for v in &crowd {
        assert!(!world.viewers[*v].frames.is_empty(), "viewer {v} saw nothing");
        world.kill(*v);
    }
    world.run(SILENCE + 500 * MS);
    assert_eq!(world.car.len(), 1);
    let numbers = world.numbers(watcher);
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "the one who stayed missed nothing");
    let stats = world.car.link_stats();
    assert_eq!((stats.viewers_admitted, stats.viewers_gone), (51, 50));
}

#[test]
fn an_offer_that_is_never_followed_by_a_datagram_is_forgotten() {
    let mut world = World::new(6);
    world.run(100 * MS);
    for _ in 0..10 {
        let v = world.add_viewer(5 * MS);
        world.kill(v);
        world.ask(v);
    }
    assert_eq!(world.car.len(), 10);
    world.run(SILENCE + 100 * MS);
    assert_eq!(world.car.len(), 0);
}

#[test]
fn when_all_seats_are_taken_the_next_is_told_to_come_back() {
    let mut world = World::with_options(7, 2, None);
    world.run(100 * MS);
    world.join(5 * MS);
    world.join(5 * MS);
    let third = world.join(5 * MS);
    match world.viewers[third].refused.take() {
        Some(Refused::Busy { retry_after_s: 1..=60, sentence }) => assert!(sentence.contains("2 seats"), "{sentence}"),
        other => panic!("{other:?}"),
    }
    world.kill(0);
    world.run(SILENCE + 1_000 * MS);
    world.ask(third);
    world.run(1_000 * MS);
    assert!(!world.viewers[third].frames.is_empty(), "the seat is free again");
}
