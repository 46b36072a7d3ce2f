// How old the picture on the screen is: now minus when it was taken, which grows while it stands still. Weighted by
// time, not by frame: a frame that stays for a second counts for a second. All times are the page's clock in
// milliseconds. Pure; `instrument.js` feeds it.

/** A minute at 120 frames a second. */
const KEPT = 7200;
/** The figure is a mean over so long: short enough to be the present, long enough to be read. */
const FIGURE_MS = 500;
/** A picture that stands still for longer, and for twice its usual time, is frozen: its age is told as it is, no mean. */
const FREEZE_MS = 200;
const FREEZE_USUAL = 2;
/** The usual time is a running mean over about so many pictures, in which no freeze counts for more than a second. */
const USUAL_OF = 8;
const USUAL_MOST_MS = 1000;

export class PictureAge {
  #shown = new Float64Array(KEPT);
  #taken = new Float64Array(KEPT);
  /** How many pictures the browser has shown with this one; 0 for a marker, which is none. */
  #pictures = new Uint32Array(KEPT);
  #counter = null;
  #count = 0;
  #usualMs = 0;
  #hidden = false;

  /** Pictures that were frozen until the next one came. */
  freezes = 0;

  /**
   * A picture was shown; `takenMs` is NaN while it is not known, `counter` is the browser's count of shown pictures: what
   * it showed while the page was too busy to be told was no freeze. Gives the picture's number, for `know`.
   */
  presented(shownMs, takenMs, counter = null) {
    // A count that went back is another session's.
    const ahead = counter === null || this.#counter === null ? 1 : counter - this.#counter;
    const pictures = ahead >= 1 ? ahead : 1;
    if (this.#count > 0 && !this.#hidden) {
      const last = this.#shown[(this.#count - 1) % KEPT];
      const stood = (shownMs - last) / pictures;
      if (pictures > 1 && this.#usualMs > 0 && last + this.#usualMs < shownMs) this.#put(last + this.#usualMs, NaN, 0);
      if (stood > this.#freezeMs()) this.freezes += 1;
      const usual = Math.min(stood, USUAL_MOST_MS);
      this.#usualMs += this.#usualMs === 0 ? usual : (usual - this.#usualMs) / USUAL_OF;
    }
    // Nobody saw what was shown while the page was hidden.
    const seen = this.#hidden ? 1 : pictures;
    this.#hidden = false;
    this.#counter = counter;
    return this.#put(shownMs, takenMs, seen);
  }

  /** Nobody sees the page from now on: until the next picture there is no age. */
  hide(now) {
    if (this.#count > 0) this.#put(now, NaN, 0);
    this.#hidden = true;
  }

  #freezeMs() {
    return Math.max(FREEZE_MS, FREEZE_USUAL * this.#usualMs);
  }

  #put(shownMs, takenMs, pictures) {
    this.#pictures[this.#count % KEPT] = pictures;
    this.#shown[this.#count % KEPT] = shownMs;
    this.#taken[this.#count % KEPT] = takenMs;
    this.#count += 1;
    return this.#count - 1;
  }

  /** When the picture of that number was taken. */
  know(number, takenMs) {
    if (number >= this.#count - KEPT) this.#taken[number % KEPT] = takenMs;
  }

  /** The figure: the mean age of the last half second, or while the picture is frozen its age now; null if unknown. */
  figure(now) {
    if (this.#count === 0) return null;
    const last = (this.#count - 1) % KEPT;
    if (now - this.#shown[last] > this.#freezeMs()) return known(now - this.#taken[last]);
    let [sum, time] = [0, 0];
    this.#each(now, FIGURE_MS, (from, to, taken) => {
      sum += ((from + to) / 2 - taken) * (to - from);
      time += to - from;
    });
    return time > 0 ? sum / time : null;
  }

  /** The ages below which the picture was for that share of the last `spanMs`; null if unknown. */
  percentiles(now, spanMs, shares) {
    const pieces = [];
    let [time, oldest] = [0, 0];
    this.#each(now, spanMs, (from, to, taken) => {
      pieces.push([from - taken, to - from]);
      time += to - from;
      oldest = Math.max(oldest, to - taken);
    });
    if (time === 0) return shares.map(() => null);
    return shares.map((share) => {
      // While a picture stands its age takes every value from first to last: the time below x is a sum, x is found by
      // halving.
      let [low, high] = [Math.min(0, ...pieces.map(([first]) => first)), oldest];
      while (high - low > 0.05) {
        const middle = (low + high) / 2;
        const below = pieces.reduce((sum, [first, length]) => sum + Math.min(Math.max(middle - first, 0), length), 0);
        if (below < share * time) low = middle;
        else high = middle;
      }
      return high;
    });
  }

  /** The greatest age in each of `columns` equal parts of the last `spanMs`, oldest first; NaN where unknown. */
  strip(now, spanMs, columns) {
    const ages = new Float64Array(columns).fill(NaN);
    const width = spanMs / columns;
    this.#each(now, spanMs, (from, to, taken) => {
      const first = Math.floor((from - now + spanMs) / width);
      const last = Math.min(columns - 1, Math.floor((to - now + spanMs) / width));
      for (let column = first; column <= last; column += 1) {
        const end = Math.min(to, now - spanMs + (column + 1) * width);
        if (!(ages[column] >= end - taken)) ages[column] = end - taken;
      }
    });
    return ages;
  }

  /** Pictures a second that were shown, also those the page was not told of, over the last `spanMs` or as long as there were any; null before. */
  rate(now, spanMs) {
    let [count, pictures, first] = [0, 0, now];
    while (count < this.#held() && this.#shown[(this.#count - 1 - count) % KEPT] > now - spanMs) {
      first = this.#shown[(this.#count - 1 - count) % KEPT];
      pictures += this.#pictures[(this.#count - 1 - count) % KEPT];
      count += 1;
    }
    const time = count < this.#held() ? spanMs : now - first;
    return time > 0 ? (1000 * pictures) / time : null;
  }

  #held() {
    return Math.min(this.#count, KEPT);
  }

  /** Calls `piece(from, to, taken)` for every picture in the last `spanMs` of which is known when it was taken. */
  #each(now, spanMs, piece) {
    const start = now - spanMs;
    for (let [number, to] = [this.#count - 1, now]; number >= this.#count - this.#held() && to > start; number -= 1) {
      const shown = this.#shown[number % KEPT];
      const taken = this.#taken[number % KEPT];
      const from = Math.max(shown, start);
      if (to > from && !Number.isNaN(taken)) piece(from, to, taken);
      to = Math.min(to, shown);
    }
  }
}

function known(age) {
  return Number.isNaN(age) ? null : age;
}
