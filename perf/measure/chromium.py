"""What a real browser makes of it: a picture's way from the sender's input to the compositor, and from POST to the first picture.

Both senders get the same pictures through a pipe, and one small player shows them (player.js). A frame is known by its RTP time;
every 30th is also read from the pixels, which ties RTP time to the feeder's log. The page's clock is CLOCK_MONOTONIC with
another zero, which Chromium tells (NavigationStart) and a question to the page confirms."""

import json
import math
import os
import subprocess
from pathlib import Path

from .figures import figure, percentile, spread, table
from .programs import FPS, Unavailable, free_port, which

# The frame clock is a little off, so that its phase to the compositor's 60 Hz sweeps and no lucky phase is measured.
OFF = 1.007
SETTLED_S = 3.0
SECONDS = 20.0
KINDS = ("windshield", "engine")
BLANK = {"windshield": "/healthz", "engine": "/"}
STAGES = ("answer", "ice", "dtls")
GOAL_P50_MS, GOAL_P99_MS, GOAL_JOIN_MS = 0.3, 8.0, 100.0


def python():
    """The environment that tests/run has made."""
    if which("chromium") is None:
        raise Unavailable("Chromium is not installed; tests/run does it")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "windshield"
    ready = sorted(cache.glob("venv-*/complete"), key=lambda p: p.stat().st_mtime)
    ready = ready or sorted(cache.glob("venv-*/bin/playwright"), key=lambda p: p.stat().st_mtime)
    for mark in reversed(ready):
        found = next((p for p in (mark.parent / "bin/python", mark.parent / "python") if p.exists()), None)
        if found:
            return str(found)
    raise Unavailable("there is no Python environment with playwright; tests/run makes it")


class Cable:
    """Two namespaces joined by veth: as root the sender and the browser are two machines; else both are on loopback."""

    def __init__(self):
        self.car, self.viewer = f"ws-perf-car-{os.getpid()}", f"ws-perf-viewer-{os.getpid()}"
        self.ip, self.real = "10.77.9.1", os.geteuid() == 0 and which("ip") is not None
        if not self.real:
            self.car = self.viewer = None
            self.ip = "127.0.0.1"

    def __enter__(self):
        if self.real:
            for name in (self.car, self.viewer):
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", self.car, "link", "add", "c0", "type", "veth", "peer", "name", "v0", "netns", self.viewer)
            for name, end, address in ((self.car, "c0", "10.77.9.1/24"), (self.viewer, "v0", "10.77.9.2/24")):
                ip("-n", name, "addr", "add", address, "dev", end)
                ip("-n", name, "link", "set", end, "up")
        return self

    def __exit__(self, *_):
        if self.real:
            for name in (self.car, self.viewer):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"network namespaces cannot be had here: ip {' '.join(arguments)}: {done.stderr.strip()}")


def browse(bench, namespace, *arguments):
    command = [python(), str(Path(__file__).with_name("browser.py")), *map(str, arguments)]
    process = bench.start(command, namespace=namespace, stdout=subprocess.PIPE, text=True)
    told, _ = process.communicate(timeout=300)
    bench.started.remove(process)
    if process.returncode:
        tail = (bench.scratch / "stderr.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the browser's script failed:\n{tail}")
    return json.loads(told)


def latency(bench):
    python()
    times, notes, version = {k: [] for k in KINDS}, [], ""
    with Cable() as cable:
        for _ in range(bench.rounds):
            for kind in KINDS:
                version, found, note = once(bench, cable, kind)
                times[kind] += found
                notes.append(note)
    spreads = {kind: spread(times[kind]) for kind in KINDS}
    rows = [[k, s["p50"], s["p95"], s["p99"], s["max"], s["count"]] for k, s in spreads.items()]
    where = "two network namespaces joined by veth" if cable.real else "loopback (no root: no namespaces)"
    text = (
        f"### Frame handed in to compositor, Chromium {version}\n\n640x480 at {FPS * OFF:.2f} fps, {where}; {bench.rounds} rounds of "
        f"{SECONDS - SETTLED_S:g} s each, taking turns. Clocks: the zero that Chromium tells lies "
        f"{min(n['inside'] for n in notes):+.2f} to {max(n['inside'] for n in notes):+.2f} ms from the middle of the question's bounds, which are "
        f"+-{max(n['bound'] for n in notes):.2f} ms; pixels and RTP time disagreed by {max(n['anchors'] for n in notes):.2f} ms at most.\n\n"
        + table(["sender", "p50 ms", "p95", "p99", "max", "frames"], rows)
    )
    mine, engine = spreads["windshield"], spreads["engine"]
    more = mine["p50"] - engine["p50"]
    return [
        figure("frame in to compositor, p50", more, "ms over engine", f"engine {engine['p50']:.2f} ms", f"<= engine + {GOAL_P50_MS} ms", more <= GOAL_P50_MS),
        figure("frame in to compositor, p99", mine["p99"], "ms", f"engine {engine['p99']:.2f} ms", f"<= {GOAL_P99_MS:g} ms", mine["p99"] <= GOAL_P99_MS),
    ], text


def once(bench, cable, kind):
    port = free_port()
    feeder, log = bench.feeder(FPS * OFF)
    sender = bench.sender(kind, "-", port, ip=cable.ip, namespace=cable.car, stdin=feeder.stdout)
    feeder.stdout.close()
    told = browse(bench, cable.viewer, "watch", f"http://{cable.ip}:{port}", BLANK[kind], SECONDS)
    bench.end(sender, feeder)
    found, note = join(told["result"], log.read_text())
    return told["version"], found, note


def join(seen, log):
    """Milliseconds from write to presentation of each frame, and how well the clocks agree."""
    written = [(int(index), int(before) / 1e9) for _, index, _, _, _, before, _ in map(str.split, log.splitlines())]
    zero, low, high = (seen["clock"][name] for name in ("said", "low", "high"))
    frames = [f for f in seen["frames"] if f["rtpTimestamp"] is not None]
    # RTP time runs round after 13 hours; from here on it counts from the first frame.
    begin = frames[0]["rtpTimestamp"]
    rtp = [((f["rtpTimestamp"] - begin + 2**31) % 2**32 - 2**31) / 90_000 for f in frames]
    presented = [zero + f["presentationTime"] / 1000 for f in frames]
    offsets = []
    for at, frame, shown in zip(rtp, frames, presented):
        if frame["strip"] is not None:
            before = [w for index, w in written if index == frame["strip"] and w <= shown]
            offsets += [before[-1] - at] if before else []
    if not offsets:
        raise RuntimeError("no strip could be read from the picture")
    offset = percentile(offsets, 50)
    found = []
    for at, shown in zip(rtp, presented):
        if shown >= presented[0] + SETTLED_S:
            nearest = min((w for _, w in written), key=lambda w: abs(w - at - offset))
            if abs(nearest - at - offset) < 0.010:
                found.append((shown - nearest) * 1000)
    note = {
        "inside": (zero - (low + high) / 2) * 1000,
        "bound": (high - low) / 2 * 1000,
        "anchors": max(abs(o - offset) for o in offsets) * 1000,
    }
    return found, note


def joins(bench):
    python()
    runs = [
        ("windshield demo, its own page", "windshield", "demo", ["own"]),
        ("windshield demo, small player", "windshield", "demo", []),
        ("engine, keyframes alone, small player", "engine", bench.keyframes, []),
    ]
    rows, spreads = [], []
    for name, kind, source, extra in runs:
        port = free_port()
        sender = bench.sender(kind, source, port)
        told = browse(bench, None, "joins", f"http://127.0.0.1:{port}", BLANK[kind], bench.joins, *extra)
        bench.end(sender)
        s = spread([join["first"] for join in told["result"]])
        spreads.append(s)
        stages = [percentile([join[stage] for join in told["result"] if stage in join], 50) for stage in STAGES]
        rows.append([name, *("" if math.isnan(stage) else stage for stage in stages), s["p50"], s["p95"], s["max"], s["count"]])
    text = (
        "### POST to first frame, Chromium, loopback\n\nMilliseconds to the first picture that was shown; a new page each time. Stages as the page saw them, p50: "
        "answer taken, ICE connected, DTLS done.\n\n"
        + table(["sender", *STAGES, "p50", "p95", "max", "joins"], rows)
    )
    floor = f"engine {spreads[2]['p50']:.0f} ms"
    value = spreads[0]["p50"]
    return [figure("POST to first frame, p50", value, "ms", floor, f"<= {GOAL_JOIN_MS:g} ms", value <= GOAL_JOIN_MS)], text
