"""From the write of a picture into the sender's input to the arrival of its last datagram in the receiver's kernel, both stamped
with CLOCK_REALTIME of the same machine: by the feeder before its write, by the kernel on the datagram (SO_TIMESTAMPNS)."""

import subprocess
from collections import defaultdict

from .figures import figure, measured, percentile, result, table
from .programs import free_port

KINDS = ("windshield", "engine", "bare")
GOAL = 0.7
# By then a pipe's writer has earned trust (src/video/assembler.rs) and joining is over.
SETTLED_S = 2.0


def measure(bench):
    rounds = [{kind: once(bench, kind) for kind in KINDS} for _ in range(bench.rounds)]
    results, rows = [], []
    for kind in KINDS:
        for n, what in enumerate(("first datagram", "last datagram")):
            values = [pair[n] / 1000 for r in rounds for pair in r[kind]]
            by_round = [percentile([pair[n] / 1000 for pair in r[kind]], 50) for r in rounds]
            results.append(result(kind, what, "us", values, p50_by_round=by_round))
        first, last = results[-2:]
        rows.append([kind, first["p50"], *(last[p] for p in ("p50", "p90", "p99", "p99_9", "max", "count"))])
    text = (
        f"Microseconds from before the write of a picture; {bench.rounds} rounds of {bench.seconds:g} s, taking turns.\n\n"
        + table(["sender", "first datagram p50", "last datagram p50", "p90", "p99", "p99.9", "max", "pictures"], rows)
    )
    p50 = {r["sender"]: r["p50"] for r in results if r["what"] == "last datagram"}
    floors = {"engine (us)": p50["engine"], "bare (us)": p50["bare"]}
    ratio, what = p50["windshield"] / p50["engine"], "input to last packet on the wire, p50"
    found = figure("wire_p50", what, ratio, "x engine", floors, GOAL, f"<= {GOAL} x engine")
    return measured("Input to wire, pipe, 1 viewer", results, text, [found], bench.rounds)


def once(bench, kind):
    arrivals = bench.scratch / f"arrivals-{kind}"
    feeder, log = bench.feeder()
    seconds = SETTLED_S + bench.seconds
    if kind == "bare":
        sender, viewer = bench.bare("-", seconds, log=arrivals, stdin=feeder.stdout)
    else:
        port = free_port()
        sender = bench.sender(kind, "-", port, stdin=feeder.stdout)
        viewer = bench.viewer(port, seconds, log=arrivals)
    feeder.stdout.close()
    bench.finish(viewer)
    bench.end(sender)
    # It ends by itself when nobody reads any more.
    try:
        feeder.wait(2)
    except subprocess.TimeoutExpired:
        pass
    bench.end(feeder)
    return join(log, arrivals)


def join(log, arrivals):
    """(write to first datagram, write to last) in nanoseconds, joined by what the pictures are."""
    written = defaultdict(list)
    for line in log.read_text().splitlines():
        _, _, fingerprint, _, real, _, _ = line.split()
        written[fingerprint].append(int(real))
    found, begin = [], None
    for line in arrivals.read_text().splitlines():
        _, _, _, fingerprint, _, first, last = line.split()
        first, last = int(first), int(last)
        begin = begin or last
        if last < begin + SETTLED_S * 1e9:
            continue
        # The clip comes round every ten seconds: the latest write before the arrival is it.
        before = [w for w in written.get(fingerprint, ()) if w <= first]
        if before and last - before[-1] < 1e9:
            found.append((first - before[-1], last - before[-1]))
    if not found:
        raise RuntimeError("no picture that was written was seen to arrive")
    return found
