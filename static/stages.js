// The stages of a picture's way as a person reads them, and their percentiles over the last 10 s. Pure; kept by
// instrument.js, drawn by panel.js.

/** Percentiles are of the last so many milliseconds. */
export const SPAN_MS = 10_000;
/** Ten seconds at 120 frames a second. */
const KEPT = 1200;

/**
 * In the order of the way. `part` is inside the stage before it, `after` comes after the picture was shown; a stage of
 * which the browser gives only the mean has it from getStats().
 */
export const STAGES = [
  { key: "camera", name: "camera" },
  { key: "encode", name: "encode" },
  { key: "send", name: "send" },
  { key: "packetize", name: "packetize", part: true },
  { key: "protect", name: "encrypt", part: true },
  { key: "write", name: "hand to kernel", part: true },
  { key: "network", name: "network" },
  { key: "decode", name: "decode" },
  { key: "waiting", name: "buffer, present" },
  { key: "buffer", name: "jitter buffer", part: true, mean: true },
  { key: "present", name: "present", part: true, mean: true },
  { key: "way", name: "network to present" },
  { key: "page", name: "page told", after: true },
];

/** Keys whose lengths add up to a frame's total. */
export const SUMMANDS = STAGES.filter(({ part, after }) => !part && !after).map(({ key }) => key);

/** The last ten seconds' joined frames. */
export class StageWindow {
  #rows = [];

  add(now, stages) {
    this.#rows.push({ now, stages });
    if (this.#rows.length > 2 * KEPT) this.#rows.splice(0, KEPT);
  }

  /** `{key: {p50, p95, p99, mean, count}}` of stages that were measured, and of `total`. */
  summary(now) {
    const fresh = this.#rows.filter((row) => row.now > now - SPAN_MS);
    this.#rows = fresh;
    const found = {};
    for (const key of [...STAGES.map((stage) => stage.key), "total"]) {
      const lengths = fresh.map(({ stages }) => stages[key]).filter((ms) => ms !== null && ms !== undefined);
      if (lengths.length > 0) found[key] = summary(lengths);
    }
    return found;
  }
}

/** Percentiles by nearest rank. */
export function summary(numbers) {
  const sorted = Float64Array.from(numbers).sort();
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const mean = sorted.reduce((sum, number) => sum + number, 0) / sorted.length;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), mean, count: sorted.length };
}
