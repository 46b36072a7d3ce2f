"""System calls of the usual frame, for the gate: of all frames' turns under strace, the number that most of them made. The mean
(`calls.py`) moves with what happens to fall into a turn (a report, a late timer); the usual frame does not."""

import signal
import subprocess
import time
from collections import Counter

from .calls import LENGTH, LINE, PICTURE, SENDS, WAITS
from .programs import Unavailable, free_port, which


def usual(bench, viewers):
    """Calls of most frames, for so many native viewers."""
    if which("strace") is None:
        raise Unavailable("strace is not installed (apt install strace)")
    port, record = free_port(), bench.scratch / f"strace-{viewers}"
    sender = bench.sender("windshield", bench.clip, port)
    viewer = bench.viewer(port, bench.seconds + 3, viewers)
    time.sleep(0.5)
    strace = bench.start(["strace", "-f", "-v", "-ttt", "-s", "0", "-p", sender.pid, "-o", record], stderr=subprocess.DEVNULL)
    time.sleep(bench.seconds)
    strace.send_signal(signal.SIGINT)
    strace.wait()
    bench.started.remove(strace)
    bench.end(viewer)
    bench.end(sender)
    if not record.exists() or record.stat().st_size == 0:
        raise Unavailable("strace may not attach here (root, or kernel.yama.ptrace_scope=0)")
    return most(frames(record.read_text(), str(sender.pid)))


def frames(text, main):
    """The number of calls of each turn of thread `main` in which a picture was sent; the wait that begins it included."""
    turns = []
    for line in text.splitlines():
        match = LINE.match(line)
        if not match or match[1] != main:
            continue
        name, rest = match[3], match[4]
        if name in WAITS:
            turns.append([0, 0])
        if turns:
            turns[-1][0] += 1
            if name in SENDS:
                turns[-1][1] = max([turns[-1][1], *(int(a or b) for a, b in LENGTH.findall(rest))])
    # The first and the last may be cut.
    return [calls for calls, longest in turns[1:-1] if longest >= PICTURE]


def most(counts):
    """The commonest; of two alike the smaller."""
    if not counts:
        raise RuntimeError("strace saw no frame being sent")
    return min(Counter(counts).items(), key=lambda item: (-item[1], item[0]))[0]
