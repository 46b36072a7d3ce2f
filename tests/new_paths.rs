//! Promise: a reloaded page is never grabbed by its old session, a browser's early handshake is not lost, and when an address
//! goes and another comes the picture comes back.
#![allow(clippy::unwrap_used)]

mod sim;
use std::net::IpAddr;

use sim::{CAR, FRAME, MS, World, network};
use windshield::link::{Answer, Refused};

#[test]
fn a_page_reloaded_onto_the_same_port_gets_its_own_session_and_the_old_one_is_freed() {
    let mut world = World::new(1);
    let old = world.join(5 * MS);
    world.run(2_000 * MS);
    world.kill(old);
    let address = world.viewers[old].address;
    let new = world.add_viewer_at(address, network(5, 5 * MS), network(6, 5 * MS), |c| c.enable_h264(true));
    world.ask(new);
    let asked = world.now;
    assert!(world.run_until(asked + 1_000 * MS, |w| w.viewers[new].frames.len() > 3), "no picture after the reload");
    assert!(world.now - asked < 300 * MS, "{:?}", world.now - asked);
    assert_eq!(world.car.len(), 1, "the old one is gone with the first proof of the new");
    world.run(7_000 * MS);
    assert_eq!(world.car.len(), 1, "and the new one stays");
}

#[test]
fn a_handshake_that_comes_before_our_own_check_is_done_costs_no_retransmission() {
    // The way to the car is short and the way back long, so the browser's ClientHello overtakes the answer to our check.
    let mut world = World::new(2);
    let viewer = world.add_viewer_behind(network(1, 2 * MS), network(2, 60 * MS));
    world.ask(viewer);
    let asked = world.now;
    assert!(world.run_until(asked + 3_000 * MS, |w| w.viewers[viewer].connected.is_some()));
    let took = world.viewers[viewer].connected.unwrap() - asked;
    assert!(took < 400 * MS, "{took:?}: a retransmission of DTLS alone is a second");
}

#[test]
fn when_our_address_changes_an_ice_restart_brings_the_picture_back() {
    let mut world = World::new(3);
    let viewer = world.join(10 * MS);
    world.run(2_000 * MS);
    let before = world.viewers[viewer].frames.len();

    // Wi-Fi goes, the modem comes: nothing that goes to or comes from the old address arrives any more.
    let modem: IpAddr = "10.9.9.9".parse().unwrap();
    world.unreachable.push(CAR.ip());
    world.car.set_addresses(world.now, vec![modem], &mut world.wire);
    world.settle();
    world.run(1_000 * MS);
    let lost = world.viewers[viewer].frames.len();
    assert!(lost <= before + 3, "nothing arrives meanwhile");

    let session = world.session(viewer);
    let fragment = world.restart_fragment(viewer);
    let Answer::Restarted { etag, fragment } = world.patch(&session, Some("*"), &fragment) else { panic!("refused") };
    assert_ne!(Some(&etag), world.viewers[viewer].etag.as_ref(), "a new ICE session has a new tag");
    assert!(fragment.contains("10.9.9.9 8080"), "{fragment}");
    assert!(!fragment.contains("10.0.0.1"), "the address that went is not offered: {fragment}");
    world.accept_restart(viewer, &fragment);
    let restarted = world.now;
    assert!(world.run_until(restarted + 2_000 * MS, |w| w.viewers[viewer].frames.len() > lost + 5), "no picture again");
    assert!(world.now - restarted < 600 * MS + 6 * FRAME, "{:?}", world.now - restarted);
    assert_eq!(world.car.len(), 1);
}

#[test]
fn a_patch_is_checked_as_the_draft_says() {
    let mut world = World::new(4);
    let viewer = world.join(5 * MS);
    world.run(1_000 * MS);
    let session = world.session(viewer);
    let etag = world.viewers[viewer].etag.clone().unwrap();
    let trickle = "a=candidate:1 1 udp 2113937151 10.0.1.77 5001 typ host\r\n";
    assert!(matches!(world.patch("nobody", Some(&etag), trickle), Answer::Refused(Refused::UnknownSession)));
    assert!(matches!(world.patch(&session, None, trickle), Answer::Refused(Refused::EtagMissing)));
    assert!(matches!(world.patch(&session, Some("other"), trickle), Answer::Refused(Refused::EtagMismatch)));
    assert!(matches!(world.patch(&session, Some(&etag), trickle), Answer::Taken));
    assert!(matches!(world.patch(&session, Some(&etag), "a=end-of-candidates\r\n"), Answer::Taken));
    assert!(matches!(
        world.patch(&session, Some(&etag), "a=candidate:1 1 udp 1 x.local 9 typ host\r\n"),
        Answer::Taken
    ));
    for nonsense in ["\u{0}nonsense", "hello", "a=mid:0\r\nhello"] {
        let answer = world.patch(&session, Some(&etag), nonsense);
        assert!(matches!(answer, Answer::Refused(Refused::BadOffer(_))), "{nonsense:?}: {answer:?}");
    }
    world.run(1_000 * MS);
    let numbers = world.numbers(viewer);
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "the picture is not disturbed");
}

#[test]
fn a_viewer_behind_a_forwarded_port_reaches_us_by_the_address_it_knows() {
    let mut world = World::new(5);
    world.run(100 * MS);
    let viewer = world.add_viewer(10 * MS);
    let outside: IpAddr = "203.0.113.7".parse().unwrap();
    world.ask_by(viewer, Some(outside));
    assert!(world.viewers[viewer].answer.contains("203.0.113.7 8080 typ srflx"), "{}", world.viewers[viewer].answer);
    // A router between: what is sent to its outside arrives at the car's own address, and comes back rewritten.
    world.forwarded = Some(outside);
    world.run(2_000 * MS);
    assert!(
        world.viewers[viewer].frames.len() > 20,
        "{} frames through the router",
        world.viewers[viewer].frames.len()
    );
}

#[test]
fn the_program_may_start_before_any_network_is_up() {
    let mut world = World::new(6);
    world.car.set_addresses(world.now, vec![], &mut world.wire);
    world.run(100 * MS);
    let viewer = world.join(5 * MS);
    assert!(world.viewers[viewer].session.is_some(), "answered all the same");
    world.run(100 * MS);
    world.car.set_addresses(world.now, vec![CAR.ip()], &mut world.wire);
    world.settle();
    let later = world.join(5 * MS);
    world.run(1_000 * MS);
    assert!(world.viewers[later].frames.len() > 10);
}
