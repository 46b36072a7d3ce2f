// The page's instrument: how old the picture on the screen is, and where that time went, frame by frame. Takes in what
// the browser says of shown frames and the car's stamps, and gives figures when asked. For each frame it writes down a
// few numbers and no more. Knows no DOM; made by app.js after the first picture, so that it delays none.

import { PictureAge } from "./age.js";
import { Counters } from "./counters.js";
import { Joiner } from "./join.js";
import { FIELDS, Run } from "./run.js";
import { STAGES, SPAN_MS, StageWindow, summary } from "./stages.js";
import { StallMeter, TICK_MS } from "./stall.js";

/** getStats() costs the browser a round through its threads: once a second is enough. */
const TURN_MS = 1000;
/** The car's RTP clock: 90 ticks a millisecond. */
const TICKS_PER_MS = 90;
/** A frame's place on the RTP clock is trusted only that near to one whose stamps are here. */
const PIN_LASTS_MS = 5000;
/** A frame that was received later than shown, or so much earlier, has its time from another clock than the page's. */
const LONGEST_MS = 60_000;
/** Figures are asked for by several; nothing changes faster. */
const FRESH_MS = 200;

export class Instrument {
  #world;
  #clock;
  #receiver = null;
  #session = 0;
  #pin = null;
  #age = new PictureAge();
  #window = new StageWindow();
  #run = new Run();
  #counters = new Counters();
  #stalls = new StallMeter();
  #blind = null;
  #watching = false;
  #tick = null;
  #visible = true;
  #kept = null;
  #joiner = new Joiner({ joined: (entry) => this.#joined(entry), settled: (entry) => this.#settled(entry) });

  /** `world`: {now, setTimeout, clearTimeout}; `clock`: the session's ClockOffset. */
  constructor({ world, clock }) {
    this.#world = world;
    this.#clock = clock;
    this.#turn();
  }

  /** Pictures come from another receiver (RTCRtpReceiver) from now on: a new session. */
  attach(receiver) {
    this.#joiner.reset();
    this.#receiver = receiver;
    this.#session += 1;
    this.#pin = null;
  }

  /** A picture was shown: the metadata of requestVideoFrameCallback, and when the page was told (ms). */
  presented(metadata, seenMs) {
    const { rtpTimestamp, receiveTime, processingDuration, presentationTime, presentedFrames } = metadata;
    // Not seen by anybody: the age has ended, and the joiner has no stamps for it.
    if (!this.#visible) return;
    if (this.#watching) this.#stalls.alive(seenMs);
    if (rtpTimestamp === undefined) {
      // When a track ends, Chromium shows a copy of its last picture, without its name: that is no new one.
      this.#blind ??= true;
      return;
    }
    this.#blind = false;
    const number = this.#age.presented(presentationTime, this.#takenMs(rtpTimestamp), presentedFrames);
    const waited = presentationTime - receiveTime;
    const frame = {
      rtpTime: rtpTimestamp,
      receivedMs: waited >= 0 && waited < LONGEST_MS ? receiveTime : null,
      decodeMs: processingDuration === undefined ? null : processingDuration * 1000,
      presentedMs: presentationTime,
      seenMs,
      counter: presentedFrames,
      number,
    };
    this.#joiner.presented(frame, this.#clock.at(seenMs * 1000), seenMs);
  }

  /** The car's records, as message.js reads them. */
  stamps(records) {
    // What the car sends to a hidden page is not meant to be shown.
    if (!this.#visible) return;
    const now = this.#world.now();
    const offsetUs = this.#clock.at(now * 1000);
    this.#joiner.stamps(records, offsetUs, now, this.#clock.uncertaintyUs(now * 1000));
  }

  /** While somebody looks at the waterfall, the page's own stalls are measured too: 250 ticks a second. */
  watch(yes) {
    const start = yes && !this.#watching;
    this.#watching = yes;
    if (!yes) this.#world.clearTimeout(this.#tick);
    if (!start) return;
    this.#stalls.pause();
    const tick = () => {
      if (this.#visible) this.#stalls.alive(this.#world.now());
      this.#tick = this.#world.setTimeout(tick, TICK_MS);
    };
    tick();
  }

  /** A hidden page is shown nothing, and its timers are slowed: that says nothing of picture and page. */
  setVisible(visible) {
    this.#visible = visible;
    this.#stalls.pause();
    this.#joiner.reset();
    if (!visible) this.#age.hide(this.#world.now());
  }

  /** The age of the picture on the screen in ms, see age.js; null if unknown. */
  figure() {
    return this.#age.figure(this.#world.now());
  }

  /** How wrong the figure can be by the two clocks, ms; null if unknown. */
  uncertainty() {
    const us = this.#clock.uncertaintyUs(this.#world.now() * 1000);
    return us === null ? null : us / 1000;
  }

  /** The greatest age in each of `columns` parts of the last minute; NaN where unknown. */
  strip(columns) {
    return this.#age.strip(this.#world.now(), 60_000, columns);
  }

  /**
   * All figures (ms where nothing else is said; null for what is not known): `age` and its percentiles are weighted by
   * time, `frame` is the age of each frame when it was shown, `stages` are of the frames of the last 10 s. `blind`: this
   * browser does not tell which frame it shows, so there is nothing to join.
   */
  figures() {
    const now = this.#world.now();
    if (this.#kept !== null && now - this.#kept.now < FRESH_MS) return this.#kept;
    const [p50, p95, p99] = this.#age.percentiles(now, SPAN_MS, [0.5, 0.95, 0.99]);
    const { total = null, ...stages } = this.#window.summary(now);
    const { bitrate, loss, lost, bufferMs } = this.#counters.summary(now);
    if (bufferMs !== null && stages.waiting) {
      const { mean, count } = stages.waiting;
      stages.buffer = { mean: bufferMs, count };
      stages.present = { mean: Math.max(0, mean - bufferMs), count };
    }
    const stalls = this.#stalls.recent(now, SPAN_MS);
    const uncertaintyUs = this.#clock.uncertaintyUs(now * 1000);
    this.#kept = {
      now,
      figureMs: this.#age.figure(now),
      age: { p50, p95, p99 },
      frame: total,
      stages,
      uncertaintyMs: uncertaintyUs === null ? null : uncertaintyUs / 1000,
      rttMs: this.#clock.lastRttUs === null ? null : this.#clock.lastRttUs / 1000,
      fps: this.#age.rate(now, SPAN_MS),
      bitrate,
      loss,
      lost,
      freezes: this.#age.freezes,
      stalls: stalls.length === 0 ? null : { ...summary(stalls.map(({ lengthMs }) => lengthMs)), recent: stalls },
      counts: { ...this.#joiner.counts },
      blind: this.#blind === true,
    };
    return this.#kept;
  }

  /** The last ten minutes: an object that JSON can hold. */
  run() {
    return {
      format: "windshield-run",
      version: 1,
      units: "milliseconds on the page's clock; rtp_time in 1/90000 s modulo 2^32",
      figures: this.figures(),
      stages: STAGES.map(({ key, name }) => ({ key, name })),
      fields: FIELDS,
      frames: this.#run.rows(),
      seconds: this.#counters.samples(),
    };
  }

  /** The same, a line a frame. */
  csv() {
    return this.#run.csv();
  }

  async #turn() {
    this.#world.setTimeout(() => this.#turn(), TURN_MS);
    this.#joiner.settle(this.#world.now());
    const session = this.#session;
    const report = await this.#receiver?.getStats?.().catch(() => null);
    if (report && session === this.#session) this.#counters.add(this.#world.now(), session, report);
  }

  #joined({ rtpTime, frame, stages }) {
    if (stages.total === null) return;
    const takenMs = frame.presentedMs - stages.total;
    this.#age.know(frame.number, takenMs);
    this.#window.add(frame.presentedMs, stages);
    // A frame that comes late does not turn the clock back.
    const newer = this.#pin === null || ((rtpTime - this.#pin.rtpTime) | 0) > 0;
    if (newer) this.#pin = { rtpTime, takenMs };
  }

  /**
   * When the frame of that RTP time was taken, on the page's clock, before its stamps are here (they come up to 0.2 s
   * later): the RTP clock runs with the car's, and the newest frame with stamps says where it stands. NaN if unknown.
   * Only for the age of the picture now; replaced by the stamps themselves when they come.
   */
  #takenMs(rtpTime) {
    if (this.#pin === null) return NaN;
    const aheadMs = ((rtpTime - this.#pin.rtpTime) | 0) / TICKS_PER_MS;
    return Math.abs(aheadMs) > PIN_LASTS_MS ? NaN : this.#pin.takenMs + aheadMs;
  }

  #settled({ rtpTime, record, frame, stages, fate, offsetUs, uncertaintyUs }) {
    this.#run.add(this.#world.now(), {
      session: this.#session,
      fate,
      rtp_time: rtpTime,
      captured: record === null || offsetUs === null ? null : (record.capturedUs - offsetUs) / 1000,
      received: frame?.receivedMs,
      presented: frame?.presentedMs,
      told: frame?.seenMs,
      uncertainty: uncertaintyUs === null ? null : uncertaintyUs / 1000,
      ...stages,
    });
  }
}
