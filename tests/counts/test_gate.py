#!/usr/bin/env python3
"""Promise: the gate fails when a count rises by more than a hundredth, names the line and how to accept it, and stays silent
otherwise; values of another compiler or Cargo.lock are never compared. With made-up values: nothing is built or counted.

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

    def test_a_line_that_is_new_or_gone_does_not_pass_unseen(self):
        self.assertIn("nothing is recorded", gate.judge({}, {"scan": 1.0})[0][0])
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

    def test_recording_leaves_one_file(self):
        self.settle({"scan": 1000.0}, lock="old")
        self.settle({"scan": 1000.0}, record=True)
        kept = list(self.count.KEPT.iterdir())
        self.assertEqual([file.name for file in kept], [gate.name(KEY)])
        self.assertEqual(json.loads(kept[0].read_text())["counts"], {"scan": 1000.0})

    def test_a_line_that_vanished_fails_unless_this_machine_cannot_count_it(self):
        self.settle({"on: scan": 1.0, "off: scan": 1.0})
        self.assertEqual(self.settle({"off: scan": 1.0})[0], 1)
        self.assertEqual(self.settle({"off: scan": 1.0}, skipped=["on: "])[0], 0)
        self.assertEqual(self.settle({"off: scan": 1.0}, only="off")[0], 0)


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
