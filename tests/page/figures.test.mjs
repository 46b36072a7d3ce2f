// The figures that are made of joined frames: age by time, percentiles, counters, stalls, and the saved run.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { PictureAge } = await load("age");
const { StageWindow, summary } = await load("stages");
const { Counters } = await load("counters");
const { StallMeter } = await load("stall");
const { FIELDS, Run } = await load("run");
const { told } = await load("panel");

/** Pictures every `step` ms from `from` up to and with `to`, each `late` ms old when it is shown. */
function play(age, from, to, step, late) {
  for (let at = from; at <= to; at += step) age.presented(at, at - late);
}
const near = (a, b, within = 0.1) => assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`);

test("the figure is the age by time: half a frame more than the latency", () => {
  const age = new PictureAge();
  assert.equal(age.figure(0), null);
  play(age, 0, 1000, 40, 30);
  near(age.figure(1040), 50, 0.5);
});

test("a frozen picture grows older with the clock, and the next one ends that", () => {
  const age = new PictureAge();
  play(age, 0, 1000, 40, 30);
  near(age.figure(1000 + 201), 231);
  near(age.figure(1000 + 3000), 3030);
  assert.equal(age.freezes, 0);
  age.presented(4100, 4070);
  assert.equal(age.freezes, 1);
  near(age.figure(4600), 530);
  play(age, 4140, 5100, 40, 30);
  near(age.figure(5140), 50, 0.5);
});

test("a slow stream is not frozen between its pictures", () => {
  const age = new PictureAge();
  play(age, 0, 10_000, 250, 30);
  const early = age.freezes;
  play(age, 10_250, 20_000, 250, 30);
  assert.ok(early <= 1, "the first interval is not known to be usual");
  assert.equal(age.freezes, early);
  near(age.figure(20_240), 155, 10);
});

test("a hidden page is shown nothing, and no age is made of that", () => {
  const age = new PictureAge();
  play(age, 0, 1000, 40, 30);
  age.hide(1040);
  assert.equal(age.figure(9000), null);
  play(age, 9000, 10_000, 40, 30);
  near(age.figure(10_040), 50, 0.5);
  assert.equal(age.freezes, 0);
  near(age.percentiles(10_040, 10_040, [0.99])[0], 70, 1);
});

test("percentiles count how long a picture was that old, not how many there were", () => {
  const age = new PictureAge();
  // 9 s of 30 + 0..40 ms, then one picture that stands for a second.
  play(age, 0, 9000, 40, 30);
  const [p50, p95, p99] = age.percentiles(10_000, 10_000, [0.5, 0.95, 0.99]);
  near(p50, 52.2, 0.5);
  near(p95, 530, 2);
  near(p99, 930, 2);
  assert.deepEqual(new PictureAge().percentiles(5, 5, [0.5]), [null]);
});

test("a picture of which nothing is known is left out until it is", () => {
  const age = new PictureAge();
  const number = age.presented(0, NaN);
  assert.equal(age.figure(100), null);
  assert.equal(age.figure(1000), null);
  age.know(number, -20);
  near(age.figure(1000), 1020);
});

test("the strip shows the worst of each column, and nothing where nothing was", () => {
  const age = new PictureAge();
  play(age, 30_000, 59_000, 50, 20);
  const strip = age.strip(60_000, 60_000, 60);
  assert.ok(Number.isNaN(strip[0]) && Number.isNaN(strip[28]));
  near(strip[40], 70);
  near(strip[59], 1020);
});

test("an hour of pictures takes no more room than a minute", () => {
  const age = new PictureAge();
  play(age, 0, 3_600_000, 100, 30);
  near(age.figure(3_600_050), 75, 10);
  near(age.rate(3_600_000, 10_000), 10, 0.2);
  age.know(0, 5);
});

test("stages have percentiles by nearest rank, with the count, of the last ten seconds", () => {
  assert.deepEqual(summary([4, 1, 3, 2]), { p50: 2, p95: 4, p99: 4, mean: 2.5, count: 4 });
  const window = new StageWindow();
  for (let at = 0; at < 20_000; at += 100) window.add(at, { camera: at, encode: null, total: 1 });
  const found = window.summary(20_000);
  assert.equal(found.camera.count, 99);
  assert.equal(found.camera.p50, 15_000);
  assert.equal(found.encode, undefined);
  assert.equal(found.total.p99, 1);
});

test("counters are differences within a session; the jitter buffer's part is told from the network's", () => {
  const counters = new Counters();
  assert.deepEqual(counters.summary(0), { bitrate: null, loss: null, lost: null, bufferMs: null });
  const report = (n, more) => new Map([["x", { type: "codec" }], ["a", {
    type: "inbound-rtp", packetsReceived: 90 * n, packetsLost: 10 * n, bytesReceived: 125_000 * n,
    jitterBufferDelay: 0.9 * n, totalAssemblyTime: 0.3 * n, jitterBufferEmittedCount: 30 * n, ...more,
  }]]);
  for (let n = 1; n <= 30; n += 1) counters.add(n * 1000, 1, report(n));
  const found = counters.summary(30_000);
  assert.deepEqual([found.bitrate, found.loss, found.lost], [1_000_000, 0.1, 100]);
  near(found.bufferMs, 20);
  counters.add(31_000, 2, report(1));
  assert.equal(counters.summary(31_000).bitrate, null, "another session counts from nothing");
  counters.add(32_000, 2, report(2, { totalAssemblyTime: undefined }));
  assert.equal(counters.summary(32_000).bufferMs, null);
  for (let n = 0; n < 2000; n += 1) counters.add(33_000 + n, 3, report(n));
  assert.equal(counters.samples().length, 600);
});

test("a stall is as long as the ticks were late, to half a tick", () => {
  for (let phase = 0; phase < 4; phase += 0.5) {
    const meter = new StallMeter();
    for (let at = 0; at <= 100; at += 4) meter.alive(at);
    const end = 100 + phase + 50;
    meter.alive(Math.max(end, 104));
    const [stall] = meter.recent(end, 1000);
    assert.ok(Math.abs(stall.lengthMs - 50) <= 2, `${phase}: ${stall.lengthMs}`);
  }
  const meter = new StallMeter();
  meter.alive(0);
  meter.alive(6);
  meter.pause();
  meter.alive(5000);
  assert.deepEqual(meter.recent(5000, 9000), []);
});

test("the run is well-formed CSV, one line a frame, and holds ten minutes", () => {
  const run = new Run();
  assert.equal(run.csv(), `${FIELDS.join(",")}\r\n`);
  for (let n = 0; n < 30 * 900; n += 1) {
    run.add(n * 33, { session: 1, fate: n % 5, rtp_time: 4294967295, presented: n * 33, total: 1 / 3, encode: null });
  }
  const rows = run.rows();
  assert.ok(rows.length >= 18_181 && rows.length <= 18_183, String(rows.length));
  assert.equal(rows.at(-1)[FIELDS.indexOf("total")], 0.333);
  const lines = run.csv().trimEnd().split("\r\n");
  assert.equal(lines.length, rows.length + 1);
  assert.ok(lines.every((line) => line.split(",").length === FIELDS.length));
  assert.match(lines[1], /^1,(shown|unseen|never shown|cut|unclear),4294967295,/);
  assert.ok(JSON.parse(JSON.stringify(rows)).length === rows.length);
  const fast = new Run();
  for (let n = 0; n < 100_000; n += 1) fast.add(n, { fate: 0 });
  assert.ok(fast.rows().length <= 71 * 1024, "however many frames there are");
});

test("a page too busy to be told of pictures makes no freeze, and their age is not known", () => {
  const age = new PictureAge();
  let counter = 0;
  for (let at = 0; at <= 1000; at += 40) age.presented(at, at - 30, (counter += 1));
  age.presented(2000, 1970, counter + 25);
  assert.equal(age.freezes, 0);
  near(age.percentiles(2000, 1000, [0.99])[0], 70, 1);
  assert.equal(age.figure(1999 + 10) < 100, true);
});

test("the frame rate counts what was shown, not what the page was told of, and no hiding", () => {
  const age = new PictureAge();
  let counter = 0;
  for (let at = 0; at <= 10_000; at += 80) age.presented(at, at - 30, (counter += 2));
  near(age.rate(10_000, 10_000), 25, 0.5);
  const one = new PictureAge();
  for (let n = 0; n <= 100; n += 1) one.presented(n * 100, n * 100 - 30, n + 1);
  for (let n = 1; n <= 30; n += 1) one.hide(10_000 + n);
  near(one.rate(10_040, 10_000), 10, 0.3);
});

test("the small figure promises no colour where the clocks are not sure, and hides no wrong clock", () => {
  assert.deepEqual(told(35, 2), { text: "35 ms", sure: true });
  assert.deepEqual(told(35, 300), { text: "35 ms ± 300", sure: false });
  assert.deepEqual(told(-1, 2), { text: "0 ms", sure: true });
  assert.equal(told(-50, 2).sure, false);
  assert.equal(told(null, null).sure, false);
  assert.equal(told(5000, 300).sure, true, "bad whatever the clocks say");
});
