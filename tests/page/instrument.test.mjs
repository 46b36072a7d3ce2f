// The instrument as a whole, without a browser: what it makes of hidden tabs, of a waterfall opened in haste, of clocks.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { ClockOffset } = await load("clock");
const { Instrument } = await load("instrument");

/** An instrument whose time and timers are in the test's hands; the clock is sure of an offset of 5 s. */
function made() {
  const timers = new Map();
  let last = 0;
  const world = {
    time: 0, now: () => world.time, setTimeout: (work) => timers.set(++last, work) && last, clearTimeout: (id) => timers.delete(id),
  };
  const clock = new ClockOffset();
  clock.add(100, 5_000_600, 5_000_600, 1100);
  return { world, clock, timers, one: new Instrument({ world, clock }) };
}

const record = (n) => {
  const at = 5_000_000 + n * 40_000;
  return { rtpTime: n * 3600, capturedUs: at, encodingUs: at, dequeuedUs: at, packetizedUs: at, protectedUs: at, sentUs: at };
};

function show(one, n, counter) {
  const at = n * 40 + 20;
  const metadata = { rtpTimestamp: n * 3600, receiveTime: at - 5, presentationTime: at, presentedFrames: counter };
  one.presented(metadata, at + 1);
}

test("frames that came while the page was hidden are not counted as never shown", () => {
  const { one, world } = made();
  for (let n = 1; n <= 10; n += 1) {
    world.time = n * 40 + 25;
    one.stamps([record(n)]);
    show(one, n, n);
  }
  one.setVisible(false);
  for (let n = 11; n <= 200; n += 1) {
    world.time = n * 40 + 25;
    one.stamps([record(n)]);
  }
  // One last picture may be told while the page is hidden already.
  show(one, 150, 11);
  one.setVisible(true);
  for (let n = 201; n <= 300; n += 1) {
    world.time = n * 40 + 25;
    one.stamps([record(n)]);
    show(one, n, n - 188);
  }
  const { never, unclear, unseen } = one.figures().counts;
  assert.deepEqual({ never, unclear, unseen }, { never: 0, unclear: 0, unseen: 0 });
});

test("a waterfall opened, closed and opened at once has one chain of ticks", () => {
  const { one, timers } = made();
  const before = timers.size;
  one.watch(true);
  one.watch(false);
  one.watch(true);
  assert.equal(timers.size, before + 1);
  one.watch(false);
  assert.equal(timers.size, before);
});

test("the run keeps the clock as it was when the stamps came, also over a lost connection", () => {
  const { one, world, clock } = made();
  world.time = 65;
  one.stamps([record(1)]);
  show(one, 1, 1);
  clock.clear();
  one.attach(null);
  const { fields, frames } = one.run();
  const row = frames[0];
  assert.equal(row[fields.indexOf("session")], 0);
  assert.equal(row[fields.indexOf("captured")], 40);
  assert.ok(row[fields.indexOf("uncertainty")] > 0);
});
