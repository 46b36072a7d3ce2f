"""The programs under measurement: builds them, makes clips for them, starts and ends them, reads their clocks."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Seconds until something that should happen is given up.
DEADLINE = 20.0
CLIP_SECONDS = 10


@dataclass(frozen=True)
class Format:
    """What a camera is set to."""

    size: str
    fps: int
    bitrate: str

    def __str__(self):
        return f"{self.size}@{self.fps}"


# What is measured unless said otherwise, and what else Chromium is shown.
PLAIN = Format("640x480", 30, "2M")
FAST, LARGE = Format("640x480", 60, "3M"), Format("1280x720", 30, "4M")
FPS = PLAIN.fps


class Unavailable(Exception):
    """This machine lacks what a measurement needs; the sentence says what."""


class Bench:
    """Binaries, clips, and every process that was started."""

    def __init__(self, scratch, options):
        self.scratch = scratch
        self.rounds, self.seconds, self.joins = options.rounds, options.seconds, options.joins
        self.watch_seconds = getattr(options, "watch", 0.0)
        self.repository = Path(__file__).resolve().parents[2]
        self.lean = scratch / "windshield-lean"
        self.started = []
        self._metadata, self._target = None, None
        self._clips = {}

    # --- what there is ------------------------------------------------------------------------------------------------

    @property
    def metadata(self):
        if self._metadata is None:
            self._metadata = json.loads(self._cargo("metadata", "--format-version", "1", "--no-deps", capture=True))
        return self._metadata

    @property
    def target(self):
        if self._target is None:
            self._target = Path(self.metadata["target_directory"]) / "release"
        return self._target

    def has_tool(self, name):
        """Whether this commit has such an example."""
        return any(t["name"] == name and "example" in t["kind"] for p in self.metadata["packages"] for t in p["targets"])

    def _cargo(self, *arguments, capture=False):
        cargo = os.environ.get("CARGO") or next(
            (c for c in ("cargo", str(Path.home() / ".cargo/bin/cargo")) if which(c)), None
        )
        if cargo is None:
            sys.exit("cargo not found; install rustup first: https://rustup.rs")
        done = subprocess.run([cargo, *arguments], cwd=self.repository, stdout=subprocess.PIPE if capture else None, text=True)
        if done.returncode:
            sys.exit(f"cargo {' '.join(arguments)} failed")
        return done.stdout

    def build(self, lean):
        """The lean build first, because both go to the same place; cargo keeps what is behind them apart."""
        if lean:
            self._cargo("build", "--release", "--locked", "--quiet", "--no-default-features", "--bin", "windshield")
            self.lean.write_bytes((self.target / "windshield").read_bytes())
            self.lean.chmod(0o755)
        self._cargo("build", "--release", "--locked", "--quiet", "--bin", "windshield", "--examples")

    def make_browser(self):
        """Chromium and the Python environment that drives it: tests/run knows how, and does nothing where they are."""
        from .chromium import python

        try:
            python()
        except Unavailable:
            command = ["tests/run", "--only", "browser", "--", "--collect-only", "-q"]
            # Whether it could shows when Chromium is wanted, with a sentence.
            subprocess.run(command, cwd=self.repository, stdout=sys.stderr, stdin=subprocess.DEVNULL)

    def tool(self, name):
        return str(self.target / "examples" / name)

    def make_clips(self):
        """Those that everybody needs; the others are made when they are first asked for."""
        return self.clip, self.keyframes

    @property
    def clip(self):
        """With a keyframe a second, as a camera makes them."""
        return self.clip_of(PLAIN)

    @property
    def keyframes(self):
        """Of keyframes alone, for joining at once."""
        return self.clip_of(PLAIN, keyframe_every=1, seconds=2)

    def clip_of(self, shape, keyframe_every=None, seconds=CLIP_SECONDS):
        every = keyframe_every or shape.fps
        if (shape, every) not in self._clips:
            path = str(self.scratch / f"{shape}-{every}.h264")
            command = [self.tool("make_clip"), path, "--size", shape.size, "--fps", str(shape.fps), "--bitrate", shape.bitrate,
                       "--seconds", str(seconds), "--keyframe-every", str(every)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self._clips[shape, every] = path
        return self._clips[shape, every]

    # --- processes ----------------------------------------------------------------------------------------------------

    def start(self, command, namespace=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", open(self.scratch / "stderr.log", "ab"))
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        process = subprocess.Popen([*prefix, *map(str, command)], **options)
        self.started.append(process)
        return process

    def end(self, *processes):
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process in self.started:
                self.started.remove(process)

    def close(self):
        self.end(*list(self.started))

    def sender(self, kind, source, port, ip="127.0.0.1", namespace=None, stdin=None, binary=None, shape=PLAIN, under=()):
        """`windshield` or `engine` on a source (a path, or "-" for standard input, or "demo"); ready when it returns.
        `under`: a command that runs it, such as valgrind."""
        options = {"namespace": namespace, **({"stdin": stdin} if stdin is not None else {})}
        if kind == "engine":
            command = [self.tool("baseline"), "engine", source, "--listen", f"{ip}:{port}", "--fps", shape.fps]
        else:
            named = source if source == "demo" else "pipe:-" if source == "-" else f"clip:{source}"
            command = [binary or self.target / "windshield", "--source", named, "--http", f"{ip}:{port}", "--udp", port,
                       "--fps", shape.fps, "--size", shape.size, "--bitrate", shape.bitrate, "--log", "warn",
                       # Pages that are closed without a goodbye keep their seats for five seconds.
                       "--max-viewers", 100]
        process = self.start([*under, *command], **options)
        if namespace is None:
            wait_until(lambda: answers(ip, port) or process.poll() is not None, f"{kind} answers on port {port}")
        return process

    def feeder(self, fps=FPS, shape=PLAIN):
        """A camera with a log. Returns the process, whose stdout is the pipe, and the log's path."""
        log = self.scratch / f"feeder-{time.monotonic_ns()}.log"
        process = self.start([self.tool("feeder"), self.clip_of(shape), "--fps", fps, "--log", log], stdout=subprocess.PIPE)
        return process, log

    def viewer(self, port, seconds, viewers=1, log=None):
        """Native viewers that watch for `seconds`; live when it returns. See `finish`."""
        extra = ["--log", log] if log else []
        return self._live([self.tool("viewer"), f"http://127.0.0.1:{port}/whep", "--viewers", viewers,
                           "--seconds", seconds, "--json", *extra])

    def bare(self, source, seconds, viewers=1, log=None, stdin=None, under=()):
        """The bare baseline and its sink. Returns (sender, sink); live when it returns."""
        extra = ["--log", log] if log else []
        sink = self.start([self.tool("viewer"), "--sink", "--viewers", viewers, "--seconds", seconds, "--json", *extra],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = reader(sink.stderr)
        to = [word for _ in range(viewers) for word in ("--to", next_line(lines, "to ").split()[1])]
        sender = self.start([*under, self.tool("baseline"), "bare", source, *to, "--fps", FPS],
                            **({"stdin": stdin} if stdin is not None else {}))
        next_line(lines, "live")
        return sender, sink

    def _live(self, command):
        process = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        next_line(reader(process.stderr), "live")
        return process

    def finish(self, viewer):
        """What a viewer counted."""
        told, _ = viewer.communicate(timeout=DEADLINE + self.seconds * 2)
        self.started.remove(viewer)
        if viewer.returncode:
            raise RuntimeError(f"a viewer failed with {viewer.returncode}; see above")
        return json.loads(told)["viewers"]


def reader(stream):
    """Lines of a pipe as they come; read to the end, so that its writer never waits."""
    lines = queue.Queue()

    def pump():
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    return lines


def next_line(lines, beginning):
    seen = []
    while True:
        line = lines.get(timeout=DEADLINE)
        if line is None:
            raise RuntimeError(f"ended before it said {beginning!r}: {''.join(seen)}")
        if line.startswith(beginning):
            return line
        seen.append(line)


def which(command):
    import shutil

    return shutil.which(command)


def answers(ip, port):
    try:
        socket.create_connection((ip, port), 1).close()
        return True
    except OSError:
        return False


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"after {DEADLINE:g} s still not: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_ns(pid):
    """User and system time of a process in nanoseconds: what utime + stime of /proc/PID/stat count in hundredths of a
    second, from its clock (clock_getcpuclockid(3), MAKE_PROCESS_CPUCLOCK of the kernel)."""
    return time.clock_gettime_ns((~pid << 3) | 2)
