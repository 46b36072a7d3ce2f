"""Coming late, coming five at a time, coming again."""

import os

from car import until
from h264 import Feeder, access_units


def keyframes_sent(car):
    return [viewer["keyframes"] for viewer in car.viewers()]


def test_who_joins_the_demo_in_mid_stream_gets_a_keyframe_at_once(car, watch):
    one = car("--source", "demo")
    first = watch(one.url)
    first.wait_decoded(45)
    second = watch(one.url)
    frames = second.wait_decoded(10)
    second.assert_nothing_missing()
    assert frames[0]["frame"] > 0
    rtc = second.rtc()
    # What came first could be decoded at once: nothing before it was received in vain.
    assert rtc["framesReceived"] - rtc["framesDecoded"] <= 1 and rtc["keyFramesDecoded"] >= 1, rtc
    first.assert_nothing_missing()


def test_who_joins_a_clip_in_mid_stream_is_told_why_he_waits_and_gets_the_next_keyframe(car, watch, clip, tmp_path):
    """A pipe under the test's hand: the keyframe comes only when the page has said that it waits for one."""
    units = access_units(clip("road_320x240_30.h264").read_bytes())
    fifo = tmp_path / "camera"
    os.mkfifo(fifo)
    one = car("--source", f"pipe:cat {fifo}")
    with open(fifo, "wb", buffering=0) as pipe:
        Feeder(os.dup(pipe.fileno()), units[:10]).join()
        one.wait_source(lambda s: s["frames"] >= 9, "frames are gone before anybody watches")
        page = watch(one.url)
        until(lambda: [v for v in one.viewers() if v["state"] == "waiting"], "connected and waiting")
        feeder = Feeder(os.dup(pipe.fileno()), units[10:25])
        feeder.join()
        said = page.wait_said("keyframe")
        assert page.frames() == [], f"nothing is shown yet ({said})"
        assert page.rtc() is None or page.rtc()["packetsReceived"] == 0, "and nothing that could not be decoded was sent"
        Feeder(os.dup(pipe.fileno()), units).join()
        page.until(f"recorder.decoded.length >= {len(units)}", "the picture from the next keyframe on")
        assert [frame["frame"] for frame in page.frames()] == list(range(len(units)))
        page.wait_not_said("keyframe")


def test_a_clip_shows_the_next_keyframe_to_who_comes_late(car, watch, clip):
    one = car("--source", f"clip:{clip('road_320x240_30.h264')}")
    watch(one.url).wait_decoded(20)
    second = watch(one.url)
    frames = second.wait_decoded(20)
    assert all(frame["frame"] is not None for frame in frames)
    rtc = second.rtc()
    assert rtc["framesReceived"] - rtc["framesDecoded"] <= 1, rtc


def test_five_viewers_at_once_all_see_every_frame(car, watch):
    one = car("--source", "demo", "--size", "320x240")
    pages = [watch(one.url) for _ in range(5)]
    for page in pages:
        page.wait_decoded(5)
    viewers = one.wait_viewers(5)
    assert {viewer["state"] for viewer in viewers} == {"live"}
    for page in pages:
        page.wait_decoded(30)
    for page in pages:
        page.assert_nothing_missing()
        assert page.rtc()["packetsLost"] == 0
    # One stream for all: the same frames, not five encoders.
    common = set.intersection(*({frame["frame"] for frame in page.frames()} for page in pages))
    assert len(common) >= 20
    # Whoever joins is sent nothing until his keyframe; after it nothing is left out for anybody.
    dropped = {viewer["session"]: viewer["frames_dropped"] for viewer in viewers}
    assert {viewer["session"]: viewer["frames_dropped"] for viewer in one.viewers()} == dropped


def test_a_reloaded_page_gets_a_session_of_its_own_and_the_old_one_is_freed(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(5)
    sessions = {one.wait_viewers(1)[0]["session"]}
    for _ in range(3):
        page.page.reload(wait_until="commit")
        page.wait_decoded(10)
        page.assert_nothing_missing()
        viewer = one.wait_viewers(1)[0]
        assert viewer["session"] not in sessions, "the old session took the new page"
        sessions.add(viewer["session"])


def test_a_closed_page_is_freed_at_once(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(5)
    page.close()
    # Well before the five seconds after which silence alone would free it.
    one.wait_viewers(0, deadline=3)
