// The offset between the car's clock and the page's: from the best round trip, slewed, and honest about its error.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { ClockOffset } = await load("clock");

const S = 1_000_000;
/** A heartbeat at `at` (us) whose ways there and back take so long, against a car whose clock is ahead by `offset`. */
function beat(clock, at, there, back, offset, thinking = 0) {
  clock.add(at, at + there + offset, at + there + offset + thinking, at + there + thinking + back);
}

test("without an echo there is no offset", () => {
  const clock = new ClockOffset();
  assert.deepEqual([clock.offsetUs, clock.rttUs, clock.at(5), clock.uncertaintyUs(5)], [null, null, null, null]);
});

test("the first echo sets the offset; the car's own time in it is not the path's", () => {
  const clock = new ClockOffset();
  beat(clock, 1100, 500, 500, 7_000_000, 40_000);
  assert.deepEqual([clock.offsetUs, clock.rttUs, clock.lastRttUs], [7_000_000, 1000, 1000]);
  // Half the round trip, and what browsers round off.
  assert.equal(clock.uncertaintyUs(42_100), 600);
});

test("a sample that waited in a queue moves nothing, a better one is approached and never stepped to", () => {
  const clock = new ClockOffset();
  for (let n = 0; n < 6; n += 1) beat(clock, n * S, 3000, 1000, 500_000);
  const before = clock.at(6 * S);
  assert.equal(before, 501_000, "a lopsided path is not seen, but lies within the stated error");
  assert.ok(clock.uncertaintyUs(6 * S) >= 1000);
  beat(clock, 6 * S, 90_000, 1000, 500_000);
  assert.equal(clock.at(7 * S), before);
  beat(clock, 7 * S, 200, 200, 500_000);
  assert.equal(clock.at(7 * S + 400), before, "no step");
  let last = before;
  for (let at = 7 * S + 400; at <= 12 * S; at += 10_000) {
    const now = clock.at(at);
    assert.ok(Math.abs(now - last) <= 5.001, "500 us a second");
    assert.ok(Math.abs(now - 500_000) <= clock.uncertaintyUs(at), "the truth is within the stated error all the way");
    last = now;
  }
  assert.equal(last, 500_000);
});

test("in the first seconds a bad first sample is left behind quickly", () => {
  const clock = new ClockOffset();
  beat(clock, 0, 200_000, 1000, 0);
  const first = clock.at(201_000);
  assert.equal(first, 99_500);
  beat(clock, 1 * S, 1000, 1000, 0);
  assert.equal(Math.round(clock.at(2.5 * S)), 0);
});

test("an old sample is worth less each second, and is forgotten after a minute", () => {
  const clock = new ClockOffset();
  beat(clock, 0, 500, 500, 0);
  const early = clock.uncertaintyUs(1000);
  assert.equal(Math.round(clock.uncertaintyUs(20 * S) - early), 1000, "two quartzes drift 50 us a second");
  // The clocks do drift: after 30 s a longer, fresher round trip says more than the old short one.
  beat(clock, 30 * S, 900, 900, 1500);
  assert.equal(clock.rttUs, 1800);
  for (let n = 31; n < 92; n += 1) beat(clock, n * S, 20_000, 20_000, 1500);
  assert.equal(clock.rttUs, 40_000);
});

test("nonsense is not counted, and another session begins anew", () => {
  const clock = new ClockOffset();
  clock.add(500, 0, 0, 400);
  clock.add(500, 100, 50, 600);
  clock.add(NaN, 1, 1, 2);
  assert.equal(clock.offsetUs, null);
  beat(clock, 0, 10, 10, 5);
  clock.clear();
  assert.deepEqual([clock.offsetUs, clock.rttUs, clock.at(1), clock.uncertaintyUs(1)], [null, null, null, null]);
  beat(clock, 100, 10, 10, 900_000);
  assert.equal(clock.offsetUs, 900_000, "set, not approached");
});

test("a page clock that stood still is found out by the next echo", () => {
  const clock = new ClockOffset();
  for (let n = 0; n < 10; n += 1) beat(clock, n * S + 100, 1000, 1000, 500_000);
  beat(clock, 10 * S, 1500, 1500, 3_500_000);
  assert.ok(Math.abs(clock.at(10 * S + 3000) - 3_500_000) <= clock.uncertaintyUs(10 * S + 3000));
  assert.ok(clock.uncertaintyUs(10 * S + 3000) < 5000);
});

test("a bad start is mended in seconds, without a step", () => {
  const clock = new ClockOffset();
  for (let n = 0; n < 20; n += 1) beat(clock, n * S + 100, 600_000, 1000, 0);
  beat(clock, 21 * S, 1000, 1000, 0);
  let last = clock.at(21 * S + 2000);
  assert.ok(last > 290_000);
  for (let at = 21 * S + 12_000; at <= 51 * S; at += 10_000) {
    assert.ok(Math.abs(clock.at(at) - last) < 1000, "no step");
    last = clock.at(at);
  }
  assert.ok(last < 2000, String(last));
});

test("a page clock in whole milliseconds makes the offset less sure", () => {
  const clock = new ClockOffset();
  for (let n = 0; n < 5; n += 1) clock.add(n * S + 3000, n * S + 3700, n * S + 3700, n * S + 4000);
  assert.equal(clock.uncertaintyUs(4 * S + 4000), 1500);
});
