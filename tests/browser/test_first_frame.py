"""The first picture from each source in a real browser, with exact counts and the content read from the pixels."""

import os
import re
import socket
import statistics

import pytest

import made
from car import until
from h264 import Feeder, access_units, has_idr
from watch import assert_consecutive, assert_in_order


def assert_clean(watch, decoded):
    """Nothing was lost or repaired on the way to this page. What came and was not decoded, a browser on a busy machine
    dropped by itself, and says so."""
    rtc = watch.rtc()
    assert rtc["packetsLost"] == 0, rtc
    assert rtc["framesReceived"] >= rtc["framesDecoded"] and rtc["framesDecoded"] + rtc["framesDropped"] >= decoded, rtc
    assert rtc.get("nackCount", 0) == 0 and rtc.get("firCount", 0) == 0, rtc
    return rtc


def test_the_demo_is_seen_from_its_first_frame_on_without_a_gap(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(60)
    frames = page.frames()
    assert_consecutive(frames)
    page.wait_shown(10)
    assert_in_order(page.frames("shown"), "shown frames")
    rtc = assert_clean(page, 60)
    assert rtc["keyFramesDecoded"] >= 1
    stats = page.stats()
    assert stats["framesPresented"] > 0 and stats["firstFrameMs"] > 0
    viewer = one.wait_viewers(1)[0]
    assert viewer["own_page"] and viewer["state"] == "live"
    # What the strip says is in the car's clock: time goes on from frame to frame.
    times = [frame["capturedMicros"] for frame in frames]
    assert all(a < b for a, b in zip(times, times[1:]))


def test_the_demo_keeps_the_size_and_rate_it_was_given(car, watch):
    one = car("--source", "demo", "--size", "1280x720", "--fps", "15", "--bitrate", "3M")
    page = watch(one.url)
    frames = page.wait_decoded(31)
    assert (frames[-1]["width"], frames[-1]["height"]) == (1280, 720)
    assert_consecutive(frames)
    times = [frame["capturedMicros"] for frame in frames]
    # In the car's own clock; the median, because a machine that is busy elsewhere may delay single frames.
    step = statistics.median(b - a for a, b in zip(times, times[1:]))
    assert step == pytest.approx(1e6 / 15, rel=0.2)


def test_a_clip_is_seen_without_a_gap_and_in_a_loop(car, watch, clip):
    path = clip("road_320x240_30.h264")
    units = access_units(path.read_bytes())
    one = car("--source", f"clip:{path}", "--fps", "30")
    page = watch(one.url)
    page.wait_decoded(len(units) + 20)
    frames = page.frames()
    numbers = [frame["frame"] for frame in frames]
    assert None not in numbers
    first = numbers[0]
    assert has_idr(units[first]), f"the first picture, number {first}, is a keyframe of the clip"
    steps = [(b - a) % len(units) for a, b in zip(numbers, numbers[1:])]
    assert 0 not in steps, f"a picture came twice: {numbers}"
    page.assert_own_gaps(sum(steps) - len(steps), len(frames))
    assert_clean(page, len(units))


def test_every_frame_of_a_pipe_is_seen_once_and_in_order(car, watch, clip, tmp_path):
    """The pictures begin when the viewer is there and end: so what was sent, received, decoded and read is one number."""
    units = access_units(clip("road_320x240_30.h264").read_bytes())
    fifo = tmp_path / "camera"
    os.mkfifo(fifo)
    one = car("--source", f"pipe:cat {fifo}")
    page = watch(one.url)
    until(lambda: [v for v in one.viewers() if v["state"] == "waiting"], "connected and waiting for a picture")
    assert page.frames() == []
    feeder = Feeder(os.open(fifo, os.O_WRONLY), units, close=False)
    feeder.join()
    page.until(f"recorder.decoded.at(-1)?.frame === {len(units) - 1}", "the last frame came")
    assert page.frames()[0]["frame"] == 0
    page.assert_nothing_missing()
    rtc = assert_clean(page, len(units))
    keyframes = sum(map(has_idr, units))
    assert rtc["framesReceived"] == rtc["framesDecoded"] + rtc["framesDropped"] == len(units), rtc
    if not rtc["framesDropped"]:
        assert rtc["keyFramesDecoded"] == keyframes
    viewer = one.viewers()[0]
    assert (viewer["frames"], viewer["keyframes"], viewer["frames_dropped"]) == (len(units), keyframes, 0)
    source = one.stats()["source"]
    assert (source["frames"], source["keyframes"]) == (len(units), keyframes)


def test_frames_on_stdin_are_seen_and_its_end_is_a_state(car, watch, clip):
    units = access_units(clip("road_320x240_30.h264").read_bytes())
    reading, writing = os.pipe()
    one = car("--source", "pipe:-", stdin=reading)
    os.close(reading)
    feeder = Feeder(writing, units * 3)
    page = watch(one.url)
    page.wait_decoded(30)
    feeder.join()
    one.wait_source(lambda s: s["state"] == "ended", "the end of stdin is a state")
    assert page.wait_said("ended|end of|no more")
    assert one.get("/").status_code == 200, "and the program goes on"
    assert len(one.viewers()) == 1


def test_the_answer_carries_the_profile_of_the_stream(car, watch, clip):
    one = car("--source", f"clip:{clip('road_320x240_30.h264')}")
    profile = one.wait_source(lambda s: s["profile_level_id"], "profile known")["profile_level_id"]
    page = watch(one.url)
    page.wait_decoded(10)
    chosen = set(re.findall(r"profile-level-id=([0-9a-fA-F]{6})", page.answer()))
    assert {value[:2].lower() for value in chosen} == {profile[:2].lower()}, f"{chosen} for {profile}"


def test_the_browser_holds_pictures_back_as_long_as_it_is_told_and_by_default_not_at_all(car, watch):
    def seconds_held(*arguments):
        page = watch(car("--source", "demo", *arguments).url)
        page.wait_decoded(60)
        assert re.search(r"a=extmap:\d+ http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", page.answer())
        rtc = page.rtc()
        return rtc["jitterBufferDelay"] / rtc["jitterBufferEmittedCount"]

    # The knob shows that the header extension is in the packets and obeyed; between the two lies any machine's load.
    assert seconds_held("--playout-delay", "400-400") > 0.25
    assert seconds_held() < 0.1


def test_a_page_learns_its_car(car, watch):
    """Hello and heartbeats: the build is the car's own, and the clocks are joined."""
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(5)
    page.until("windshield.stats().clock?.rttUs > 0", "a heartbeat came back")
    stats = page.stats()
    assert stats["build"] == one.stats()["build"]
    # The strip's capture time in the page's clock lies in the past, and not by much: both clocks are monotonic.
    frame = page.wait_decoded(1)[-1]
    age = frame["now"] * 1000 + stats["clock"]["offsetUs"] - frame["capturedMicros"]
    assert 0 < age < 2_000_000, f"captured {age / 1000:.1f} ms before it was decoded"


def test_pictures_of_several_slices_come_whole(car, watch, tmp_path):
    units = made.stream(90, slices=4)
    fifo = tmp_path / "camera"
    os.mkfifo(fifo)
    one = car("--source", f"pipe:cat {fifo}")
    page = watch(one.url)
    until(lambda: [v for v in one.viewers() if v["state"] == "waiting"], "connected and waiting for a picture")
    Feeder(os.open(fifo, os.O_WRONLY), units, close=False).join()
    page.until(f"recorder.decoded.at(-1)?.frame === {len(units) - 1}", "the last frame came")
    assert page.frames()[0]["frame"] == 0
    page.assert_nothing_missing()
    assert page.rtc()["framesReceived"] == len(units)


def test_a_profile_the_browser_did_not_offer_is_sent_and_warned_about(car, watch, tmp_path):
    path = tmp_path / "high.h264"
    path.write_bytes(b"".join(made.stream(60, profile="high")))
    one = car("--source", f"clip:{path}")
    one.wait_source(lambda s: s["profile_level_id"], "profile known")
    page = watch(one.url)
    chosen = page.until("recorder.answers.at(-1)?.match(/profile-level-id=([0-9a-f]{6})/i)?.[1]", "an answer")
    assert chosen.lower() == "42e01f"
    page.wait_said("profile")
    assert "profile" in one.log().lower()
    # Chromium's decoder knows High, whatever its offer says.
    page.wait_decoded(30)


def test_the_picture_comes_over_ipv6_too(car, watch):
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    one = car("--source", "demo", ip="[::1]")
    page = watch(one.url)
    page.wait_decoded(10)
    assert_consecutive(page.frames())
