"""CPU time of windshield, engine and bare for the same clip and viewers. They take turns, so that a machine that changes its
mind (clock, neighbours) does it to all; the ratio is taken within a round."""

import time

from .figures import figure, measured, percentile, result, table
from .programs import FPS, cpu_ns, free_port

# Joining, keyframes and first statistics are over by then.
WARM_UP = 2.0
KINDS = ("windshield", "engine", "bare")
GOAL = 2.0


def measure(bench, viewers):
    rounds = [{kind: once(bench, kind, viewers) for kind in KINDS} for _ in range(bench.rounds)]
    rows, results, ratio = [], [], {}
    for kind in KINDS:
        used = [r[kind]["percent"] for r in rounds]
        ratios = [r[kind]["percent"] / r["bare"]["percent"] for r in rounds]
        gaps = sum(r[kind]["gaps"] for r in rounds)
        per_frame = [percent * 1e4 / FPS for percent in used]
        ratio[kind] = percentile(ratios, 50)
        rows.append([kind, percentile(used, 50), percentile(per_frame, 50), ratio[kind], f"{min(ratios):.2f}-{max(ratios):.2f}", gaps])
        results.append(result(kind, "CPU", "us a frame", value=percentile(per_frame, 50), by_round=per_frame,
                              percent_of_a_core=percentile(used, 50), x_bare=ratio[kind], x_bare_by_round=ratios, gaps=gaps))
    title = f"CPU, clip, {viewers} viewer{'s' * (viewers > 1)}"
    text = (
        f"Median of {bench.rounds} rounds of {bench.seconds:g} s; user and system time; ratios within a round.\n\n"
        + table(["sender", "% of a core", "us a frame", "x bare", "range", "gaps"], rows)
    )
    what = f"CPU, {viewers} viewer{'s' * (viewers > 1)}"
    found = figure(f"cpu_{viewers}", what, ratio["windshield"], "x bare", {"engine": ratio["engine"]}, GOAL, f"<= {GOAL:g} x bare")
    return measured(title, results, text, [found], bench.rounds, viewers=viewers)


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
