"""Instructions and copied bytes of `tools/count`, by valgrind: callgrind counts what runs inside `windshield_counted`, DHAT
(copy mode) the bytes that memcpy and its like move in there."""

import json
import re
import subprocess

COUNTED, UNCOUNTED = "windshield_counted", "windshield_uncounted"

# What tools/count can do; the names are those of benches and stamps.
STAGES = ["scan", "packetize", "protect-cm-128", "protect-gcm-128", "protect-gcm-256", "send", "command-in", "command-out",
          "record"]
FRAMES = ["frame-1", "frame-5"]
# Where AES takes part.
CIPHERS = ["protect-cm-128", "protect-gcm-128", "protect-gcm-256", *FRAMES]


def run(command, stage):
    # One address layout and one environment: nothing that could move a count.
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    told = re.search(rf"^{stage} (\d+) (\d+)$", done.stdout, re.M)
    if done.returncode or not told:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return int(told[1]), int(told[2]), done.stderr


def instructions(binary, stage, scratch):
    """Instructions each time."""
    times, _, said = run(
        ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={COUNTED}", f"--toggle-collect={UNCOUNTED}",
         f"--callgrind-out-file={scratch}/callgrind.{binary.parent.parent.parent.name}.{stage}", str(binary), stage], stage)
    collected = int(re.search(r"Collected : (\d+)", said)[1])
    if not collected:
        raise RuntimeError(f"callgrind saw nothing of {stage}: is {COUNTED} still called?")
    return round(collected / times, 1)


def copies(binary, stage, scratch):
    """How often the bytes of a frame are copied, as a multiple of the frame."""
    out = f"{scratch}/dhat.{stage}"
    times, size, _ = run(["valgrind", "--tool=dhat", "--mode=copy", "--num-callers=60", f"--dhat-out-file={out}", str(binary), stage],
                         stage)
    with open(out) as text:
        found = json.load(text)
    return round(copied(found) / times / size, 3)


def copied(dhat):
    """Bytes of all copies made inside COUNTED and outside UNCOUNTED."""
    frames = dhat["ftbl"]
    inside = {n for n, frame in enumerate(frames) if COUNTED in frame}
    outside = {n for n, frame in enumerate(frames) if UNCOUNTED in frame}
    return sum(point["tb"] for point in dhat["pps"] if inside & set(point["fs"]) and not outside & set(point["fs"]))
