"""System calls a frame, from strace's own record of every call.

The main thread's calls are cut into turns at its wait (epoll_wait, ppoll). A turn in which a datagram of picture size was sent
is a frame's turn, and all its calls count for the frame, the wait included. What other turns do (RTCP, STUN, timers of the
engine) is given apart, as is what other threads do."""

import re
import signal
import subprocess
import time
from collections import Counter

from .figures import figure, measured, result, table
from .programs import Unavailable, free_port, which

GOAL = 4
KINDS = ("windshield", "engine", "bare")
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "ppoll", "poll"}
SENDS = {"sendmmsg", "sendmsg", "sendto"}
# RTCP, STUN and heartbeats are shorter, packets of a picture longer, but for its last one.
PICTURE = 300
LINE = re.compile(r"^(\d+) +([\d.]+) (\w+)\((.*)")
LENGTH = re.compile(r"iov_len=(\d+)|\"\.*, (\d+), ")


def measure(bench):
    if which("strace") is None:
        raise Unavailable("strace is not installed (apt install strace)")
    rows, results, found = [], [], {}
    for kind in KINDS:
        per_frame, detail, apart, others, frames, seconds = once(bench, kind)
        found[kind] = per_frame
        names = ", ".join(f"{name} {n / frames:.2f}" for name, n in detail.most_common())
        rows.append([kind, per_frame, apart / frames, others / frames, frames, names])
        results.append(result(kind, "system calls", "a frame", value=per_frame, count=frames, apart=apart / frames, other_threads=others / frames,
                              which={name: n / frames for name, n in detail.most_common()}))
    text = (
        f"strace over {seconds:.0f} s. A frame's turns / other turns of the same "
        "thread (RTCP, STUN, timers) / other threads.\n\n"
        + table(["sender", "a frame", "apart", "other threads", "frames", "which, a frame"], rows)
    )
    floors = {kind: found[kind] for kind in ("engine", "bare")}
    line = figure("calls", "system calls a frame (RTCP apart)", found["windshield"], "", floors, GOAL, f"<= {GOAL}")
    return measured("System calls a frame, clip, 1 viewer", results, text, [line])


def once(bench, kind):
    port, record = free_port(), bench.scratch / f"strace-{kind}"
    if kind == "bare":
        sender, viewer = bench.bare(bench.clip, bench.seconds + 4)
    else:
        sender = bench.sender(kind, bench.clip, port)
        viewer = bench.viewer(port, bench.seconds + 4)
    time.sleep(1)
    strace = bench.start(["strace", "-f", "-v", "-ttt", "-s", "0", "-p", sender.pid, "-o", record], stderr=subprocess.DEVNULL)
    time.sleep(bench.seconds)
    strace.send_signal(signal.SIGINT)
    strace.wait()
    bench.started.remove(strace)
    bench.finish(viewer)
    bench.end(sender)
    if not record.exists() or record.stat().st_size == 0:
        raise Unavailable("strace may not attach here (root, or kernel.yama.ptrace_scope=0)")
    return count(record.read_text(), str(sender.pid))


def count(text, main):
    """(calls a frame, which ones, calls in other turns, calls of other threads, frames, seconds)."""
    turns, others, stamps = [], 0, []
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            # "resumed" lines and signals: their call was counted where it began.
            continue
        pid, stamp, name, rest = match.groups()
        stamps.append(float(stamp))
        if pid != main:
            others += 1
            continue
        if name in WAITS:
            turns.append((Counter(), []))
        if turns:
            turns[-1][0][name] += 1
            if name in SENDS:
                turns[-1][1].extend(int(a or b) for a, b in LENGTH.findall(rest))
    # The first and the last turn may be cut.
    turns = turns[1:-1]
    framed = [calls for calls, lengths in turns if max(lengths, default=0) >= PICTURE]
    apart = sum(sum(calls.values()) for calls, lengths in turns if max(lengths, default=0) < PICTURE)
    detail = sum(framed, Counter())
    if not framed:
        raise Unavailable("strace saw no frame being sent")
    return sum(detail.values()) / len(framed), detail, apart, others, len(framed), stamps[-1] - stamps[0]
