"""The program under test as a child process: starts it on free ports, asks it for /stats, ends it with SIGTERM.

Nothing here knows a browser. Waiting means polling a condition until a generous deadline, never sleeping for a while.
"""

import json
import os
import random
import signal
import socket
import subprocess
import time
import uuid
from contextlib import closing
from pathlib import Path

import httpx

import netns

# Seconds until something that should happen is given up: generous, for a machine that does other work as well.
DEADLINE = 20.0


def until(condition, what, deadline=DEADLINE, every=0.02):
    """The first truthy result of `condition()`; after `deadline` seconds an AssertionError that says `what`."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"after {deadline:g} s still not: {what() if callable(what) else what}"
        time.sleep(every)


def free_port():
    """A number free for TCP and UDP, below the range from which the kernel hands out ports by itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tcp:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
                try:
                    tcp.bind(("", port))
                    udp.bind(("", port))
                except OSError:
                    continue
        return port


class Car:
    """One run (or, with `restart`, several) of the program. Use the `car` fixture, which also ends it."""

    def __init__(self, binary, arguments, log, ip="127.0.0.1", bind=None, namespace=None, stdin=None, port=None):
        self.port = port or free_port()
        self.ip = ip
        self.namespace = namespace
        self.url = f"http://{ip}:{self.port}"
        self.command = [str(binary), "--http", f"{bind or ip}:{self.port}", "--udp", str(self.port), *arguments]
        self.stdin = stdin
        self.log_path = Path(log)
        self.process = None
        # Children inherit it, so that what outlives the program can be found.
        self.mark = f"WINDSHIELD_TEST={uuid.uuid4()}"

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self, ready=True):
        """Starts the program and waits until /healthz answers (`ready=False`: does not wait)."""
        name, value = self.mark.split("=")
        command = self.command
        if self.namespace:
            command = ["ip", "netns", "exec", self.namespace, *command]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=self.stdin if self.stdin is not None else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, name: value},
                start_new_session=True,
            )
        if ready:
            until(self.healthy, lambda: f"/healthz of {self.url} answers; log:\n{self.log()}")
        return self

    def healthy(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}; log:\n{self.log()}"
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how=signal.SIGTERM):
        """Ends it as a user would; the exit code must be 0 and nothing it started may be left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {DEADLINE:g} s of signal {how}; log:\n{self.log()}") from None
        self.process = None
        assert "panicked" not in self.log(), self.log()
        assert code == 0, f"exit code {code}; log:\n{self.log()}"
        until(lambda: not self.processes(), lambda: f"everything it started is gone: {self.processes()}")

    def kill(self):
        """The end of a power cut. Also sweeps up children; for teardown after a failure and for `restart`."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        self.process = None
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def processes(self):
        """Pids that carry this run's mark in their environment: the program and everything it started."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def children(self, name):
        """Pids among them whose program is `name`."""
        found = []
        for pid in self.processes():
            try:
                if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    found.append(pid)
            except OSError:
                pass
        return found

    def log(self):
        return self.log_path.read_text(errors="replace")

    # --- questions ----------------------------------------------------------------------------------------------------

    def request(self, method, path="/", **options):
        """One request on a connection of its own, in the car's network."""
        options.setdefault("timeout", DEADLINE)
        return netns.inside(self.namespace, lambda: httpx.request(method, self.url + path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def stats(self):
        reply = self.get("/stats")
        assert reply.status_code == 200, reply.text
        return json.loads(reply.text)

    def viewers(self):
        return self.stats()["viewers"]

    def wait_viewers(self, count, deadline=DEADLINE):
        """Until exactly `count` viewers are there; gives their statistics."""
        last = []

        def reached():
            last[:] = self.viewers()
            return len(last) == count

        until(reached, lambda: f"{count} viewers; there are {json.dumps(last, indent=1)}", deadline, every=0.05)
        return list(last)

    def wait_source(self, condition, what, deadline=DEADLINE):
        """Until `condition(source statistics)`; gives them."""
        last = {}

        def reached():
            last.update(self.stats()["source"])
            return condition(last)

        until(reached, lambda: f"{what}; the source is {json.dumps(last, indent=1)}", deadline, every=0.05)
        return dict(last)
