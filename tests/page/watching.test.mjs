// The page notices soon, and in good measure, that pictures or answers stay away. All in virtual time.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { Watchdog } = await load("watchdog");
const { Heart } = await load("heart");
const { Outage } = await load("outage");
const { Backoff } = await load("backoff");

/** Pictures every `step` from `from` up to and with `to`. */
function play(dog, from, to, step) {
  for (let now = from; now <= to; now += step) dog.frame(now);
}

/** The times in (from, to] at which the dog wishes for a keyframe, asked every millisecond. */
function wishes(dog, from, to) {
  const at = [];
  for (let now = from + 1; now <= to; now += 1) if (dog.wish(now)) at.push(now);
  return at;
}

test("a keyframe is asked for after 200 ms without a picture, then ever more rarely, at least once a second", () => {
  const dog = new Watchdog();
  play(dog, 0, 990, 33);
  assert.deepEqual(wishes(dog, 990, 5000), [1190, 1390, 1790, 2590, 3590, 4590]);
});

test("after the picture is back the next freeze is asked for as soon as the first", () => {
  const dog = new Watchdog();
  play(dog, 0, 990, 33);
  wishes(dog, 990, 4000);
  play(dog, 4000, 4990, 33);
  assert.deepEqual(wishes(dog, 4990, 5500), [5190, 5390]);
});

test("nothing is asked for before the first picture, nor after a reset, nor while hidden", () => {
  const dog = new Watchdog();
  assert.deepEqual(wishes(dog, 0, 3000), []);
  play(dog, 3000, 4000, 33);
  dog.pause(true, 4010);
  assert.deepEqual(wishes(dog, 4010, 9000), []);
  assert.equal(dog.frozenMs(9000), 0);
  dog.pause(false, 9000);
  assert.deepEqual(wishes(dog, 9000, 9250), [9200]);
  dog.reset();
  assert.deepEqual(wishes(dog, 9250, 12000), []);
  assert.equal(dog.frozenMs(12000), 0);
});

test("a picture older than half a second is called frozen, and how old it is", () => {
  const dog = new Watchdog();
  play(dog, 0, 990, 33);
  assert.equal(dog.frozenMs(990 + 500), 0);
  assert.equal(dog.frozenMs(990 + 501), 501);
  assert.equal(dog.frozenMs(990 + 1200), 1200);
  dog.frame(2200);
  assert.equal(dog.frozenMs(2210), 0);
});

test("a stream of 4 pictures a second is slow, not frozen, and is not pestered", () => {
  const dog = new Watchdog();
  play(dog, 0, 2000, 250);
  for (let now = 2250; now <= 6000; now += 250) {
    assert.deepEqual(wishes(dog, now - 250, now), []);
    assert.equal(dog.frozenMs(now), 0);
    dog.frame(now);
  }
  assert.deepEqual(wishes(dog, 6000, 6600), [6500]);
});

test("one long freeze does not make the dog slow", () => {
  const dog = new Watchdog();
  play(dog, 0, 990, 33);
  dog.frame(3000);
  assert.deepEqual(wishes(dog, 3000, 3250), [3200]);
});

test("the watchdog's timer is set for the next thing that can happen", () => {
  const dog = new Watchdog();
  assert.equal(dog.deadline(0), Infinity);
  dog.frame(1000);
  assert.equal(dog.deadline(1000), 1200);
  assert.equal(dog.wish(1200), true);
  assert.equal(dog.deadline(1200), 1400);
  assert.equal(dog.wish(1400), true);
  assert.equal(dog.deadline(1400), 1500);
});

test("the heart beats once a second, four times while frozen, and never before the channel is open", () => {
  const heart = new Heart();
  assert.equal(heart.due(0, false), false);
  heart.hurry(0);
  assert.equal(heart.due(0, true), false);
  heart.start(100);
  const beats = (from, to, frozen) => {
    const at = [];
    for (let now = from; now < to; now += 10) if (heart.due(now, frozen)) at.push(now);
    return at;
  };
  assert.deepEqual(beats(100, 2500, false), [100, 1100, 2100]);
  assert.deepEqual(beats(2500, 3100, true), [2750, 3000]);
  heart.hurry(3110);
  assert.equal(heart.due(3110, false), true);
});

test("a car that never answered is not called silent, one that stopped is", () => {
  const heart = new Heart();
  heart.start(0);
  assert.equal(heart.silentMs(9000), 0);
  assert.equal(heart.answered(10), false);
  heart.echo(1000);
  assert.equal(heart.answered(2000), true);
  assert.equal(heart.silentMs(5000), 4000);
  assert.equal(heart.answered(5000), false);
});

test("an outage lasts from the last picture to the next, over all attempts, and is told for 3 s", () => {
  const outage = new Outage();
  assert.equal(outage.end(0), false);
  outage.begin(1000);
  outage.begin(2000);
  assert.equal(outage.ms(3000), 2000);
  assert.equal(outage.end(4200), true);
  assert.equal(outage.count, 1);
  assert.equal(outage.ms(4300), null);
  assert.equal(outage.news(7199), 3200);
  assert.equal(outage.news(7200), null);
});

test("attempts are spaced from 0.5 s to 5 s, never less than the car asked for, and start small again", () => {
  const backoff = new Backoff();
  assert.deepEqual([0, 0, 0, 0, 0, 0].map(() => backoff.next()), [500, 1000, 2000, 4000, 5000, 5000]);
  backoff.reset();
  assert.equal(backoff.next(7000), 7000);
  assert.equal(backoff.next(10), 1000);
});
