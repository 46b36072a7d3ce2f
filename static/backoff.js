// How long to wait before the next attempt: 0.5 s doubling to 5 s, so that a car that is back is found soon and one
// that is away is not hammered. Pure; used by session.js.

const FIRST_MS = 500;
const LAST_MS = 5000;

export class Backoff {
  #failures = 0;

  /** Milliseconds to wait after one more failure; `atLeast` is what the car itself asked for (Retry-After). */
  next(atLeast = 0) {
    const wait = Math.min(FIRST_MS * 2 ** this.#failures, LAST_MS);
    this.#failures += 1;
    return Math.max(wait, atLeast);
  }

  /** A picture was shown: the next trouble is a new one. */
  reset() {
    this.#failures = 0;
  }
}
