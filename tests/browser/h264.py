"""Cuts a clip into access units, and paces them into a pipe: the camera program of the pipe tests."""

import os
import threading
import time


def access_units(data):
    """Annex B bytes cut before each first slice of a picture and what leads it (AUD, parameter sets, SEI)."""
    starts = []
    at = data.find(b"\0\0\1")
    while at >= 0:
        starts.append(at - 1 if at and data[at - 1] == 0 else at)
        at = data.find(b"\0\0\1", at + 3)
    units, current, has_picture = [], b"", False
    for begin, end in zip(starts, [*starts[1:], len(data)]):
        nal = data[begin:end]
        header = nal.index(b"\0\0\1") + 3
        kind = nal[header] & 0x1F
        first_slice = kind in (1, 5) and nal[header + 1] & 0x80  # first_mb_in_slice == 0
        if has_picture and (kind in (6, 7, 8, 9) or first_slice):
            units.append(current)
            current, has_picture = b"", False
        current += nal
        has_picture = has_picture or kind in (1, 5)
    return [*units, current] if has_picture else units


def has_idr(unit):
    return any(unit[at + 3] & 0x1F == 5 for at in _codes(unit))


def _codes(unit):
    at = unit.find(b"\0\0\1")
    while at >= 0:
        yield at
        at = unit.find(b"\0\0\1", at + 3)


class Feeder:
    """Writes access units into a file descriptor at a frame rate, in a thread of its own. The pace is the medium, like
    a camera's; no test waits by it."""

    def __init__(self, fd, units, fps=30, loop=False, close=True):
        self.written = 0
        self.error = None
        self._stop = threading.Event()
        self._arguments = fd, units, 1 / fps, loop, close
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        fd, units, step, loop, close = self._arguments
        next_time = time.monotonic()
        try:
            while True:
                for unit in units:
                    view = memoryview(unit)
                    while view:
                        view = view[os.write(fd, view):]
                    self.written += 1
                    next_time += step
                    if self._stop.wait(max(0.0, next_time - time.monotonic())):
                        return
                if not loop:
                    return
        except OSError as error:
            self.error = error
        finally:
            if close:
                os.close(fd)

    def join(self, timeout=60):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the program did not take the frames"

    def stop(self):
        self._stop.set()
        self.join()
