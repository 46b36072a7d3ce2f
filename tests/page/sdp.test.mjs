// The page's little SDP: fragments as RFC 8840 wants them, and the answer after an ICE restart.

import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./modules.mjs";

const { fragment, hasH264, refused, restarted, udpPort } = await load("sdp");

const sdp = (...lines) => lines.map((line) => line + "\r\n").join("");
const OFFER = sdp(
  "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
  "m=video 9 UDP/TLS/RTP/SAVPF 102 103", "c=IN IP4 0.0.0.0", "a=ice-ufrag:old", "a=ice-pwd:oldoldold", "a=mid:0",
  "a=rtpmap:102 H264/90000", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=ice-ufrag:old", "a=ice-pwd:oldoldold", "a=mid:1",
);
const ANSWER = sdp(
  "v=0", "o=x 5 7 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
  "m=video 9 UDP/TLS/RTP/SAVPF 102", "a=ice-ufrag:car", "a=ice-pwd:carcarcar", "a=mid:0",
  "a=candidate:1 1 udp 2130706431 192.0.2.7 8080 typ host", "a=end-of-candidates", "a=setup:passive",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=ice-ufrag:car", "a=ice-pwd:carcarcar", "a=mid:1",
);

test("a fragment names the bundle, its first section and our credentials", () => {
  assert.equal(
    fragment(OFFER, ["candidate:1 1 udp 1 192.0.2.9 5000 typ host"], true),
    sdp("a=group:BUNDLE 0 1", "m=video 9 UDP/TLS/RTP/SAVPF 102 103", "a=mid:0", "a=ice-ufrag:old", "a=ice-pwd:oldoldold",
      "a=candidate:1 1 udp 1 192.0.2.9 5000 typ host", "a=end-of-candidates"),
  );
});

test("an ICE restart replaces credentials and candidates and nothing else", () => {
  const news = sdp("m=video 9 UDP/TLS/RTP/SAVPF 102", "a=mid:0", "a=ice-ufrag:new", "a=ice-pwd:newnewnew",
    "a=candidate:9 1 udp 2130706431 198.51.100.4 8080 typ host", "a=end-of-candidates");
  const before = ANSWER.split("\r\n");
  const after = restarted(ANSWER, news).split("\r\n");
  assert.deepEqual(
    before.filter((line) => !after.includes(line)),
    ["o=x 5 7 IN IP4 0.0.0.0", "a=ice-ufrag:car", "a=ice-pwd:carcarcar",
      "a=candidate:1 1 udp 2130706431 192.0.2.7 8080 typ host", "a=ice-ufrag:car", "a=ice-pwd:carcarcar"],
  );
  assert.equal(after.filter((line) => line === "a=ice-ufrag:new").length, 2);
  assert.equal(after.filter((line) => line === "a=ice-pwd:newnewnew").length, 2);
  assert.ok(after.includes("o=x 5 8 IN IP4 0.0.0.0"));
  const second = after.findIndex((line) => line.startsWith("m=application"));
  const candidate = after.findIndex((line) => line.startsWith("a=candidate:9"));
  assert.ok(candidate > 5 && candidate < second, "candidates stand in the first section");
});

test("a fragment without credentials is no restart", () => {
  assert.equal(restarted(ANSWER, "a=end-of-candidates\r\n"), null);
  assert.equal(restarted(ANSWER, ""), null);
});

test("what the sentences need is read from a description", () => {
  assert.equal(hasH264(OFFER), true);
  assert.equal(hasH264(OFFER.replace("H264", "VP8")), false);
  assert.equal(udpPort(ANSWER), 8080);
  assert.equal(udpPort(OFFER), null);
  assert.equal(refused(ANSWER), false);
  assert.equal(refused(ANSWER.replace("m=video 9", "m=video 0")), true);
});
