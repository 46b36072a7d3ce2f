// How far the car's clock is from the page's, learned from heartbeats. The sample with the shortest round trip of
// the last minute counts: whatever waited in a queue only makes a round trip longer, so the shortest lies best.
// Pure; fed by session.js, read by whoever joins the car's stamps with the page's.

/** One heartbeat a second: a minute's worth, so that the drift of two quartz clocks (up to ~50 us/s) stays small. */
const KEPT = 60;

export class ClockOffset {
  #samples = [];

  /** Car clock minus page clock in microseconds; null before the first echo. */
  offsetUs = null;
  /** The round trip of the sample that offset comes from, microseconds; null before the first echo. */
  rttUs = null;

  /** An echo came back: sent by the page, received and answered by the car, the page's clock now; all microseconds. */
  add(sentUs, receivedUs, answeredUs, nowUs) {
    const rttUs = nowUs - sentUs - (answeredUs - receivedUs);
    // A stamp from the future is not ours (an older page's echo, or nonsense).
    if (!(rttUs >= 0)) return;
    this.#samples.push({ rttUs, offsetUs: (receivedUs + answeredUs) / 2 - (sentUs + nowUs) / 2 });
    if (this.#samples.length > KEPT) this.#samples.shift();
    const best = this.#samples.reduce((a, b) => (b.rttUs < a.rttUs ? b : a));
    this.offsetUs = best.offsetUs;
    this.rttUs = best.rttUs;
  }

  /** Another car, or the same one restarted: its clock tells nothing about the old one. */
  clear() {
    this.#samples = [];
    this.offsetUs = null;
    this.rttUs = null;
  }
}
