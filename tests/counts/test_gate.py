#!/usr/bin/env python3
"""Promise: the gate fails when a count rises by more than a hundredth, names the line and how to accept it, and stays silent
otherwise; values of another compiler or Cargo.lock are never compared, and none is lost on a machine that can count less.
With made-up values: nothing is built or counted.

    python3 tests/counts/test_gate.py
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "perf"))

from measure import frame_calls, gate, valgrind  # noqa: E402

LOCK = '[[package]]\nname = "log"\nversion = "0.4.1"\n\n[[package]]\nname = "windshield"\nversion = "0.1.0"\ndependencies = ["log"]\n'
RUSTC = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\ncommit-hash: 59807616e1fa2540\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n"
KEY = {**gate.compiler(RUSTC), "lock": gate.lock_hash(LOCK)}


def program():
    """perf/count, which has no ending by which Python would know it."""
    loader = importlib.machinery.SourceFileLoader("count", str(ROOT / "perf/count"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("count", loader))
    loader.exec_module(module)
    return module


class Judging(unittest.TestCase):
    def test_what_rises_by_more_than_a_hundredth_fails_and_is_named(self):
        failures, remarks = gate.judge({"scan": 1000.0, "send": 6}, {"scan": 1011.0, "send": 7})
        self.assertEqual(remarks, [])
        self.assertEqual(len(failures), 2)
        for word in ("scan", "1,000.0", "1,011.0", "+1.1%", "perf/count --record"):
            self.assertIn(word, failures[0])
        self.assertIn("rose from 6 to 7", failures[1])

    def test_what_moves_by_less_is_well(self):
        self.assertEqual(gate.judge({"scan": 1000.0, "send": 6}, {"scan": 1009.9, "send": 6}), ([], []))
        self.assertEqual(gate.judge({"scan": 1000.0}, {"scan": 990.1}), ([], []))

    def test_what_falls_is_said_and_does_not_fail(self):
        failures, remarks = gate.judge({"scan": 1000.0}, {"scan": 900.0})
        self.assertEqual(failures, [])
        self.assertIn("fell from 1,000.0 to 900.0", remarks[0])

    def test_something_where_nothing_was_fails(self):
        self.assertEqual(len(gate.judge({"copies": 0}, {"copies": 1})[0]), 1)
        self.assertEqual(gate.judge({"copies": 0}, {"copies": 0}), ([], []))

    def test_a_new_line_is_not_judged(self):
        self.assertEqual(gate.judge({}, {"scan": 1.0}), ([], []))

    def test_a_line_that_is_gone_does_not_pass_unseen(self):
        self.assertEqual(gate.missing({"on: scan": 1, "off: scan": 1}, {"off: scan": 1}, []), ["on: scan"])
        self.assertEqual(gate.missing({"on: scan": 1, "off: scan": 1}, {"off: scan": 1}, ["on: "]), [])


class Keys(unittest.TestCase):
    def test_our_own_version_is_no_dependency(self):
        self.assertEqual(gate.lock_hash(LOCK), gate.lock_hash(LOCK.replace('"0.1.0"', '"0.2.0"')))
        self.assertNotEqual(gate.lock_hash(LOCK), gate.lock_hash(LOCK.replace('"0.4.1"', '"0.4.2"')))

    def test_a_file_is_named_by_compiler_and_lock(self):
        other = gate.compiler(RUSTC.replace("59807616e1", "0123456789"))
        self.assertIn("rustc-1.95.0-59807616e1fa-lock-", gate.name(KEY))
        self.assertNotEqual(gate.name(KEY), gate.name({**KEY, **other}))


class Program(unittest.TestCase):
    """What perf/count does with counts it was given."""

    def settle(self, counts, lock=KEY["lock"], record=False, only=None, skipped=()):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = self.count.settle({**KEY, "lock": lock}, counts, skipped, SimpleNamespace(record=record, only=only))
        return status, said.getvalue()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.count = program()
        self.count.ROOT = Path(folder.name)
        self.count.KEPT = Path(folder.name) / "counts"

    def test_the_first_run_records_and_the_next_compares(self):
        status, said = self.settle({"scan": 1000.0})
        self.assertEqual((status, "recorded, not compared" in said), (0, True))
        self.assertEqual(self.settle({"scan": 1000.5})[0], 0)
        status, said = self.settle({"scan": 1020.0})
        self.assertEqual(status, 1)
        self.assertIn("FAILED scan: rose", said)
        self.assertIn("0 passed, 1 failed", said)

    def test_a_failure_is_not_recorded_until_it_is_accepted(self):
        self.settle({"scan": 1000.0})
        for _ in range(2):
            self.assertEqual(self.settle({"scan": 1020.0})[0], 1)
        self.assertEqual(self.settle({"scan": 1020.0}, record=True)[0], 0)
        self.assertEqual(self.settle({"scan": 1020.0})[0], 0)

    def test_another_lock_is_not_compared(self):
        self.settle({"scan": 1000.0})
        self.assertEqual(self.settle({"scan": 2000.0}, lock="other")[0], 0)
        self.assertEqual(self.settle({"scan": 2000.0})[0], 1)

    def recorded(self):
        return json.loads((self.count.KEPT / gate.name(KEY)).read_text())["counts"]

    def test_recording_forgets_other_locks_of_this_compiler_and_no_other_compiler(self):
        self.settle({"scan": 1000.0}, lock="old")
        differing = ({"host": "armv7-unknown-linux-gnueabihf"}, {"rustc": "1.96.0"}, {"commit": "0123"})
        others = [gate.name({**KEY, **other}) for other in differing]
        for other in others:
            (self.count.KEPT / other).write_text("{}")
        self.settle({"scan": 1000.0}, record=True)
        self.assertEqual({file.name for file in self.count.KEPT.iterdir()}, {gate.name(KEY), *others})
        self.assertEqual(self.recorded(), {"scan": 1000.0})

    def test_what_a_poorer_machine_recorded_does_not_fail_a_richer_one(self):
        self.settle({"off: scan": 1.0}, skipped=["on: "])
        status, said = self.settle({"on: scan": 1.0, "off: scan": 1.0})
        self.assertEqual(status, 0)
        self.assertIn("on: scan: nothing was recorded for it; recorded, not compared", said)
        self.assertIn("\n1 passed, 0 failed", said)
        self.assertEqual(self.settle({"on: scan": 2.0, "off: scan": 1.0})[0], 1)

    def test_a_new_line_is_recorded_beside_a_failure_which_is_not(self):
        self.settle({"scan": 1000.0})
        self.assertEqual(self.settle({"scan": 1020.0, "send": 1})[0], 1)
        self.assertEqual(self.recorded(), {"scan": 1000.0, "send": 1})

    def test_recording_on_a_poorer_machine_keeps_what_it_cannot_count(self):
        self.settle({"on: scan": 1.0, "off: scan": 1.0, "off: gone": 1.0})
        self.settle({"off: scan": 2.0}, record=True, skipped=["on: "])
        self.assertEqual(self.recorded(), {"on: scan": 1.0, "off: scan": 2.0})

    def test_some_lines_alone_are_never_recorded(self):
        self.settle({"scan": 1.0}, only="scan")
        self.assertFalse(self.count.KEPT.exists())
        self.settle({"scan": 1.0})
        status, said = self.settle({"send": 1.0}, only="send")
        self.assertEqual((status, "nothing is recorded for it yet" in said), (0, True))
        self.assertEqual(self.recorded(), {"scan": 1.0})

    def test_passed_are_the_compared_lines_that_held(self):
        self.settle({"scan": 1.0, "send": 1.0, "gone": 1.0})
        self.assertIn("\n1 passed, 2 failed", self.settle({"scan": 1.0, "send": 2.0, "new": 1.0})[1])

    def test_nothing_counted_is_said_and_fails(self):
        status, said = self.settle({}, only="system calls", skipped=["system calls a frame: "])
        self.assertEqual((status, "nothing could be counted" in said), (1, True))

    def test_a_line_that_vanished_fails_unless_this_machine_cannot_count_it(self):
        self.settle({"on: scan": 1.0, "off: scan": 1.0})
        self.assertEqual(self.settle({"off: scan": 1.0})[0], 1)
        self.assertEqual(self.settle({"off: scan": 1.0}, skipped=["on: "])[0], 0)
        self.assertEqual(self.settle({"off: scan": 1.0}, only="off")[0], 0)


class Only(unittest.TestCase):
    """Which lines --only means, and that it is known before anything is built."""

    def setUp(self):
        self.count = program()
        names = [self.count.ON + stage for stage in valgrind.FRAMES + valgrind.STAGES]
        self.lines = [*names, *(self.count.COPIES + stage for stage in valgrind.FRAMES), *self.count.CALL_LINES]

    def test_a_line_is_meant_by_its_beginning_or_that_of_its_stage(self):
        on, copies = "instructions, AES-NI on: ", "copies of a frame: "
        for only, meant in {
            "frame-1": [on + "frame-1", copies + "frame-1"],
            "frame": [on + "frame-1", on + "frame-5", copies + "frame-1", copies + "frame-5"],
            "instructions, AES-NI on: frame": [on + "frame-1", on + "frame-5"],
            "system calls a frame: 5": ["system calls a frame: 5 viewers"],
            "system calls": ["system calls a frame: 1 viewer", "system calls a frame: 5 viewers"],
            "nonsense": [],
            None: self.lines,
        }.items():
            self.assertEqual(self.count.wanted(self.lines, only), meant, only)

    def test_a_name_that_no_line_has_is_told_before_anything_is_built(self):
        def cargo(*arguments, **_):
            self.assertEqual(arguments[0], "metadata")
            return json.dumps({"target_directory": "/nowhere"})

        self.count.cargo, self.count.which = cargo, lambda name: name
        with unittest.mock.patch.object(sys, "argv", ["count", "--only", "nonsense"]), contextlib.redirect_stdout(io.StringIO()):
            with self.assertRaises(SystemExit) as ended:
                self.count.main()
        self.assertIn("no line that can be counted here begins with 'nonsense'", ended.exception.code)
        self.assertIn("system calls a frame: 5 viewers", ended.exception.code)


class Reading(unittest.TestCase):
    def test_copies_count_inside_and_not_in_the_simulation(self):
        frames = ["[root]", "memcpy", "windshield_counted (main.rs:1)", "windshield_uncounted (main.rs:2)", "main"]
        points = [{"tb": 100, "fs": [1, 2, 4]}, {"tb": 1000, "fs": [1, 3, 2, 4]}, {"tb": 10000, "fs": [1, 4]}]
        self.assertEqual(valgrind.copied({"ftbl": frames, "pps": points}), 100)

    def test_the_usual_frame_is_what_most_frames_made(self):
        wait, end = "1 1.0 epoll_wait(4, [], 8, -1) = 1", "1 9.0 epoll_wait(4, [], 8, -1) = 0"
        picture = "1 1.1 sendmmsg(5, [{msg_hdr={msg_iov=[{iov_base=..., iov_len=1180}]}}], 1, 0) = 1"
        report = "1 1.2 sendmmsg(5, [{msg_hdr={msg_iov=[{iov_base=..., iov_len=60}]}}], 1, 0) = 1"
        other = "2 1.3 read(3, ..., 4) = 4"
        text = "\n".join([wait, wait, picture, wait, picture, report, other, wait, report, wait, picture, end])
        self.assertEqual(frame_calls.frames(text, "1"), [2, 3, 2])
        self.assertEqual(frame_calls.most([2, 3, 2]), 2)
        self.assertEqual(frame_calls.most([3, 2]), 2)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
