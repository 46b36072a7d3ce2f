"""CPU time of windshield, engine and bare for the same clip and viewers. They take turns, so that a machine that changes its
mind (clock, neighbours) does it to all; the ratio is taken within a round."""

import time

from .figures import figure, percentile, table
from .programs import FPS, cpu_ns, free_port

# Joining, keyframes and first statistics are over by then.
WARM_UP = 2.0
KINDS = ("windshield", "engine", "bare")
GOALS = {1: 2.8, 5: 3.2}


def measure(bench):
    figures, parts = [], []
    for viewers, goal in GOALS.items():
        rounds = [{kind: once(bench, kind, viewers) for kind in KINDS} for _ in range(bench.rounds)]
        rows = []
        for kind in KINDS:
            used = [r[kind]["percent"] for r in rounds]
            ratios = [r[kind]["percent"] / r["bare"]["percent"] for r in rounds]
            gaps = sum(r[kind]["gaps"] for r in rounds)
            per_frame = [r[kind]["percent"] * 1e4 / FPS for r in rounds]
            rows.append([kind, *(percentile(v, 50) for v in (used, per_frame, ratios)), f"{min(ratios):.2f}-{max(ratios):.2f}", gaps])
            if kind == "windshield":
                ratio = percentile(ratios, 50)
            elif kind == "engine":
                engine = percentile(ratios, 50)
        parts.append(
            f"### CPU, clip, {viewers} viewer{'s' * (viewers > 1)}\n\n"
            f"Median of {bench.rounds} rounds of {bench.seconds:g} s; user and system time; ratios within a round.\n\n"
            + table(["sender", "% of a core", "us a frame", "x bare", "range", "gaps"], rows)
        )
        figures.append(
            figure(f"CPU, {viewers} viewer{'s' * (viewers > 1)}", ratio, "x bare", f"engine {engine:.2f} x bare", f"<= {goal} x bare", ratio <= goal)
        )
    return figures, "\n".join(parts)


def once(bench, kind, viewers):
    length = WARM_UP + bench.seconds + 1
    if kind == "bare":
        sender, viewer = bench.bare(bench.clip, length, viewers)
    else:
        port = free_port()
        sender = bench.sender(kind, bench.clip, port)
        viewer = bench.viewer(port, length, viewers)
    time.sleep(WARM_UP)
    began, before = time.monotonic_ns(), cpu_ns(sender.pid)
    time.sleep(bench.seconds)
    used, took = cpu_ns(sender.pid) - before, time.monotonic_ns() - began
    counts = bench.finish(viewer)
    bench.end(sender)
    return {"percent": 100 * used / took, "gaps": sum(c["gaps"] for c in counts)}
