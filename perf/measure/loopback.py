"""The table of tools/loopback: the whole stack and a native viewer, stage by stage, as that tool counts them."""

import json
import subprocess

from .figures import measured, result, show, table
from .programs import Unavailable

# In the order of a frame's way; whatever else the tool tells comes behind.
STAGES = ("camera", "encode", "packetize", "protect", "send", "network", "receive", "total")
PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9", "max")
PATIENCE_S = 180


def measure(bench):
    if not bench.has_tool("loopback"):
        raise Unavailable("this commit has no tools/loopback")
    process = bench.start([bench.tool("loopback"), "--json", "-"], stdout=subprocess.PIPE, text=True)
    told, _ = process.communicate(timeout=PATIENCE_S)
    bench.started.remove(process)
    # 1 is a budget that was broken, which is the gate's affair; the table is there all the same.
    if process.returncode not in (0, 1) or not told.strip():
        tail = (bench.scratch / "stderr.log").read_text(errors="replace")[-500:]
        raise RuntimeError(f"loopback ended with {process.returncode}: {tail}")
    stages = stages_of(json.loads(told))
    results = [
        {"sender": "windshield", "what": name, "unit": "us", "count": counts.get("count"), **{p: counts.get(p) for p in PERCENTILES}}
        for name, counts in stages.items()
    ]
    rows = [[r["what"], *(r[p] for p in PERCENTILES if p != "p95"), r["count"]] for r in results]
    text = (
        "Microseconds, from the intended time of each picture; `tools/loopback` as it comes.\n\n"
        + table(["stage", "p50", "p90", "p99", "p99.9", "max", "count"], [[show(c) for c in row] for row in rows])
    )
    return measured("Loopback, stage by stage", results, text)


def stages_of(told):
    """{stage: {count, p50 ..}} wherever the document holds it: under `stages` or at its top, as an object or as a list with names."""
    found = told.get("stages", told) if isinstance(told, dict) else told
    if isinstance(found, list):
        found = {stage.get("stage") or stage.get("name"): stage for stage in found}
    found = {name: counts for name, counts in found.items() if isinstance(counts, dict) and "p50" in counts}
    if not found:
        raise RuntimeError("loopback told of no stage that has a p50")
    known = [name for name in STAGES if name in found]
    return {name: found[name] for name in [*known, *(name for name in found if name not in known)]}
