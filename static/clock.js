// How far the car's clock is from the page's, learned from heartbeats with four stamps, and how sure that is. Whatever
// waited in a queue only makes a round trip longer, so the shortest lies best. A new best sample is approached slowly:
// a clock that stepped would make latencies jump that did not. Only if the page's clock stood still (the device slept) is
// it set anew: the old samples are then of another clock. Pure; fed by session.js, read by instrument.js.

/** One heartbeat a second: the last minute's worth. */
const KEPT = 60;
/** Two quartz clocks drift apart by up to so much, microseconds a second: an old sample is worth less each second. */
const DRIFT_US_PER_S = 50;
/** Browsers round their clock to this (Chromium) or more (Firefox, Safari: 1 ms); how much is learned from readings. */
const ROUNDED_US = 100;
/** So fast may the offset move, microseconds a second: ten times the drift, and too slow to be seen in a latency. */
const SLEW_US_PER_S = 500;
/** A great error is worse than a visible change: of what is wrong one part in so many seconds is mended each second. */
const SLEW_S = 5;
/** In the first seconds it moves faster: the first sample, taken while everything starts, is seldom a good one. */
const SETTLING_US = 5_000_000;
const SETTLING_US_PER_S = 100_000;

export class ClockOffset {
  #samples = [];
  #best = null;
  #since = 0;
  #at = 0;
  /** The coarsest grid, microseconds, that holds every reading of the page's clock so far. */
  #grainUs = 0;

  /** Car clock minus page clock in microseconds when it was last asked for; null before the first echo. */
  offsetUs = null;
  /** The round trip of the sample that the offset comes from, microseconds; null before the first echo. */
  rttUs = null;
  /** The newest round trip, microseconds; null before the first echo. */
  lastRttUs = null;

  /** An echo came back: sent by the page, received and answered by the car, the page's clock now; all microseconds. */
  add(sentUs, receivedUs, answeredUs, nowUs) {
    const rttUs = nowUs - sentUs - (answeredUs - receivedUs);
    // A stamp from the future is not ours (an older page's echo, or nonsense).
    if (!(rttUs >= 0 && answeredUs >= receivedUs)) return;
    this.at(nowUs);
    this.#grainUs = divisor(divisor(this.#grainUs, Math.round(sentUs)), Math.round(nowUs));
    const sample = { rttUs, offsetUs: (receivedUs + answeredUs) / 2 - (sentUs + nowUs) / 2, atUs: nowUs };
    // Both cannot be true: a clock stood still or jumped in between, and what was learned before is of another clock.
    const most = this.#best === null ? Infinity : this.#bound(this.#best, nowUs) + this.#bound(sample, nowUs);
    if (this.#best !== null && Math.abs(sample.offsetUs - this.#best.offsetUs) > most) this.clear();
    this.#samples.push(sample);
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#best = this.#samples.reduce((a, b) => (this.#bound(b, nowUs) <= this.#bound(a, nowUs) ? b : a));
    this.rttUs = this.#best.rttUs;
    this.lastRttUs = rttUs;
    if (this.offsetUs !== null) return;
    this.offsetUs = this.#best.offsetUs;
    this.#since = nowUs;
    this.#at = nowUs;
  }

  /** Car clock minus page clock in microseconds at the page's time `nowUs`; null before the first echo. */
  at(nowUs) {
    if (this.offsetUs === null || nowUs <= this.#at) return this.offsetUs;
    const error = this.#best.offsetUs - this.offsetUs;
    const least = this.#at - this.#since < SETTLING_US ? SETTLING_US_PER_S : SLEW_US_PER_S;
    const most = ((nowUs - this.#at) * Math.max(least, Math.abs(error) / SLEW_S)) / 1e6;
    this.offsetUs += Math.min(Math.max(error, -most), most);
    this.#at = nowUs;
    return this.offsetUs;
  }

  /** The true offset is not farther than this from `at(nowUs)`, microseconds; null before the first echo. */
  uncertaintyUs(nowUs) {
    if (this.offsetUs === null) return null;
    return this.#bound(this.#best, nowUs) + Math.abs(this.#best.offsetUs - this.at(nowUs));
  }

  /** Another car, or the same one restarted: its clock tells nothing about the old one. */
  clear() {
    this.#samples = [];
    this.#best = null;
    this.offsetUs = null;
    this.rttUs = null;
    this.lastRttUs = null;
  }

  /** How wrong a sample can be by now: its way there and back may have been shared out in any way. */
  #bound({ rttUs, atUs }, nowUs) {
    const drifted = (Math.max(0, nowUs - atUs) * DRIFT_US_PER_S) / 1e6;
    return rttUs / 2 + Math.max(ROUNDED_US, this.#grainUs) + drifted;
  }
}

/** The greatest common divisor. */
function divisor(a, b) {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
