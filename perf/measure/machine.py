"""Where and when: machine, kernel, commit, load; and the summary at the end."""

import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from .figures import table

# Load average above which others' work is in the figures. Our own is below 1 most of the time.
QUIET = 1.0
# Below this load --wait goes on: its own build has just ended and decays slowly.
READY = 0.7


def load():
    return f"{os.getloadavg()[0]:.2f}"


def output(*command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe(repository):
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            cpu = line.split(":", 1)[1].strip()
            break
    changed = output("git", "status", "--porcelain", "--untracked-files=no", cwd=repository)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": output("git", "rev-parse", "--short", "HEAD", cwd=repository) + (" with changes" if changed else ""),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "kernel": f"{platform.machine()} {platform.release()}",
        "rustc": output("rustc", "--version"),
        "load_start": os.getloadavg()[0],
    }


def heading(about):
    return (
        f"# windshield, {about['date']}, commit {about['commit']}\n\n"
        f"{about['cpu']}, Linux {about['kernel']}, {about['rustc']}; load at the start {about['load_start']:.2f}.\n"
    )


def ending(about):
    text = f"Load average: {about['load_start']:.2f} at the start, {about['load_end']:.2f} at the end."
    if max(about["load_start"], about["load_end"]) > QUIET:
        text += (
            "\n\n**The machine was not quiet** (load above 1.0 beyond what this script causes): compare ratios with care "
            "and take no p99 from this run."
        )
    return text


def summary(figures):
    words = {True: "yes", False: "NO", None: ""}
    rows = [
        [f["what"], f"{show(f['value'])} {f['unit']}".strip(), f["floor"], f["goal"], words[f["met"]]] for f in figures
    ]
    return "### All figures\n\n" + table(["what", "windshield", "floor of this run", "goal", "met"], rows)


def show(value):
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def wait_for_quiet(minutes):
    """Until others have stopped working, but not for ever."""
    end = time.monotonic() + minutes * 60
    while os.getloadavg()[0] > READY and time.monotonic() < end:
        print(f"waiting for a quiet machine: load {load()}", file=sys.stderr)
        time.sleep(15)
