// Finds out when the page itself stood still. A video goes on over a busy page, its clicks and keys do not, and the
// page is told of its pictures late. Signs of life should come every few milliseconds; a longer gap is a stall, which
// began at any time within the first of these: half of that is taken off. Pure; fed by instrument.js.

/** The shortest that browsers allow; a stall is known to half of it. */
export const TICK_MS = 4;
/** Shorter ones are the ordinary work of a page. */
const SHORTEST_MS = 16;
const KEPT = 64;

export class StallMeter {
  #last = null;
  #stalls = [];

  /** A tick came, or another sign that the page lives; `now` in milliseconds. */
  alive(now) {
    const lengthMs = this.#last === null ? 0 : now - this.#last - TICK_MS / 2;
    this.#last = now;
    if (lengthMs < SHORTEST_MS) return;
    this.#stalls.push({ endMs: now, lengthMs });
    if (this.#stalls.length > KEPT) this.#stalls.shift();
  }

  /** No ticks for a while: the next one is not late. */
  pause() {
    this.#last = null;
  }

  /** Stalls of the last `spanMs`: `{endMs, lengthMs}`, oldest first. */
  recent(now, spanMs) {
    return this.#stalls.filter(({ endMs }) => endMs > now - spanMs);
  }
}
