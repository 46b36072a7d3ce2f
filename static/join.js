// Puts together what the car says of a frame (stamps) and what the browser says of it (metadata of
// requestVideoFrameCallback). Only equal RTP timestamps belong together: nothing is matched "to the nearest frame".
// Stage lengths are milliseconds; null is what nobody measured. Pure; `instrument.js` feeds it.

/** A frame and its stamps may be so far apart: batches come each 0.2 s, repaired packets within a round trip or two. */
const SETTLE_MS = 2000;
/** More than ever wait, at 120 frames a second; a page that slept for a while forgets the rest. */
const WAITING_MOST = 512;

/** So far behind the newest, in RTP ticks (3 h), no frame can be that is still to be judged. */
const FIRST_BEHIND = 2 ** 30;

/** What became of a frame, by number (a run keeps numbers only). */
export const FATES = ["shown", "unseen", "never shown", "cut", "unclear"];
const [SHOWN, UNSEEN, NEVER, CUT, UNCLEAR] = FATES.keys();

export class Joiner {
  #joined;
  #settled;
  #entries = new Map();
  #gap = [];
  #firstShown = null;
  #lastShown = null;

  /**
   * `shown` frames the page was told of, `joined` of them with stamps, `unjoined` without (a lost batch); `unseen`
   * frames that were shown while the page was too busy to be told; `never` sent but not shown; `cut` left unfinished by
   * the car; `unclear` one of the last three.
   */
  counts = { shown: 0, joined: 0, unjoined: 0, unseen: 0, never: 0, cut: 0, unclear: 0 };

  /** `joined(entry)` is called at once when both halves are there, `settled(entry)` once for every frame, in order. */
  constructor({ joined, settled }) {
    this.#joined = joined;
    this.#settled = settled;
  }

  /**
   * The browser has shown a frame: `{rtpTime, receivedMs, decodeMs, presentedMs, seenMs, counter}`; `offsetUs` is the
   * car's clock minus the page's, `now` the page's clock in milliseconds.
   */
  presented(frame, offsetUs, now) {
    const entry = this.#entry(frame.rtpTime, now);
    // The same picture told twice (a resize does that) was shown once.
    if (entry.frame !== null) return;
    entry.frame = frame;
    this.#join(entry, offsetUs);
  }

  /**
   * A batch of the car's records, as message.js reads them. Batches may be late, lost or out of order. An entry keeps the
   * clock's offset and uncertainty of this moment.
   */
  stamps(records, offsetUs, now, uncertaintyUs = null) {
    for (const record of records) {
      const entry = this.#entry(record.rtpTime, now);
      if (entry.record !== null) continue;
      Object.assign(entry, { record, offsetUs, uncertaintyUs });
      this.#join(entry, offsetUs);
    }
    this.settle(now);
  }

  /** Lets go of what is complete, or will not become so any more. */
  settle(now) {
    const due = [];
    for (const entry of this.#entries.values()) {
      if (now - entry.at < SETTLE_MS && this.#entries.size <= WAITING_MOST) break;
      this.#entries.delete(entry.rtpTime);
      due.push(entry);
    }
    if (due.length === 0) return;
    // In the order they were taken; the difference as a signed number survives the wrap at 2^32.
    due.sort((a, b) => (a.rtpTime - b.rtpTime) | 0);
    for (const entry of due) this.#judge(entry);
  }

  /** Another session: RTP timestamps begin anew. What is waiting is settled as it is. */
  reset() {
    this.settle(Infinity);
    this.#closeGap(UNCLEAR);
    this.#firstShown = null;
    this.#lastShown = null;
  }

  #entry(rtpTime, now) {
    const known = this.#entries.get(rtpTime);
    if (known !== undefined) return known;
    const entry = {
      rtpTime, at: now, record: null, frame: null, stages: null, fate: UNCLEAR, offsetUs: null, uncertaintyUs: null,
    };
    this.#entries.set(rtpTime, entry);
    if (this.#entries.size > WAITING_MOST) this.settle(now);
    return entry;
  }

  #join(entry, offsetUs) {
    if (entry.record === null || entry.frame === null) return;
    entry.stages = stages(entry.record, entry.frame, offsetUs);
    this.counts.joined += 1;
    this.#joined(entry);
  }

  /** What became of it. Frames that were not reported are judged together when the next reported one is known. */
  #judge(entry) {
    const { frame, record } = entry;
    const before = this.#lastShown;
    if (before !== null && ((entry.rtpTime - before.rtpTime) | 0) <= 0) {
      // Too late to be judged; older than the first picture it was not meant to be shown.
      if (frame !== null || ((entry.rtpTime - this.#firstShown) | 0) > 0) this.#end(entry, frame ? SHOWN : UNCLEAR);
      return;
    }
    if (frame === null) {
      if (record.sentUs === null) entry.fate = CUT;
      this.#gap.push(entry);
      if (this.#gap.length > WAITING_MOST) this.#closeGap(NEVER);
      return;
    }
    // What came before the first picture of a session was not meant to be shown.
    if (before === null) this.#gap = [];
    else {
      // The browser counts what it shows, also what it had no time to report.
      const unseen = Math.max(0, frame.counter - before.counter - 1);
      const missing = this.#gap.filter(({ fate }) => fate !== CUT).length;
      this.counts.unseen += Math.max(0, unseen - missing);
      this.#closeGap(unseen === 0 ? NEVER : unseen >= missing ? UNSEEN : UNCLEAR);
    }
    // It follows the newest: farther behind than half the RTP clock's range it would seem to be ahead.
    if (this.#firstShown === null || ((entry.rtpTime - this.#firstShown) | 0) > FIRST_BEHIND) {
      this.#firstShown = before?.rtpTime ?? entry.rtpTime;
    }
    this.#lastShown = { rtpTime: entry.rtpTime, counter: frame.counter };
    this.#end(entry, SHOWN);
  }

  #closeGap(fate) {
    for (const entry of this.#gap) this.#end(entry, entry.fate === CUT ? CUT : fate);
    this.#gap = [];
  }

  #end(entry, fate) {
    entry.fate = fate;
    if (fate === SHOWN) {
      this.counts.shown += 1;
      if (entry.stages === null) this.counts.unjoined += 1;
    } else this.counts[{ [UNSEEN]: "unseen", [NEVER]: "never", [CUT]: "cut", [UNCLEAR]: "unclear" }[fate]] += 1;
    this.#settled(entry);
  }
}

/**
 * The lengths of a frame's stages. What the browser does not tell apart stays together: without the time of the last
 * packet (`receivedMs`) all from sending to showing is `way`. With it, `waiting` is jitter buffer and compositor in
 * one: Chromium tells how long decoding took, not when it began. `total` is the picture's age when it was shown; `page`
 * comes after that, and is how long the page was not told.
 */
export function stages({ capturedUs, encodingUs, dequeuedUs, packetizedUs, protectedUs, sentUs }, frame, offsetUs) {
  const { receivedMs, decodeMs, presentedMs, seenMs } = frame;
  const camera = ms(capturedUs, encodingUs ?? dequeuedUs);
  const sentMs = sentUs === null || offsetUs === null ? null : (sentUs - offsetUs) / 1000;
  const both = receivedMs !== null && sentMs !== null;
  return {
    camera,
    encode: encodingUs === null ? null : ms(encodingUs, dequeuedUs),
    send: sentUs === null ? null : ms(dequeuedUs, sentUs),
    packetize: ms(dequeuedUs, packetizedUs),
    protect: ms(packetizedUs, protectedUs),
    write: sentUs === null ? null : ms(protectedUs, sentUs),
    network: both ? receivedMs - sentMs : null,
    decode: receivedMs === null ? null : decodeMs,
    waiting: receivedMs === null ? null : presentedMs - receivedMs - (decodeMs ?? 0),
    way: receivedMs === null && sentMs !== null ? presentedMs - sentMs : null,
    total: offsetUs === null ? null : presentedMs - (capturedUs - offsetUs) / 1000,
    page: seenMs - presentedMs,
  };
}

/** Null where a stamp is missing; drivers' clocks may be ahead, so a stage of the car can be a little negative. */
function ms(fromUs, toUs) {
  return toUs === null ? null : (toUs - fromUs) / 1000;
}
