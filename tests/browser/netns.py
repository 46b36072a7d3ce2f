"""Network namespaces joined by veth: two machines on one machine. Needs root; used only where addresses must change."""

import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000


def inside(namespace, work):
    """The result of `work()`, done by a thread that has moved into `namespace` (None: done here)."""
    if namespace is None:
        return work()
    result = {}

    def run():
        try:
            with open(f"/run/netns/{namespace}") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            result["value"] = work()
        except BaseException as error:  # handed to the caller's thread
            result["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in result:
        raise result["error"]
    return result["value"]


def why_not():
    """Why namespaces cannot be had here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces want root; run tests/run as root or with sudo"
    probe = f"ws-probe-{os.getpid()}"
    try:
        for command in (["add", probe], ["exec", probe, "true"]):
            done = subprocess.run(["ip", "netns", *command], capture_output=True, text=True)
            if done.returncode:
                return f"no network namespaces here: ip netns {command[0]}: {done.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return None


class Network:
    """Two namespaces, `car` and `viewer`, with as many cables between them as asked for."""

    def __init__(self, cables=1):
        self.car = f"ws-car-{os.getpid()}"
        self.viewer = f"ws-viewer-{os.getpid()}"
        for name in (self.car, self.viewer):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for cable in range(cables):
            run("ip", "-n", self.car, "link", "add", f"c{cable}", "type", "veth",
                "peer", "name", f"v{cable}", "netns", self.viewer)
        self.cables = cables

    def up(self, cable, car=None, viewer=None):
        """Plugs a cable in; addresses like 10.77.1.1/24."""
        for name, end, address in ((self.car, f"c{cable}", car), (self.viewer, f"v{cable}", viewer)):
            if address:
                run("ip", "-n", name, "addr", "add", address, "dev", end)
            run("ip", "-n", name, "link", "set", end, "up")
        # Chromium looks for candidates along its default route, and sometimes finds none where there is no such route.
        run("ip", "-n", self.viewer, "route", "add", "default", "dev", f"v{cable}", "metric", str(100 + cable))

    def add(self, cable, side, address):
        name, end = (self.car, f"c{cable}") if side == "car" else (self.viewer, f"v{cable}")
        run("ip", "-n", name, "addr", "add", address, "dev", end)

    def delete(self, cable, side, address):
        name, end = (self.car, f"c{cable}") if side == "car" else (self.viewer, f"v{cable}")
        run("ip", "-n", name, "addr", "del", address, "dev", end)

    def remove(self):
        for name in (self.car, self.viewer):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
