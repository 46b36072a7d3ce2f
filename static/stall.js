// Finds out when the page itself stood still. A video goes on over a busy page, its clicks and keys do not, and the page
// is told of its pictures late. A tick that should come every few milliseconds comes late by as much as the page was
// busy, less what had passed since the tick before: so half a tick is added. Pure; instrument.js ticks it.

/** The shortest that browsers allow; a stall is known to half of it. */
export const TICK_MS = 4;
/** Shorter ones are the ordinary work of a page. */
const SHORTEST_MS = 16;
const KEPT = 64;

export class StallMeter {
  #last = null;
  #stalls = [];

  /** A tick came; `now` in milliseconds. */
  tick(now) {
    const lateMs = this.#last === null ? 0 : now - this.#last - TICK_MS;
    this.#last = now;
    if (lateMs < SHORTEST_MS) return;
    this.#stalls.push({ endMs: now, lengthMs: lateMs + TICK_MS / 2 });
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
