"""Where and when: machine, kernel, commit, load; and the sheet's heading and summary."""

import os
import platform
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from .figures import show, table

# Share of the machine that others may take before a measurement is marked: a run's own programs are not there yet.
QUIET = 0.15
# Below this load --wait goes on: its own build has just ended and decays slowly.
READY = 0.7


def output(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe(repository):
    """What the sheet begins with."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            cpu = line.split(":", 1)[1].strip()
            break
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", ":!perf/results", cwd=repository)
    commit = output("git", "rev-parse", "HEAD", cwd=repository)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit,
        "commit_date": output("git", "show", "-s", "--format=%cI", "HEAD", cwd=repository),
        "changed": bool(changed),
        "machine": {
            "cpu": cpu,
            "cores": os.cpu_count(),
            "arch": platform.machine(),
            "kernel": platform.release(),
            "rustc": output("rustc", "--version"),
        },
    }


def name(about):
    """DATE-COMMIT, with a mark when the commit is not all there was."""
    changed = "-changed" if about["changed"] else ""
    return f"{about['date'][:10]}-{about['commit'][:7]}{changed}"


def load():
    """The load average of a minute, in which our own last measurement still is, and how busy the machine is right now."""
    before = busy_ticks()
    time.sleep(0.5)
    busy, all_of_it = (now - then for now, then in zip(busy_ticks(), before))
    return {"average": round(os.getloadavg()[0], 2), "busy": round(busy / max(1, all_of_it), 3)}


def busy_ticks():
    """(busy, all) of all processors since the machine came up; proc_stat(5). Stolen time is busy: somebody has it."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def heading(about):
    machine = about["machine"]
    changed = " with changes" if about["changed"] else ""
    return (
        f"# windshield, {about['date'][:10]} {about['date'][11:16]} UTC, commit {about['commit'][:7]}{changed}\n\n"
        f"{machine['cores']} x {machine['cpu']}, Linux {machine['arch']} {machine['kernel']}, {machine['rustc']}.\n"
    )


def note(measurement):
    """The small print below a measurement."""
    before, after = measurement["load"]["before"], measurement["load"]["after"]
    return (
        f"<!-- {measurement['part']}: {measurement['seconds']:.0f} s; load {before['average']:.2f} before, {after['average']:.2f} after; "
        f"busy {before['busy']:.0%} before, {after['busy']:.0%} after -->\n"
    )


def ending(measurements):
    noisy = [m["part"] for m in measurements if max(m["load"]["before"]["busy"], m["load"]["after"]["busy"]) > QUIET]
    if not noisy:
        return "The machine was quiet before and after each measurement.\n"
    return (
        f"**The machine was not quiet** around {', '.join(dict.fromkeys(noisy))} (more than {QUIET:.0%} of it taken by others right before "
        "or after): compare ratios with care and take no p99 from this run.\n"
    )


def summary(figures):
    words = {True: "met", False: "MISSED", None: ""}
    rows = [
        [f["what"], f"{show(f['value'])} {f['unit']}".strip(), floors(f), f["goal"], words[f["met"]]] for f in figures
    ]
    return "### All figures\n\n" + table(["what", "windshield", "floor of this run", "goal", ""], rows)


def floors(figure):
    return ", ".join(f"{sender} {show(value)}" for sender, value in figure["floors"].items())


def without_text(measurement):
    """For the JSON: the words are in the Markdown."""
    return {key: value for key, value in measurement.items() if key not in ("text", "figures")}


def plain(number):
    """Six figures are more than any of these measurements has; JSON knows no NaN."""
    if isinstance(number, dict):
        return {key: plain(value) for key, value in number.items()}
    if isinstance(number, (list, tuple)):
        return [plain(value) for value in number]
    if isinstance(number, float):
        return None if number != number else float(f"{number:.6g}")
    return number


def version(command, pattern=r"\d+(\.\d+)+"):
    found = re.search(pattern, output(*command))
    return found.group(0) if found else "unknown"


def wait_for_quiet(minutes):
    """Until others have stopped working, but not for ever."""
    end = time.monotonic() + minutes * 60
    while os.getloadavg()[0] > READY and time.monotonic() < end:
        print(f"waiting for a quiet machine: load {os.getloadavg()[0]:.2f}", file=sys.stderr)
        time.sleep(15)
