"""What goes wrong on the way: programs that die, stop or speak nonsense; networks that do. A sentence, and the picture."""

import concurrent.futures
import contextlib
import os
import random
import signal
import socket
import sys
import threading

import pytest

from car import Car, until
from offers import offer


def camera(tmp_path, clip):
    """A source argument: a camera program that writes the clip again and again at 30 frames a second."""
    script = tmp_path / "camera.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from h264 import Feeder, access_units\n"
        f"Feeder(1, access_units(open({str(clip)!r}, 'rb').read()), loop=True).join(10_000)\n"
    )
    return f"pipe:exec {sys.executable} {script}"


def camera_pids(car):
    """Pids of that program now (the car itself has its name among its arguments)."""
    found = []
    for pid in car.processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as arguments:
            if pid != car.process.pid and b"camera.py" in arguments.read():
                found.append(pid)
    return found


def test_the_server_comes_back_and_so_does_the_picture(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(10)
    one.stop()
    page.wait_said("ended the connection|does not answer")
    shown = len(page.frames())
    one.start()
    page.until(f"recorder.decoded.length > {shown + 20}", "the picture is back")
    assert page.stats()["reconnects"] >= 1
    page.assert_nothing_missing()
    one.wait_viewers(1)


def test_a_server_that_was_killed_without_a_word_is_noticed_and_found_again(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(10)
    one.kill()
    page.wait_said(r"frozen for \d+\.\d s|lost|does not answer")
    shown = len(page.frames())
    one.start()
    page.until(f"recorder.decoded.length > {shown + 20}", "the picture is back", deadline=30)
    assert page.stats()["reconnects"] >= 1
    one.wait_viewers(1)


def test_a_killed_browser_is_freed_within_seconds(car, watch, own_chromium):
    one = car("--source", "demo")
    other = watch(one.url)
    other.wait_decoded(5)
    browser = own_chromium()
    page = watch(one.url, browser=browser)
    page.wait_decoded(5)
    one.wait_viewers(2)
    # Everything of that browser at once, as when a phone loses power.
    session = browser.new_browser_cdp_session()
    pids = [entry["id"] for entry in session.send("SystemInfo.getProcessInfo")["processInfo"]]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    one.wait_viewers(1, deadline=8)
    other.assert_nothing_missing()


def test_a_page_finds_the_house_full_says_so_and_gets_in_when_there_is_room(car, watch):
    one = car("--source", "demo", "--max-viewers", 1)
    first = watch(one.url)
    first.wait_decoded(5)
    second = watch(one.url)
    second.wait_said("seat")
    first.close()
    second.wait_decoded(10, deadline=30)
    one.wait_viewers(1)


def test_a_page_without_the_token_says_so_and_with_it_gets_the_picture(car, watch):
    one = car("--source", "demo", "--token", "s3cret")
    page = watch(one.url)
    page.wait_said("token")
    assert page.frames() == []
    keyed = watch(one.url + "/#token=s3cret")
    keyed.wait_decoded(10)


def test_a_camera_that_stops_is_called_frozen_and_its_return_is_seen(car, watch, clip, tmp_path):
    one = car("--source", camera(tmp_path, clip("road_320x240_30.h264")))
    page = watch(one.url)
    page.wait_decoded(10)
    (pid,) = camera_pids(one)
    os.kill(pid, signal.SIGSTOP)
    try:
        page.wait_said(r"frozen for \d+\.\d s")
        page.until("windshield.stats().frozenMs > 200", "the time it is frozen is counted")
        wishes = one.stats()["link"]["keyframe_wishes"]
        until(lambda: one.stats()["link"]["keyframe_wishes"] > wishes, "the page goes on asking for a keyframe")
    finally:
        os.kill(pid, signal.SIGCONT)
    page.wait_decoded(10)
    page.wait_not_said("frozen")
    assert page.stats()["reconnects"] == 0, "a stopped camera is no reason to throw the connection away"


def test_a_camera_that_dies_is_started_again_and_the_page_says_so(car, watch, clip, tmp_path):
    one = car("--source", camera(tmp_path, clip("road_320x240_30.h264")))
    page = watch(one.url)
    page.wait_decoded(10)
    (pid,) = camera_pids(one)
    os.kill(pid, signal.SIGKILL)
    page.wait_said(r"camera|command|program|source|pipe|sh -c|ended|died|signal")
    count = len(page.frames())
    page.until(f"recorder.decoded.length > {count + 30}", "the picture is back", deadline=30)
    source = one.stats()["source"]
    assert source["restarts"] >= 1
    assert page.stats()["reconnects"] == 0
    assert camera_pids(one) not in ([], [pid])


def test_a_camera_that_speaks_nonsense_is_named_and_harms_nobody(car, watch, tmp_path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(random.Random(1).randbytes(3_000_000))
    one = car("--source", f"pipe:cat {garbage}; exec sleep 1000")
    page = watch(one.url)
    page.wait_said("H.264|not video|no (video|picture|frame)")
    assert one.healthy()
    assert page.frames() == []


def test_a_camera_that_sends_nothing_is_waited_for_in_words(car, watch):
    one = car("--source", "pipe:exec sleep 1000")
    page = watch(one.url)
    page.wait_said("no (video|picture|frame|data|byte)|nothing|wait")
    until(lambda: [v for v in one.viewers() if v["state"] == "waiting"], "connected all the same")


def test_a_camera_that_floods_neither_stops_the_program_nor_swells_it(car, watch, clip):
    path = clip("road_320x240_30.h264")
    one = car("--source", f"pipe:while :; do cat {path}; done")
    page = watch(one.url)
    one.wait_source(lambda s: s["frames"] + s["dropped"] > 20_000, "it takes what comes")
    page.wait_said("pictures piled up")
    page.wait_decoded(2)
    assert one.healthy()
    status = open(f"/proc/{one.process.pid}/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 200_000, f"{peak} kB at its peak"


def test_nonsense_on_the_udp_port_disturbs_no_picture(car, watch):
    one = car("--source", "demo")
    page = watch(one.url)
    page.wait_decoded(10)
    dice = random.Random(7)
    recorded = recorded_datagrams(one)
    done = threading.Event()

    def shower():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            while not done.wait(0.001):
                kind = dice.randrange(4)
                if kind == 0:  # anything
                    data = dice.randbytes(dice.randrange(0, 1500))
                elif kind == 1:  # a first byte that leads to STUN, DTLS or RTP
                    data = bytes([dice.choice([0, 1, 20, 22, 23, 63, 64, 128, 144, 191])]) + dice.randbytes(dice.randrange(0, 200))
                elif kind == 2:  # truncated
                    data = dice.choice(recorded)
                    data = data[: dice.randrange(0, len(data) + 1)]
                else:  # replayed, from another address
                    data = dice.choice(recorded)
                udp.sendto(data, ("127.0.0.1", one.port))

    thread = threading.Thread(target=shower)
    thread.start()
    try:
        page.wait_decoded(90)
    finally:
        done.set()
        thread.join()
    page.assert_nothing_missing()
    assert page.rtc()["packetsLost"] == 0
    assert one.stats()["link"]["datagrams_in_unknown"] > 100
    assert len(one.viewers()) == 1
    assert page.stats()["reconnects"] == 0


def recorded_datagrams(car):
    """Datagrams with real insides: STUN checks for a real session (wrong password), and a DTLS ClientHello."""
    answer = car.request("POST", "/whep", content=offer(), headers={"Content-Type": "application/sdp"})
    ufrag = next(line for line in answer.text.splitlines() if line.startswith("a=ice-ufrag:")).split(":")[1]
    car.request("DELETE", answer.headers["location"])
    from aioice import stun

    check = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{ufrag}:abcd"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 1
    check.add_message_integrity(b"wrong" * 5)
    hello = bytes.fromhex("16feff0000000000000000005a010000" "4e000000000000004e" "fefd") + bytes(range(76))
    rtcp = bytes.fromhex("81ce000c00000001") + bytes(40)
    return [bytes(check), hello, rtcp, b"\x80\x66" + bytes(60)]


def test_fifty_joiners_who_vanish_disturb_no_picture(car, watch):
    one = car("--source", "demo", "--max-viewers", 60)
    page = watch(one.url)
    page.wait_decoded(10)
    def join(_):
        headers = {"Content-Type": "application/sdp"}
        return one.request("POST", "/whep", content=offer(), headers=headers).status_code

    with concurrent.futures.ThreadPoolExecutor(10) as crowd:
        assert set(crowd.map(join, range(50))) == {201}
    page.wait_decoded(30)
    one.wait_viewers(1)
    page.wait_decoded(30)
    page.assert_nothing_missing()
    assert page.rtc()["packetsLost"] == 0
    assert page.stats()["reconnects"] == 0


@pytest.mark.parametrize("what", ["missing", "empty", "not H.264", "truncated"])
def test_a_clip_that_is_none_ends_with_a_sentence_and_one_that_is_cut_plays(binary, outputs, clip, tmp_path, what):
    whole = clip("road_320x240_30.h264").read_bytes()
    content = {"empty": b"", "not H.264": b"\x89PNG\r\n" * 1000, "truncated": whole[: len(whole) - 100]}.get(what)
    path = tmp_path / "clip.h264"
    if content is not None:
        path.write_bytes(content)
    one = Car(binary, ["--source", f"clip:{path}"], outputs / "car.log")
    if what == "truncated":
        one.start()
        one.wait_source(lambda s: s["frames"] > 10, "it plays")
        one.stop()
        return
    one.start(ready=False)
    try:
        code = one.process.wait(20)
    finally:
        one.kill()
    assert code == 1, f"exit code {code}"
    assert str(path) in one.log() and "panicked" not in one.log(), one.log()


def test_a_port_that_is_taken_is_a_sentence(binary, outputs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one = Car(binary, ["--source", "demo"], outputs / "car.log", port=port).start(ready=False)
        try:
            code = one.process.wait(20)
        finally:
            one.kill()
    assert code == 1
    assert str(port) in one.log() and "use" in one.log() and "panicked" not in one.log(), one.log()
