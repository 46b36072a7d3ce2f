"""Instructions and allocations a frame, of the whole program on its user side, counted by valgrind (callgrind) on the release
build. Counts depend on compiler and libraries but hardly on the load of the machine. The clock is real: pictures come
through a pipe at their pace, so what is done between pictures (RTCP, timers) is in the counts. valgrind's processor has AES
instructions, but none for SHA."""

import re
import subprocess
import time

from .figures import figure, measured, result, table
from .programs import Unavailable, free_port, wait_until, which

KINDS = ("windshield", "engine", "bare")
# The handshake is over and the pipe's writer trusted.
WARM_UP = 4.0
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}


def measure(bench):
    if which("valgrind") is None or which("callgrind_control") is None:
        raise Unavailable("valgrind is not installed (apt install valgrind)")
    rows, results, found = [], [], {}
    for kind in KINDS:
        instructions, allocations, packets, frames = once(bench, kind)
        found[kind] = instructions / frames, allocations / frames, packets
        rows.append([kind, *(value for n in (instructions, allocations) for value in (n / frames, n / frames / packets)), packets, frames])
        for what, n in (("instructions", instructions), ("allocations", allocations)):
            results.append(result(kind, what, "a frame", value=n / frames, count=frames, datagrams_a_frame=packets))
    text = (
        "valgrind's callgrind, user side, all threads; RTCP, STUN and timers are in it. str0m's own floor is two allocations a datagram.\n\n"
        + table(["sender", "instructions a frame", "a datagram", "allocations a frame", "a datagram", "datagrams a frame", "frames"], rows)
    )
    lines = [
        figure(what, f"{what} a frame, 1 viewer", found["windshield"][n], "", {kind: found[kind][n] for kind in ("engine", "bare")})
        for n, what in enumerate(("instructions", "allocations"))
    ]
    return measured("Instructions and allocations a frame, pipe, 1 viewer", results, text, lines)


def once(bench, kind):
    """(instructions, allocations, datagrams a frame, frames)."""
    out = bench.scratch / f"callgrind-{kind}"
    # Each thread by itself would be another file; --dump-instr=no keeps what there is small.
    under = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-instr=no"]
    feeder, _ = bench.feeder()
    arrivals = bench.scratch / f"arrivals-{kind}"
    seconds = WARM_UP + bench.seconds + 6
    if kind == "bare":
        sender, viewer = bench.bare("-", seconds, log=arrivals, stdin=feeder.stdout, under=under)
    else:
        port = free_port()
        sender = bench.sender(kind, "-", port, stdin=feeder.stdout, under=under)
        viewer = bench.viewer(port, seconds, log=arrivals)
    feeder.stdout.close()
    time.sleep(WARM_UP)
    # Each dump holds what came after the one before it.
    began, _ = dump(sender.pid, out.with_name(f"{out.name}.1"))
    time.sleep(bench.seconds)
    ended, text = dump(sender.pid, out.with_name(f"{out.name}.2"))
    bench.finish(viewer)
    bench.end(sender, feeder)
    # What left between the two, by the kernel's stamp on the last datagram: under valgrind a sender is a few pictures behind.
    lines = [line.split() for line in arrivals.read_text().splitlines()]
    datagrams = [int(line[2]) for line in lines if began < int(line[6]) <= ended]
    if not datagrams:
        raise RuntimeError("no picture left while callgrind counted")
    return (*count(text), sum(datagrams) / len(datagrams), len(datagrams))


def dump(pid, path):
    """(when it was written, CLOCK_REALTIME in ns; what). Not when it was asked for: that takes valgrind a moment or two."""
    done = subprocess.run(["callgrind_control", "--dump", str(pid)], capture_output=True, text=True)
    if done.returncode or "OK" not in done.stdout:
        raise RuntimeError(f"callgrind_control --dump failed: {(done.stdout + done.stderr).strip()[-300:]}")
    wait_until(lambda: path.exists() and "totals:" in path.read_text(), "callgrind has written its counts")
    return path.stat().st_mtime_ns, path.read_text()


def count(text):
    """(instructions, calls of allocators) in a callgrind file ("Callgrind Format Specification" of valgrind's manual)."""
    names, caller, callee, calls = {}, "", "", 0
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key in ("fn", "cfn"):
            number, _, name = value.partition(" ")
            name = names.setdefault(number, name)
            if key == "fn":
                caller = name
            else:
                callee = name
        elif key == "calls" and plain(callee) in ALLOCATORS and plain(caller) not in ALLOCATORS:
            calls += int(value.split()[0])
    return int(re.search(r"^totals: (\d+)", text, re.MULTILINE).group(1)), calls


def plain(name):
    """Without recursion level and version: malloc'2, malloc@GLIBC_2.2.5."""
    return re.split(r"['@]", name, maxsplit=1)[0]
