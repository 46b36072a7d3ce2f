// When to beat, and how long the car has not answered. The car frees a viewer that is silent for 5 s; the page wants
// to know within 2 s whether a frozen picture is the path's fault or the camera's. Pure: `now` (milliseconds) is
// always an argument. Driven by session.js.

const BEAT_MS = 1000;
/** While the picture is frozen the answer is wanted sooner. */
const PROBE_MS = 250;

export class Heart {
  #next = Infinity;
  #echoAt = null;

  /** The channel is open: beat from now on. */
  start(now) {
    this.#next = now;
    this.#echoAt = null;
  }

  stop() {
    this.#next = Infinity;
    this.#echoAt = null;
  }

  /** Beat at once, whatever the rhythm says. */
  hurry(now) {
    if (this.#next !== Infinity) this.#next = now;
  }

  /** True when a heartbeat is due; each true counts as sent. `frozen`: the picture stands still. */
  due(now, frozen) {
    if (frozen) this.#next = Math.min(this.#next, now + PROBE_MS);
    if (now < this.#next) return false;
    this.#next = now + (frozen ? PROBE_MS : BEAT_MS);
    return true;
  }

  /** An answer has come. */
  echo(now) {
    this.#echoAt = now;
  }

  /** Milliseconds since the last answer; 0 if none ever came (a car that does not echo is judged by other signs). */
  silentMs(now) {
    return this.#echoAt === null ? 0 : now - this.#echoAt;
  }

  /** Whether the car has answered lately: there is a car and a path, whatever the picture does. */
  answered(now) {
    return this.#echoAt !== null && now - this.#echoAt < 3 * BEAT_MS;
  }

  deadline() {
    return this.#next;
  }
}
