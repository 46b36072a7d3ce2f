"""What a real browser makes of it: a picture's way from the sender's input to the compositor, and from POST to the first picture.

Both senders get the same pictures through a pipe, and one small player shows them (player.js). A frame is known by its RTP time;
every 30th is also read from the pixels, which ties RTP time to the feeder's log. The page's clock is CLOCK_MONOTONIC with
another zero, which Chromium tells (NavigationStart) and a question to the page confirms."""

import json
import math
import os
import subprocess
from pathlib import Path

from .figures import figure, measured, percentile, result, table
from .programs import FAST, LARGE, PLAIN, Unavailable, free_port, which

# The frame clock is a little off, so that its phase to the compositor's 60 Hz sweeps and no lucky phase is measured. Below
# 60 Hz rather than above, where the compositor would have to leave pictures out.
CLOCKS = {PLAIN: PLAIN.fps * 1.007, FAST: FAST.fps / 1.007, LARGE: LARGE.fps * 1.007}
SETTLED_S = 3.0
KINDS = ("windshield", "engine")
BLANK = {"windshield": "/healthz", "engine": "/"}
STAGES = ("answer", "ice", "dtls")
GOAL_P99_MS, GOAL_JOIN_MS = 7.0, 80.0


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
            try:
                self.lay()
            except BaseException:
                self.__exit__()  # Python calls it only after an __enter__ that succeeded.
                raise
        return self

    def lay(self):
        for name in (self.car, self.viewer):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.car, "link", "add", "c0", "type", "veth", "peer", "name", "v0", "netns", self.viewer)
        for name, end, address in ((self.car, "c0", "10.77.9.1/24"), (self.viewer, "v0", "10.77.9.2/24")):
            ip("-n", name, "addr", "add", address, "dev", end)
            ip("-n", name, "link", "set", end, "up")

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


def latency(bench, shape):
    python()
    rounds, notes, version = [], [], ""
    with Cable() as cable:
        for _ in range(bench.rounds):
            rounds.append({})
            for kind in KINDS:
                version, rounds[-1][kind], note = once(bench, cable, kind, shape)
                notes.append({"sender": kind, **note})
    results, rows = [], []
    for kind in KINDS:
        left_out = sum(n["left_out"] for n in notes if n["sender"] == kind)
        by_round = [percentile(r[kind], 50) for r in rounds]
        s = result(kind, "to compositor", "ms", [t for r in rounds for t in r[kind]], p50_by_round=by_round, left_out=left_out)
        results.append(s)
        shown = (s[p] for p in ("p50", "p90", "p99", "p99_9", "max", "count"))
        rows.append([kind, *shown, left_out, f"{min(by_round):.2f}-{max(by_round):.2f}"])
    where = "two network namespaces joined by veth" if cable.real else "loopback (no root: no namespaces)"
    clocks = {
        "inside_ms": [min(n["inside"] for n in notes), max(n["inside"] for n in notes)],
        "bound_ms": max(n["bound"] for n in notes),
        "anchors_ms": max(n["anchors"] for n in notes),
    }
    text = (
        f"{shape.size} at {CLOCKS[shape]:.2f} fps, {shape.bitrate}bit/s, {where}; {bench.rounds} rounds of "
        f"{bench.watch_seconds - SETTLED_S:g} s each, taking turns; milliseconds. Clocks: the zero that Chromium tells lies "
        f"{clocks['inside_ms'][0]:+.2f} to {clocks['inside_ms'][1]:+.2f} ms from the middle of the question's bounds, which are "
        f"+-{clocks['bound_ms']:.2f} ms; pixels and RTP time disagreed by {clocks['anchors_ms']:.2f} ms at most.\n\n"
        + table(["sender", "p50", "p90", "p99", "p99.9", "max", "frames", "not shown", "p50 by round"], rows)
    )
    mine, engine = results
    more = [percentile(r["windshield"], 50) - percentile(r["engine"], 50) for r in rounds]
    text += f"\nwindshield's p50 over the engine's, round by round: {', '.join(f'{m:+.2f}' for m in more)} ms.\n"
    held = shape is PLAIN
    tag = f"chromium_{shape.size}_{shape.fps}"
    figures = [
        figure(f"{tag}_p50", f"frame in to compositor, {shape}, p50, over engine", mine["p50"] - engine["p50"], "ms",
               {"engine (ms)": engine["p50"]}, 0.0 if held else None, "<= engine" if held else ""),
        figure(f"{tag}_p99", f"frame in to compositor, {shape}, p99", mine["p99"], "ms", {"engine": engine["p99"]},
               GOAL_P99_MS if held else None, f"<= {GOAL_P99_MS:g} ms" if held else ""),
    ]
    title = f"Frame handed in to compositor, {shape}, Chromium {version}"
    return measured(title, results, text, figures, bench.rounds, namespaces=cable.real, fps=CLOCKS[shape], clocks=clocks)


def once(bench, cable, kind, shape):
    port = free_port()
    feeder, log = bench.feeder(CLOCKS[shape], shape)
    sender = bench.sender(kind, "-", port, ip=cable.ip, namespace=cable.car, stdin=feeder.stdout, shape=shape)
    feeder.stdout.close()
    told = browse(bench, cable.viewer, "watch", f"http://{cable.ip}:{port}", BLANK[kind], bench.watch_seconds)
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
    found, known = [], []
    for at, shown in zip(rtp, presented):
        if shown >= presented[0] + SETTLED_S:
            nearest = min((w for _, w in written), key=lambda w: abs(w - at - offset))
            # Stamps of a sender jitter by less; the next picture is 16 ms away at least.
            if abs(nearest - at - offset) < 0.008:
                found.append((shown - nearest) * 1000)
                known.append(nearest)
    if not found:
        raise RuntimeError("no frame that was written was seen presented")
    note = {
        "left_out": sum(known[0] <= w <= known[-1] for _, w in written) - len(set(known)),
        "inside": (zero - (low + high) / 2) * 1000,
        "bound": (high - low) / 2 * 1000,
        "anchors": max(abs(o - offset) for o in offsets) * 1000,
    }
    return found, note


def joins(bench):
    python()
    runs = [
        ("windshield", "demo, its own page", "demo", ["own"]),
        ("windshield", "demo, small player", "demo", []),
        ("engine", "keyframes alone, small player", bench.keyframes, []),
    ]
    rows, results = [], []
    for kind, how, source, extra in runs:
        port = free_port()
        sender = bench.sender(kind, source, port)
        told = browse(bench, None, "joins", f"http://127.0.0.1:{port}", BLANK[kind], bench.joins, *extra)
        bench.end(sender)
        stages = [percentile([join[stage] for join in told["result"] if stage in join], 50) for stage in STAGES]
        s = result(kind, how, "ms", [join["first"] for join in told["result"]], **dict(zip(STAGES, stages)))
        results.append(s)
        rows.append([f"{kind}, {how}", *("" if math.isnan(stage) else stage for stage in stages), s["p50"], s["p90"], s["max"], s["count"]])
    text = (
        "Milliseconds to the first picture that was shown; a new page each time. Stages as the page saw them, p50: "
        "answer taken, ICE connected, DTLS done.\n\n"
        + table(["sender", *STAGES, "p50", "p90", "max", "joins"], rows)
    )
    value, floors = results[0]["p50"], {"engine": results[2]["p50"]}
    line = figure("join_p50", "POST to first frame, p50", value, "ms", floors, GOAL_JOIN_MS, f"<= {GOAL_JOIN_MS:g} ms")
    return measured("POST to first frame, Chromium, loopback", results, text, [line])
