// Watches that pictures keep coming: when to ask the car for a keyframe, and for how long the picture has been
// frozen. The browser itself asks only every 3 s in mid-stream, which is 40 m of road. Pure: `now` (milliseconds)
// is always an argument. Fed and polled by session.js.

/** No picture for this long is worth a keyframe (six frames at 30 fps). */
const QUIET_MS = 200;
/** Spacing of the repeated wishes; the last one is the cap, so that a car without pictures is not pestered. */
const SPACING_MS = [200, 400, 800, 1000];
/** So long without a picture is said on the screen; below it is a hiccup nobody could read about in time. */
const FROZEN_MS = 500;
/** A stream slower than 10 fps is quiet only after so many of its own frame times; learned from the last few. */
const QUIET_FRAMES = 2;
const LEARN_FROM = 9;
const SLOWEST_MS = 1000;

export class Watchdog {
  #shownAt = null;
  #nextWish = Infinity;
  #wishes = 0;
  #intervals = [];
  #paused = false;

  /** A picture was shown. */
  frame(now) {
    if (this.#shownAt !== null && !this.#paused) {
      this.#intervals.push(now - this.#shownAt);
      if (this.#intervals.length > LEARN_FROM) this.#intervals.shift();
    }
    this.#rest(now);
  }

  /** No pictures are expected from now on (new session): waits for the next first one. */
  reset() {
    this.#shownAt = null;
    this.#intervals = [];
    this.#nextWish = Infinity;
    this.#wishes = 0;
  }

  /** A hidden tab is shown nothing: time does not count while paused, and starts afresh after it. */
  pause(paused, now) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (this.#shownAt !== null) this.#rest(now);
  }

  /** True when a keyframe should be asked for now; each true counts as asked. */
  wish(now) {
    if (this.#paused || now < this.#nextWish) return false;
    this.#nextWish = now + SPACING_MS[Math.min(this.#wishes, SPACING_MS.length - 1)];
    this.#wishes += 1;
    return true;
  }

  /** Milliseconds since the last picture if that is long enough to be called frozen, else 0. */
  frozenMs(now) {
    if (this.#paused || this.#shownAt === null) return 0;
    const age = now - this.#shownAt;
    return age > FROZEN_MS - QUIET_MS + this.#quietMs() ? age : 0;
  }

  /** When to look again: the next wish, or the moment the picture counts as frozen. */
  deadline(now) {
    if (this.#paused || this.#shownAt === null) return Infinity;
    const frozenAt = this.#shownAt + FROZEN_MS - QUIET_MS + this.#quietMs();
    return Math.min(this.#nextWish, frozenAt > now ? frozenAt : Infinity);
  }

  #rest(now) {
    this.#shownAt = now;
    this.#nextWish = now + this.#quietMs();
    this.#wishes = 0;
  }

  /** The median forgives single hiccups, which an average would take for a slow stream. */
  #quietMs() {
    if (this.#intervals.length < 3) return QUIET_MS;
    const sorted = [...this.#intervals].sort((a, b) => a - b);
    const median = Math.min(sorted[sorted.length >> 1], SLOWEST_MS);
    return Math.max(QUIET_MS, QUIET_FRAMES * median);
  }
}
