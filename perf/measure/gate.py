"""What the gate decides: the key that values are kept under, and whether a count may stand beside the recorded one. Pure."""

import hashlib
import re

# A count may differ by so much: runs of the same program mostly differ by 0.03 %, and 0.5 % was seen once.
TOLERANCE = 0.01
ACCEPT = "accept with: perf/count --record"


def lock_hash(lock):
    """Of what is built besides our own code: Cargo.lock without our own package's version."""
    own = re.compile(r'(\[\[package\]\]\nname = "windshield"\n)version = "[^"]*"\n')
    return hashlib.sha256(own.sub(r"\1", lock).encode()).hexdigest()[:12]


def compiler(verbose):
    """From `rustc -vV`: release, and the commit that names it."""
    said = dict(line.split(": ", 1) for line in verbose.splitlines() if ": " in line)
    return {"rustc": said["release"], "commit": said.get("commit-hash", "unknown")[:12], "host": said["host"]}


def family(key):
    """How the names of all files of a key's host and compiler begin."""
    return f"{key['host']}-rustc-{key['rustc']}-{key['commit']}-lock-"


def name(key):
    """Of the file for a key."""
    return f"{family(key)}{key['lock']}.json"


def judge(old, new):
    """(failures, remarks): sentences about `new` counts beside the recorded `old` ones. A line that only one has is not judged."""
    failures, remarks = [], []
    for line, now in new.items():
        if line not in old:
            continue
        before = old[line]
        change = (now - before) / before if before else (1.0 if now else 0.0)
        if change > TOLERANCE:
            failures.append(f"{line}: rose from {show(before)} to {show(now)} ({change:+.1%}); if that is meant, {ACCEPT}")
        elif change < -TOLERANCE:
            remarks.append(f"{line}: fell from {show(before)} to {show(now)} ({change:+.1%}); keep it so: perf/count --record")
    return failures, remarks


def missing(old, new, skipped):
    """Recorded lines that were not counted now. `skipped` are beginnings of lines that this machine cannot count."""
    return [line for line in old if line not in new and not line.startswith(tuple(skipped))]


def uncountable(old, new, skipped):
    """Recorded lines, with their counts, that were not counted now because this machine cannot."""
    return {line: count for line, count in old.items() if line not in new and line.startswith(tuple(skipped))}


def show(count):
    return f"{count:,}" if isinstance(count, int) else f"{count:,.1f}"
