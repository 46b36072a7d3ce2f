// Each state of the connection has its plain sentence, and a healthy picture has none.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { describe } = await load("words");

const state = (over) => ({
  stage: "live", sinceMs: 0, frozenMs: 0, restarting: false, failure: null, retryInMs: null, outageMs: null,
  backAfterMs: null, reconnects: 0, notices: [], ...over,
});
const lost = (failure, over) => state({ stage: "lost", retryInMs: 2000, failure: { port: null, text: "", ...failure }, ...over });
const notice = (severity, text, ageMs = 0) => ({ kind: "notice", topic: 1, severity, text, ageMs });

test("a healthy picture has nothing over it", () => {
  assert.equal(describe(state()), null);
  assert.equal(describe(state({ notices: [notice(0, "demo", 4001)] })), null);
});

test("each stage on the way names itself", () => {
  const said = ["signaling", "connecting", "securing", "communicating"].map((stage) => describe(state({ stage })).text);
  assert.equal(new Set(said).size, 4);
  assert.match(said[0], /Asking the car/);
});

test("a frozen picture says for how long, and why if the car knows", () => {
  assert.equal(describe(state({ stage: "frozen", frozenMs: 1234 })).text, "Picture frozen for 1.2 s.");
  const words = describe(state({ stage: "frozen", frozenMs: 1234, notices: [notice(2, "the camera is gone")] }));
  assert.equal(words.text, "Picture frozen for 1.2 s.");
  assert.equal(words.hint, "the camera is gone");
});

test("every failure has words, a hint, and says when the next attempt comes", () => {
  const failures = [
    ...["unreachable", "timeout", "full", "no-h264", "refused", "nonsense", "browser"].map((kind) => ({ stage: "signaling", kind })),
    ...[400, 403, 404, 406, 415, 500].map((status) => ({ stage: "signaling", kind: "status", status })),
    { stage: "connecting", kind: "timeout", port: 8080 },
    { stage: "securing", kind: "failed" },
    { stage: "communicating", kind: "timeout" },
  ];
  const seen = new Set();
  for (const failure of failures) {
    const words = describe(lost(failure));
    assert.equal(words.tone, "bad");
    assert.ok(words.hint.length > 10, JSON.stringify(failure));
    assert.equal(words.next, "Trying again in 2 s.");
    seen.add(words.text);
  }
  assert.equal(seen.size, failures.length);
});

test("the failed stage is named with what is known of it", () => {
  assert.match(describe(lost({ stage: "connecting", kind: "timeout", port: 8080 })).text, /UDP port 8080/);
  assert.equal(describe(lost({ stage: "signaling", kind: "full", text: "all 8 seats are taken" })).text, "All 8 seats are taken.");
  assert.equal(describe(lost({ stage: "signaling", kind: "full" })).text, "All seats are taken.");
  assert.match(describe(lost({ stage: "signaling", kind: "status", status: 500, text: "no source" })).text, /500: no source/);
  assert.match(describe(lost({ stage: "signaling", kind: "no-h264" })).text, /H\.264/);
});

test("a failure stays on the screen until an attempt gets further than it did", () => {
  const failure = { stage: "connecting", kind: "timeout", port: 8080, text: "" };
  for (const stage of ["signaling", "connecting"]) assert.match(describe(state({ stage, failure })).text, /No path/);
  assert.match(describe(state({ stage: "securing", failure })).text, /securing/);
});

test("a lost picture says how long ago, and how far the way back is", () => {
  const failure = { stage: "live", kind: "closed", port: null, text: "" };
  const waiting = describe(state({ stage: "lost", failure, outageMs: 3210, retryInMs: 400 }));
  assert.deepEqual([waiting.text, waiting.next], ["The car ended the connection 3.2 s ago.", "Trying again in 1 s."]);
  const trying = describe(state({ stage: "connecting", failure, outageMs: 3210 }));
  assert.match(trying.hint, /Looking for a path/);
});

test("being back is said, but a warning of the car is more important, and can be put away", () => {
  assert.equal(describe(state({ backAfterMs: 3210 })).text, "Reconnected after 3.2 s.");
  const words = describe(state({ backAfterMs: 3210, notices: [notice(0, "info"), notice(1, "profile differs")] }));
  assert.deepEqual([words.text, words.tone], ["profile differs", "warn"]);
  assert.notEqual(words.dismiss, null);
});

test("a token is asked for without blame", () => {
  const words = describe(lost({ stage: "signaling", kind: "token" }, { retryInMs: null }));
  assert.deepEqual([words.tone, words.next], ["info", ""]);
});

test("what the board says of its power is shown over a live picture while it lasts, and can be put away", () => {
  const text = "The board's voltage is too low: it slows down. Try a better supply or a shorter cable.";
  const words = describe(state({ notices: [{ kind: "notice", topic: 4, severity: 1, text, ageMs: 60_000 }] }));
  assert.deepEqual([words.tone, words.text, words.dismiss], ["warn", text, `4 ${text}`]);
});
