//! Promise: the answer names the stream's own H.264 profile, and whoever cannot be served is told why in a sentence.
#![allow(clippy::unwrap_used)]

mod sim;
use sim::{MS, World, network};
use str0m::RtcConfig;
use windshield::link::{Answer, Refused};

fn h264(config: RtcConfig, profiles: &[u32]) -> RtcConfig {
    let mut config = config;
    for (n, profile) in profiles.iter().enumerate() {
        let pt = 100 + 2 * n as u8;
        config.codec_config().add_h264(pt.into(), Some((pt + 1).into()), true, *profile);
    }
    config
}

fn offering(world: &mut World, profiles: &[u32]) -> usize {
    let address = ([10, 0, 1, 1], 5000).into();
    world.add_viewer_at(address, network(1, 5 * MS), network(2, 5 * MS), |c| h264(c, profiles))
}

#[test]
fn the_profile_of_the_stream_is_answered_where_it_was_offered() {
    for (stream, profile) in
        [([0x42, 0xc0, 0x1f], "42c01f"), ([0x4d, 0x00, 0x28], "4d0028"), ([0x42, 0xe0, 0x0d], "42e00d")]
    {
        let mut world = World::new(1);
        world.profile = stream;
        world.run(100 * MS);
        let viewer = offering(&mut world, &[0x42e01f, 0x42001f, 0x4d001f, 0xf4001f]);
        world.ask(viewer);
        let answer = &world.viewers[viewer].answer;
        assert!(answer.contains(&format!("profile-level-id={profile}")), "{answer}");
        assert_eq!(answer.matches("a=rtpmap:").count(), 2, "H.264 and its RTX, nothing else: {answer}");
        world.run(1_000 * MS);
        assert!(world.viewers[viewer].frames.len() > 15, "{profile}");
    }
}

#[test]
fn a_profile_that_was_not_offered_is_answered_as_constrained_baseline_and_warned_about() {
    let mut world = World::new(2);
    world.profile = [0x64, 0x00, 0x1f];
    world.run(100 * MS);
    let viewer = offering(&mut world, &[0x42e01f]);
    world.ask(viewer);
    assert!(world.viewers[viewer].answer.contains("profile-level-id=42e01f"));
    world.run(1_000 * MS);
    world.say(viewer, true, &[1, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    world.run(100 * MS);
    let said = world.notices(viewer);
    assert!(said.iter().any(|(topic, text)| *topic == 2 && text.contains("64001f")), "{said:?}");
    assert!(!world.viewers[viewer].frames.is_empty(), "it is sent all the same");
}

#[test]
fn the_answer_has_what_browsers_insist_on() {
    let mut world = World::new(3);
    world.run(100 * MS);
    let viewer = world.join(5 * MS);
    let answer = &world.viewers[viewer].answer;
    for wanted in [
        "a=msid:",
        "a=sendonly",
        "a=rtcp-mux",
        "a=setup:passive",
        "packetization-mode=1",
        "nack pli",
        "ccm fir",
        "playout-delay",
        "a=ssrc-group:FID",
        "webrtc-datachannel",
        " 10.0.0.1 8080 typ host",
    ] {
        assert!(answer.contains(wanted), "no {wanted:?} in {answer}");
    }
    let msid = answer.lines().find_map(|l| l.strip_prefix("a=msid:")).unwrap();
    assert!(msid.split(' ').next().is_some_and(|stream| !stream.is_empty() && stream != "-"), "a stream id: {msid}");
    for unwanted in ["transport-wide-cc-extensions", "abs-send-time"] {
        assert!(!answer.contains(unwanted), "{unwanted} costs bytes in each packet and serves nothing yet");
    }
}

#[test]
fn offers_that_cannot_be_served_are_refused_with_a_sentence() {
    let mut world = World::new(4);
    world.run(100 * MS);
    let viewer = world.add_viewer(5 * MS);
    let good = world.viewers[viewer].offer.clone();
    let without =
        |prefix: &str| good.lines().filter(|l| !l.starts_with(prefix)).map(|l| format!("{l}\r\n")).collect::<String>();
    let table = [
        ("", "empty"),
        ("hello", "not SDP"),
        (&without("a=ice-"), "ice"),
        (&without("a=fingerprint"), "fingerprint"),
        (&without("m="), "m-lines"),
    ];
    for (sdp, wanted) in table {
        match world.post(sdp) {
            Answer::Refused(Refused::BadOffer(sentence)) => {
                assert!(sentence.to_lowercase().contains(&wanted.to_lowercase()), "{sentence:?} names {wanted:?}");
            }
            other => panic!("{wanted}: {other:?}"),
        }
    }
    let vp8 = world.add_viewer_at(([10, 0, 1, 9], 5).into(), network(1, MS), network(2, MS), |c| c.enable_vp8(true));
    let offer = world.viewers[vp8].offer.clone();
    match world.post(&offer) {
        Answer::Refused(Refused::Unprocessable(sentence)) => assert!(sentence.contains("H.264"), "{sentence}"),
        other => panic!("{other:?}"),
    }
    let sends = good.replace("a=recvonly", "a=sendonly");
    assert!(matches!(world.post(&sends), Answer::Refused(Refused::Unprocessable(_))), "one who wants to send");
    assert_eq!(world.car.len(), 0, "nobody was admitted");
}
