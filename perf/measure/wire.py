"""From the write of a picture into the sender's input to the arrival of its last datagram in the receiver's kernel, both stamped
with CLOCK_REALTIME of the same machine: by the feeder before its write, by the kernel on the datagram (SO_TIMESTAMPNS)."""

import subprocess
import time
from collections import defaultdict

from .figures import figure, spread, table
from .programs import free_port

KINDS = ("windshield", "engine", "bare")
# By then a pipe's writer has earned trust (src/video/assembler.rs) and joining is over.
SETTLED_S = 2.0


def measure(bench):
    first, last = {k: [] for k in KINDS}, {k: [] for k in KINDS}
    for _ in range(bench.rounds):
        for kind in KINDS:
            for to_first, to_last in once(bench, kind):
                first[kind].append(to_first / 1000)
                last[kind].append(to_last / 1000)
    spreads = {kind: spread(last[kind]) for kind in KINDS}
    rows = [[k, spread(first[k])["p50"], s["p50"], s["p95"], s["p99"], s["max"], s["count"]] for k, s in spreads.items()]
    text = (
        f"### Input to wire, pipe, 1 viewer\n\nMicroseconds from before the write of a picture; {bench.rounds} rounds of "
        f"{bench.seconds:g} s, taking turns.\n\n"
        + table(["sender", "first datagram p50", "last datagram p50", "p95", "p99", "max", "pictures"], rows)
    )
    ratio = spreads["windshield"]["p50"] / spreads["engine"]["p50"]
    floor = f"engine {spreads['engine']['p50']:.0f} us, bare {spreads['bare']['p50']:.0f} us"
    return [figure("input to last packet on the wire, p50", ratio, "x engine", floor, "<= 1 x engine", ratio <= 1)], text


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
    return found
