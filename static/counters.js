// What the browser counts by itself (getStats), once a second: loss, bitrate, and how long frames wait in the jitter
// buffer on average, which it tells of no single frame. Pure; instrument.js feeds it.

import { SPAN_MS } from "./stages.js";

const KEPT = 600;
const NUMBERS = [
  "packetsReceived", "packetsLost", "bytesReceived", "framesReceived", "framesDecoded", "framesDropped", "nackCount",
  "pliCount", "jitterBufferDelay", "jitterBufferEmittedCount", "totalAssemblyTime", "freezeCount",
];

export class Counters {
  #samples = [];

  /** `report`: what RTCRtpReceiver.getStats() gave, of session number `session`. */
  add(now, session, report) {
    for (const [, stats] of report) {
      if (stats.type !== "inbound-rtp") continue;
      const sample = { now, session };
      for (const name of NUMBERS) sample[name] = stats[name] ?? null;
      this.#samples.push(sample);
      if (this.#samples.length > KEPT) this.#samples.shift();
    }
  }

  /** Of the last seconds: `bitrate` (bit/s), `loss` (0 to 1), `lost` packets, and means in ms; null is not known. */
  summary(now) {
    const last = this.#samples.at(-1);
    const first = this.#samples.find((one) => one.session === last.session && one.now > now - SPAN_MS - 1000);
    if (first === undefined || first === last) return { bitrate: null, loss: null, lost: null, bufferMs: null };
    const grown = (name) => (last[name] === null || first[name] === null ? null : last[name] - first[name]);
    // A packet that came after all is taken off again.
    const lost = Math.max(0, grown("packetsLost"));
    const all = grown("packetsReceived") + lost;
    const emitted = grown("jitterBufferEmittedCount");
    // The buffer counts from a frame's first packet; how long its others took to come is the network's.
    const assembly = grown("totalAssemblyTime");
    const inside = assembly === null || !emitted ? null : ((grown("jitterBufferDelay") - assembly) / emitted) * 1000;
    return {
      bitrate: (grown("bytesReceived") * 8000) / (last.now - first.now),
      loss: all > 0 ? lost / all : null,
      lost,
      bufferMs: inside === null ? null : Math.max(0, inside),
    };
  }

  /** All that is kept, a second each. */
  samples() {
    return this.#samples;
  }
}
