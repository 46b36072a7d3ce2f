// Stamps and shown frames are joined by their RTP time and nothing else, whatever is lost, late or cut.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { FATES, Joiner, stages } = await load("join");
const { SUMMANDS } = await load("stages");

/** The car's clock is ahead of the page's by so much, us. */
const OFFSET = 5_000_000;
const STEP = 3000;

/** Frame n of a stream at 30 a second that began at RTP time `first`, captured at page time 33.333 n ms. */
function record(n, first = 0, more = {}) {
  const capturedUs = OFFSET + Math.round((n * 100_000) / 3);
  return {
    rtpTime: (first + n * STEP) >>> 0, capturedUs, encodingUs: capturedUs + 1000, dequeuedUs: capturedUs + 6000,
    packetizedUs: capturedUs + 6100, protectedUs: capturedUs + 6400, sentUs: capturedUs + 6500, ...more,
  };
}

function shown(n, counter, first = 0, more = {}) {
  const takenMs = (n * 100) / 3;
  return {
    rtpTime: (first + n * STEP) >>> 0, receivedMs: takenMs + 9, decodeMs: 0.5, presentedMs: takenMs + 11,
    seenMs: takenMs + 12, counter, ...more,
  };
}

function joiner() {
  const joined = [];
  const settled = [];
  const one = new Joiner({ joined: (entry) => joined.push(entry), settled: (entry) => settled.push(entry) });
  return { one, joined, settled, fates: () => settled.map(({ fate }) => FATES[fate]) };
}

const near = (a, b) => assert.ok(Math.abs(a - b) < 0.01, `${a} is not ${b}`);

test("a frame's stages add up to its age when it was shown", () => {
  const found = stages(record(3), shown(3, 1), OFFSET);
  near(found.camera, 1);
  near(found.encode, 5);
  near(found.send, 0.5);
  near(found.packetize + found.protect + found.write, found.send);
  near(found.network, 2.5);
  near(found.decode, 0.5);
  near(found.waiting, 1.5);
  near(found.page, 1);
  near(found.total, 11);
  near(SUMMANDS.reduce((sum, key) => sum + (found[key] ?? 0), 0), found.total);
});

test("what nobody measured stays together and is not made up", () => {
  const camera = stages(record(0, 0, { encodingUs: null }), shown(0, 1), OFFSET);
  assert.equal(camera.encode, null);
  near(camera.camera, 6);
  const firefox = stages(record(0), shown(0, 1, 0, { receivedMs: null, decodeMs: null }), OFFSET);
  assert.deepEqual([firefox.network, firefox.decode, firefox.waiting], [null, null, null]);
  near(firefox.way, 4.5);
  near(SUMMANDS.reduce((sum, key) => sum + (firefox[key] ?? 0), 0), firefox.total);
  const early = stages(record(0), shown(0, 1), null);
  assert.deepEqual([early.network, early.total], [null, null], "no clock yet");
  near(early.send, 0.5);
});

test("batches may come before or after their frames, in any order, twice", () => {
  const { one, joined, fates } = joiner();
  one.stamps([record(1), record(0)], OFFSET, 0);
  one.presented(shown(0, 1), OFFSET, 1);
  one.presented(shown(1, 2), OFFSET, 2);
  one.presented(shown(2, 3), OFFSET, 3);
  one.presented(shown(3, 4), OFFSET, 4);
  one.presented(shown(3, 4), OFFSET, 4);
  one.stamps([record(3)], OFFSET, 5);
  one.stamps([record(2), record(3)], OFFSET, 6);
  assert.deepEqual(joined.map(({ rtpTime }) => rtpTime / STEP), [0, 1, 3, 2]);
  one.settle(3000);
  assert.deepEqual(fates(), ["shown", "shown", "shown", "shown"]);
  assert.deepEqual(one.counts, { shown: 4, joined: 4, unjoined: 0, unseen: 0, never: 0, cut: 0, unclear: 0 });
});

test("a stamp that is nearly a frame's is not that frame's", () => {
  const { one, joined } = joiner();
  one.presented(shown(1, 1), OFFSET, 0);
  one.stamps([record(1, 1), record(1, -1)], OFFSET, 0);
  one.settle(9000);
  assert.deepEqual(joined, []);
  assert.equal(one.counts.unjoined, 1);
});

test("the RTP clock may wrap in mid-stream", () => {
  const { one, joined, settled } = joiner();
  const first = 2 ** 32 - 3 * STEP;
  for (let n = 0; n < 8; n += 1) one.presented(shown(n, n + 1, first), OFFSET, n);
  one.stamps([7, 6, 5, 4, 3, 2, 1, 0].map((n) => record(n, first)), OFFSET, 9);
  one.settle(9000);
  assert.equal(joined.length, 8);
  assert.deepEqual(settled.map(({ stages: { total } }) => Math.round(total)), Array(8).fill(11));
  assert.deepEqual(settled.map(({ frame }) => frame.counter), [1, 2, 3, 4, 5, 6, 7, 8], "in the order they were taken");
});

test("what is missing on either side of the wrap is judged as anywhere else", () => {
  const { one, fates } = joiner();
  const first = 2 ** 32 - 2 * STEP;
  for (const [n, counter] of [[0, 1], [3, 2], [4, 3], [6, 5]]) {
    one.presented(shown(n, counter, first), OFFSET, n * 3000);
    one.stamps([record(n, first), record(n + 1, first)], OFFSET, n * 3000);
  }
  one.settle(99_000);
  assert.deepEqual(fates(), ["shown", "never shown", "shown", "shown", "unseen", "shown"]);
});

test("a frame that never came is told from one that came while the page was busy", () => {
  const { one, fates } = joiner();
  one.stamps([0, 1, 2, 3, 4, 5].map((n) => record(n)), OFFSET, 0);
  one.presented(shown(0, 1), OFFSET, 0);
  // 1 was lost on the way: the browser has shown one picture since.
  one.presented(shown(2, 2), OFFSET, 0);
  // 3 and 4 were shown, but the page was told of 5 only.
  one.presented(shown(5, 5), OFFSET, 0);
  one.settle(9000);
  assert.deepEqual(fates(), ["shown", "never shown", "shown", "unseen", "unseen", "shown"]);
  assert.deepEqual([one.counts.never, one.counts.unseen], [1, 2]);
});

test("of two missing frames of which one was shown nobody knows which", () => {
  const { one, fates } = joiner();
  one.stamps([0, 1, 2, 3].map((n) => record(n)), OFFSET, 0);
  one.presented(shown(0, 1), OFFSET, 0);
  one.presented(shown(3, 3), OFFSET, 0);
  one.settle(9000);
  assert.deepEqual(fates(), ["shown", "unclear", "unclear", "shown"]);
});

test("a frame the car cut short is told as that, and a lost batch leaves frames without stages", () => {
  const { one, fates } = joiner();
  one.stamps([record(0), record(1, 0, { sentUs: null })], OFFSET, 0);
  for (const [n, counter] of [[0, 1], [2, 2], [3, 3]]) one.presented(shown(n, counter), OFFSET, 0);
  one.settle(9000);
  assert.deepEqual(fates(), ["shown", "cut", "shown", "shown"]);
  assert.deepEqual([one.counts.shown, one.counts.joined, one.counts.unjoined, one.counts.cut], [4 - 1, 1, 2, 1]);
});

test("nothing is kept for long, whatever never comes", () => {
  const { one, settled } = joiner();
  for (let n = 0; n < 5000; n += 1) one.presented(shown(n, n + 1), OFFSET, 0);
  assert.ok(settled.length >= 5000 - 512, String(settled.length));
  for (let n = 5000; n < 9000; n += 1) one.stamps([record(n)], OFFSET, 1);
  one.settle(9000);
  one.presented(shown(9000, 9000), OFFSET, 9001);
  one.settle(20_000);
  assert.equal(settled.length, 9001);
});

test("another session begins anew, and what it had before its first picture does not count", () => {
  const { one, settled } = joiner();
  one.stamps([record(0), record(1)], OFFSET, 0);
  one.presented(shown(1, 1), OFFSET, 0);
  one.reset();
  assert.equal(settled.length, 1, "the picture before the first shown one was not meant to be shown");
  one.stamps([record(5, 77)], OFFSET, 0);
  one.presented(shown(5, 1, 77), OFFSET, 0);
  one.reset();
  assert.deepEqual([one.counts.shown, one.counts.unseen, one.counts.never], [2, 0, 0]);
});

test("after seven hours a late frame is still told from one before the first picture", () => {
  const { one, settled } = joiner();
  [0, 1e9, 2e9, 3e9].forEach((rtpTime, n) => {
    one.stamps([record(0, rtpTime)], OFFSET, n * 10_000);
    one.presented(shown(0, n + 1, rtpTime), OFFSET, n * 10_000);
    one.settle(n * 10_000 + 5000);
  });
  const before = settled.length;
  one.stamps([record(0, 3e9 - 3000)], OFFSET, 50_000);
  one.settle(60_000);
  assert.equal(settled.length, before + 1);
});
