"""The most memory that windshield ever held (VmHWM of proc(5)), built without the demo, with one viewer."""

import time
from pathlib import Path

from .figures import figure, table
from .programs import free_port

GOAL_MB = 12


def measure(bench):
    held = {}
    for kind, binary in (("windshield without demo", bench.lean), ("windshield", None), ("engine", None)):
        if binary is not None and not binary.exists():
            continue
        port = free_port()
        sender = bench.sender(kind.split()[0], bench.clip, port, binary=binary)
        viewer = bench.viewer(port, bench.seconds)
        time.sleep(bench.seconds)
        status = Path(f"/proc/{sender.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        # The clip lies in memory whole, which no camera does.
        held[kind] = [int(fields[name].split()[0]) / 1024 for name in ("VmHWM", "RssAnon", "RssFile")]
        bench.finish(viewer)
        bench.end(sender)
    text = (
        f"### Memory, clip, 1 viewer\n\nMB of 1,048,576 bytes; {bench.clip_bytes / 2**20:.1f} MB of it are the clip.\n\n"
        + table(["sender", "VmHWM", "RssAnon", "RssFile"], [[k, *v] for k, v in held.items()])
    )
    lean = held.get("windshield without demo")
    if lean is None:
        return [], text
    floor = f"engine {held['engine'][0]:.2f} MB"
    return [figure("memory, without demo, 1 viewer", lean[0], "MB", floor, f"<= {GOAL_MB} MB", lean[0] <= GOAL_MB)], text
