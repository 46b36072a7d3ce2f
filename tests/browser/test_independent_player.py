"""A WHEP client that knows nothing of us (aiortc) gets the picture."""

from car import until
from independent import Player


def assert_steps(seen):
    assert None not in seen, f"unreadable strips: {seen}"
    numbers = [frame for frame, _ in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers


def test_another_player_gets_the_demo(car):
    one = car("--source", "demo")
    with Player(one.url) as player:
        player.play()
        assert_steps(player.frames(60))
        viewer = one.wait_viewers(1)[0]
        assert viewer["state"] == "live" and not viewer["own_page"]
        assert player.leave() == 200
        one.wait_viewers(0, 2)


def test_another_player_gets_a_clip(car, clip):
    one = car("--source", f"clip:{clip('road_320x240_30.h264')}")
    with Player(one.url) as player:
        player.play()
        assert all(seen is not None for seen in player.frames(30))


def test_another_player_that_closes_is_freed_without_a_delete(car):
    one = car("--source", "demo")
    with Player(one.url) as player:
        player.play()
        player.frames(5)
    one.wait_viewers(0, deadline=3)


def test_another_player_that_vanishes_is_freed_within_seconds(car):
    one = car("--source", "demo")
    with Player(one.url) as player:
        player.play()
        player.frames(5)
        player.vanish()
        one.wait_viewers(0, deadline=8)


def test_another_player_with_the_token_gets_the_picture_beside_our_page(car, watch):
    one = car("--source", "demo", "--token", "s3cret")
    page = watch(one.url + "/#token=s3cret")
    page.wait_decoded(5)
    with Player(one.url, token="s3cret") as player:
        player.play()
        assert_steps(player.frames(10))
        one.wait_viewers(2)


def test_wishes_for_keyframes_on_a_channel_are_taken_from_our_own_page_only(car):
    one = car("--source", "demo")
    with Player(one.url, channels=("fast", "events")) as player:
        player.play()
        player.frames(10)
        before = one.stats()["link"]
        keyframe, unknown = b"\x03\x01", b"\x7f\x01"
        for _ in range(5):
            player.send("events", keyframe)
        player.send("events", unknown)  # the channel is ordered: when this one is counted, those before it were read
        until(lambda: one.stats()["link"]["messages_unknown"] > before["messages_unknown"], "the messages arrived")
        assert_steps(player.frames(10))
        assert one.stats()["link"]["keyframe_wishes"] == before["keyframe_wishes"]
