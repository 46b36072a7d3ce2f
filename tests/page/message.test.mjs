// The page's half of the channel messages agrees with `src/message.rs`, byte for byte.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { Severity, heartbeat, hello, keyframeWish, parse } = await load("message");
const bytes = (...list) => Uint8Array.from(list).buffer;

test("what the page says has the documented bytes", () => {
  assert.deepEqual([...hello(0x0102030405060708n)], [1, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual([...hello(0xffffffffffffffffn)], [1, 1, ...Array(8).fill(255)]);
  assert.deepEqual([...heartbeat(258)], [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
  assert.deepEqual([...keyframeWish()], [3, 1]);
});

test("what the car says is read", () => {
  assert.deepEqual(parse(bytes(0x81, 1, 0, 0, 0, 0, 0, 0, 0, 9)), { kind: "hello", build: 9n });
  const echo = parse(bytes(0x82, 2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4));
  assert.deepEqual(echo, { kind: "echo", sentUs: 258, receivedUs: 3, answeredUs: 4 });
  const text = new TextEncoder().encode("für");
  const notice = parse(bytes(0x84, 1, 1, 2, ...text));
  assert.deepEqual(notice, { kind: "notice", topic: 1, severity: Severity.FAULT, text: "für" });
  assert.equal(parse(bytes(0x84, 1, 2, 0)).text, "");
});

test("what is not known is refused without an exception", () => {
  const bad = [
    [], [0x81], [0x81, 1], [0x81, 2, 0, 0, 0, 0, 0, 0, 0, 9], [0x81, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0], [0x82, 1, 0],
    [0x84, 1], [0x84, 1, 1], [0x84, 1, 1, 3, 65], [0x84, 2, 1, 1, 65], [0x03, 1], [0x7f, 1, 0],
  ];
  for (const one of bad) assert.equal(parse(bytes(...one)), null, String(one));
  assert.equal(parse("text"), null);
});

test("broken UTF-8 in a notice is shown as far as it can be read", () => {
  assert.equal(parse(bytes(0x84, 1, 1, 1, 0x41, 0xff, 0x42)).text, "A\ufffdB");
});
