// How long the person saw no living picture, over however many attempts, and for how long to tell that it is over.
// Pure: `now` (milliseconds) is always an argument. Driven by session.js.

/** "Reconnected after ..." stays so long. */
const TOLD_MS = 3000;

export class Outage {
  #since = null;
  #told = null;

  /** How often the picture came back. */
  count = 0;

  /** The path was lost; `since` is when the last picture was shown. A running outage keeps its beginning. */
  begin(since) {
    this.#since ??= since;
  }

  /** A picture was shown: true if that ended an outage. */
  end(now) {
    if (this.#since === null) return false;
    this.#told = { afterMs: now - this.#since, until: now + TOLD_MS };
    this.#since = null;
    this.count += 1;
    return true;
  }

  /** Length of the running outage, or null. */
  ms(now) {
    return this.#since === null ? null : now - this.#since;
  }

  /** Length of the outage that ended just now, while that is still news, else null. */
  news(now) {
    if (this.#told !== null && now >= this.#told.until) this.#told = null;
    return this.#told?.afterMs ?? null;
  }
}
