"""The table of tools/loopback: the whole stack and native viewers, stage by stage, as that tool counts them, with its floor, a
bare sendto of the same bytes between the frames. Tells what the tool tells, be it more or fewer stages."""

import json
import subprocess

from .figures import figure, measured, table
from .programs import Unavailable

# In the order of a frame's way; whatever else the tool tells comes behind.
STAGES = ("camera", "encode", "packetize", "protect", "send", "car", "network", "receive", "total", "floor")
PERCENTILES = ("p50", "p90", "p99", "p99_9", "max")
# Beyond p99 only many frames say something: so much longer than the others.
LONGER = 3
PATIENCE_S = 60


def measure(bench, viewers):
    if not bench.has_tool("loopback"):
        raise Unavailable("this commit has no tools/loopback")
    seconds = bench.seconds * LONGER
    command = [bench.tool("loopback"), "--clip", bench.clip, "--viewers", viewers, "--duration", seconds, "--json", "-"]
    process = bench.start(command, stdout=subprocess.PIPE, text=True)
    told, _ = process.communicate(timeout=PATIENCE_S + seconds)
    bench.started.remove(process)
    # 1 is a budget that was broken, which is the gate's affair; the table is there all the same.
    if process.returncode not in (0, 1) or not told.strip():
        tail = (bench.scratch / "stderr.log").read_text(errors="replace")[-500:]
        raise RuntimeError(f"loopback ended with {process.returncode}: {tail}")
    told = json.loads(told)
    stages = stages_of(told)
    results = [
        {"sender": "bare" if name == "floor" else "windshield", "what": "one sendto a datagram" if name == "floor" else name, "unit": "us",
         "count": counts.get("count"), **{p: said(counts, p) for p in PERCENTILES}}
        for name, counts in stages.items()
    ]
    rows = [[name, *(said(counts, p) for p in PERCENTILES), counts.get("count")] for name, counts in stages.items()]
    who = f"{viewers} viewer{'s' * (viewers > 1)}"
    text = (
        f"Microseconds by tools/loopback, {seconds:g} s of the clip at its pace, real sockets on loopback. From when each frame was due, so that "
        "what is late counts; floor: one bare sendto a datagram of the same bytes, in the same process between the frames.\n\n"
        + table(["stage", "p50", "p90", "p99", "p99.9", "max", "count"], rows)
    )
    lines = []
    if "total" in stages:
        floors = {"bare": stages["floor"]["p50"]} if stages.get("floor", {}).get("count") else {}
        lines = [figure(f"loopback_{viewers}_{p}", f"due to received, {who}, {p}", stages["total"].get(p), "us", floors if p == "p50" else {})
                 for p in ("p50", "p99")]
    more = {name: told[name] for name in ("frames",) if name in told}
    return measured(f"Loopback, stage by stage, clip, {who}", results, text, lines, viewers=viewers, **more)


def said(counts, percentile):
    """As everywhere in the sheet: of fewer than a thousand values there is no p99.9."""
    return None if percentile == "p99_9" and counts.get("count", 0) < 1000 else counts.get(percentile)


def stages_of(told):
    """{stage: {count, p50 ..}} wherever the document holds it: under `stages` or at its top, as an object or as a list with names."""
    found = told.get("stages", told) if isinstance(told, dict) else told
    if isinstance(found, list):
        found = {stage.get("stage") or stage.get("name"): stage for stage in found}
    found = {name: counts for name, counts in found.items() if isinstance(counts, dict) and counts.get("count")}
    if not found:
        raise RuntimeError("loopback told of no stage that has a count")
    known = [name for name in STAGES if name in found]
    return {name: found[name] for name in [*known, *(name for name in found if name not in known)]}
