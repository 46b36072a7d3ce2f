// The life of a viewer: attempt after attempt until the page goes. Puts time limits on the stages of a link, beats
// the heart, runs the watchdog, tries an ICE restart before it gives a session up, waits, and comes back by itself.
// Knows no DOM: the page tells it what was shown and draws what `state()` says; the browser's functions come in as
// `world` ({now, fetch, setTimeout, clearTimeout, RTCPeerConnection, RTCRtpReceiver}). Times are milliseconds.

import { Backoff } from "./backoff.js";
import { ClockOffset } from "./clock.js";
import { Heart } from "./heart.js";
import { Link } from "./link.js";
import { EVENTS, FAST, heartbeat, hello, keyframeWish } from "./message.js";
import { Outage } from "./outage.js";
import { Watchdog } from "./watchdog.js";

/** Each stage but signaling (limited in whep.js) may take so long; a slow modem needs 2 to 3 s in all. */
const STAGE_LIMIT_MS = 10_000;
/** A frozen picture and no echo for so long: the path is gone, 3 s before the browser would say so. */
const MUTE_MS = 2000;
/** The same right after the phone has changed its network. */
const MUTE_AFTER_CHANGE_MS = 700;
const CHANGE_LASTS_MS = 5000;
/** ICE in doubt for so long is worth a restart; shorter doubts mend themselves. */
const DOUBT_MS = 1500;
/** A restart that has brought nothing by then has failed. */
const RESTART_LIMIT_MS = 3000;
/** Connected and no picture: the browser asks by itself, but only once packets have come. */
const FIRST_WISH_MS = 500;
/** How often the turn runs at least; also the rate at which counting sentences are redrawn. */
const TURN_MS = 200;
/** A seat still held by our own lost session is worth this wait before the next offer. */
const DELETE_WAIT_MS = 250;

export class Session {
  #endpoint;
  #build;
  #token;
  #world;
  #heard;
  #running = false;
  #timer = null;
  #stage = "idle";
  #since = 0;
  #link = null;
  #abandoned = null;
  #failure = null;
  #retryAt = null;
  #restart = null;
  #firstWishAt = Infinity;
  #shownAt = null;
  #networkChangedAt = -Infinity;
  #notices = new Map();
  #watchdog = new Watchdog();
  #heart = new Heart();
  #outage = new Outage();
  #backoff = new Backoff();

  /** Car clock against page clock; see clock.js. */
  clock = new ClockOffset();
  /** POST of the running session to its first shown picture; null before. */
  firstFrameMs = null;
  /** The car's build (BigInt) once it has said hello. */
  carBuild = null;

  /**
   * `heard(type, detail)`: "change" (the state may read differently now), "track" ({receiver, track, stream}),
   * "stamps" (the car's records of frames, see message.js), "build" (the car carries another build of the page:
   * BigInt).
   */
  constructor({ endpoint, build, token, world, heard }) {
    this.#endpoint = endpoint;
    this.#build = build;
    this.#token = token;
    this.#world = world;
    this.#heard = heard;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#attempt();
  }

  /** The page goes (or goes to sleep): gives the seat back. */
  stop() {
    this.#running = false;
    this.#retryAt = null;
    this.#world.clearTimeout(this.#timer);
    this.#drop();
    this.#go("idle");
  }

  /** What words.js needs to make a sentence of it. */
  state() {
    const now = this.#world.now();
    const frozenMs = this.#watchdog.frozenMs(now);
    return {
      stage: this.#stage === "live" && frozenMs > 0 ? "frozen" : this.#stage,
      sinceMs: now - this.#since,
      frozenMs,
      restarting: this.#restart !== null,
      failure: this.#failure,
      retryInMs: this.#retryAt === null ? null : Math.max(0, this.#retryAt - now),
      outageMs: this.#outage.ms(now),
      backAfterMs: this.#outage.news(now),
      reconnects: this.#outage.count,
      notices: [...this.#notices.values()].map((notice) => ({ ...notice, ageMs: now - notice.at })),
    };
  }

  /** A picture was shown just now. */
  frameShown() {
    const now = this.#world.now();
    if (this.#link?.stage !== "communicating") return;
    const wasFrozen = this.#watchdog.frozenMs(now) > 0;
    this.#watchdog.frame(now);
    this.#shownAt = now;
    this.#restart = null;
    const wasLive = this.#stage === "live";
    if (!wasLive) {
      this.firstFrameMs = now - this.#link.postedAt;
      this.#backoff.reset();
      this.#failure = null;
      this.#go("live");
    }
    if (this.#outage.end(now) || wasFrozen || !wasLive) this.#heard("change");
    if (!wasLive) this.#turn();
  }

  /** A hidden page is shown nothing and blames nobody for it. */
  setVisible(visible) {
    this.#watchdog.pause(!visible, this.#world.now());
    if (visible) this.retryNow();
  }

  /** Another network, or one again. */
  networkChanged() {
    this.#networkChangedAt = this.#world.now();
    this.#heart.hurry(this.#networkChangedAt);
    this.retryNow();
  }

  /** Ends the wait for the next attempt, if there is one. */
  retryNow() {
    if (!this.#running) return;
    if (this.#retryAt !== null) this.#retryAt = this.#world.now();
    this.#turn();
  }

  /** The person has typed a token. */
  setToken(token) {
    this.#token = token;
    if (this.#stage === "lost") this.#retryAt = this.#world.now();
    this.retryNow();
  }

  async #attempt() {
    this.#retryAt = null;
    this.firstFrameMs = null;
    this.#notices.clear();
    this.#go("signaling");
    const before = this.#abandoned;
    this.#abandoned = null;
    if (before !== null) await Promise.race([before.close(), this.#pause(DELETE_WAIT_MS)]);
    if (!this.#running || this.#stage !== "signaling" || this.#link !== null) return;
    const link = new Link({
      endpoint: this.#endpoint,
      token: this.#token,
      world: this.#world,
      heard: (type, detail) => {
        if (link === this.#link) this.#linkSays(type, detail);
      },
    });
    this.#link = link;
    link.open();
    this.#turn();
  }

  #linkSays(type, detail) {
    const now = this.#world.now();
    if (type === "stage" && this.#stage !== "live" && this.#stage !== detail) {
      this.#go(detail);
      if (detail === "communicating") this.#firstWishAt = now + FIRST_WISH_MS;
    } else if (type === "track") {
      this.#watchdog.reset();
      this.#heard("track", detail);
    } else if (type === "open") {
      if (detail === EVENTS) this.#link.send(EVENTS, hello(this.#build));
      if (detail === FAST) this.#heart.start(now);
    } else if (type === "message") {
      this.#message(detail, now);
    } else if (type === "down") {
      this.#lose(this.#stage === "live" ? { ...detail, stage: "live" } : detail);
    }
    this.#turn();
  }

  #message(message, now) {
    if (message.kind === "echo") {
      this.#heart.echo(now);
      this.clock.add(message.sentUs, message.receivedUs, message.answeredUs, Math.round(now * 1000));
      // The path bears again; that the picture does too is for frameShown() to say.
      if (this.#restart?.done && message.sentUs >= this.#restart.since * 1000) this.#restart = null;
    } else if (message.kind === "hello") {
      this.carBuild = message.build;
      const known = message.build !== 0n && this.#build !== 0n;
      if (known && message.build !== this.#build) this.#heard("build", message.build);
    } else if (message.kind === "stamps") {
      this.#heard("stamps", message.records);
    } else if (message.kind === "notice") {
      if (message.text === "") this.#notices.delete(message.topic);
      else this.#notices.set(message.topic, { ...message, at: now });
      this.#heard("change");
    }
  }

  /** Runs whatever is due and arms the timer for what comes next: the only timer of a session. */
  #turn() {
    if (!this.#running) return;
    const now = this.#world.now();
    if (this.#retryAt !== null && now >= this.#retryAt) this.#attempt();
    if (this.#link !== null) this.#keep(now);
    // Sentences that count, and those that end by themselves, are redrawn.
    const told = this.#notices.size > 0 || this.#outage.count > 0;
    if (told || this.#stage !== "live" || this.#watchdog.frozenMs(now) > 0) this.#heard("change");
    const due = [this.#watchdog.deadline(now), this.#heart.deadline(), this.#firstWishAt, this.#retryAt ?? Infinity];
    this.#world.clearTimeout(this.#timer);
    this.#timer = this.#world.setTimeout(() => this.#turn(), Math.min(Math.max(Math.min(...due) - now, 1), TURN_MS));
  }

  /** The duties towards a link: wishes, heartbeats, and the question whether it still is one. */
  #keep(now) {
    const frozen = this.#watchdog.frozenMs(now) > 0;
    if (this.#stage === "live" && this.#watchdog.wish(now)) this.#link.send(EVENTS, keyframeWish());
    if (now >= this.#firstWishAt) {
      this.#firstWishAt = Infinity;
      if (this.#stage === "communicating") this.#link.send(EVENTS, keyframeWish());
    }
    if (this.#heart.due(now, frozen)) this.#link.send(FAST, heartbeat(Math.round(now * 1000)));
    if (this.#restart !== null) {
      if (now - this.#restart.since >= RESTART_LIMIT_MS) this.#lose({ stage: "live", kind: "path" }, 0);
    } else if (this.#stage === "live") {
      if (this.#pathLost(now, frozen)) this.#tryRestart(now);
    } else if (this.#stage !== "signaling" && now - this.#since >= STAGE_LIMIT_MS && !this.#heart.answered(now)) {
      this.#lose({ stage: this.#stage, kind: "timeout", port: this.#link.port });
    }
  }

  #pathLost(now, frozen) {
    const { doubtAt } = this.#link;
    const changed = now - this.#networkChangedAt < CHANGE_LASTS_MS;
    if (doubtAt !== null && now - doubtAt >= (changed ? 0 : DOUBT_MS)) return true;
    const mute = Math.min(this.#heart.silentMs(now), now - this.#shownAt);
    return frozen && mute >= (changed ? MUTE_AFTER_CHANGE_MS : MUTE_MS);
  }

  async #tryRestart(now) {
    const restart = { since: now, done: false };
    const link = this.#link;
    this.#restart = restart;
    this.#outage.begin(this.#shownAt);
    const accepted = await link.restart();
    if (this.#restart !== restart || this.#link !== link) return;
    restart.done = accepted;
    if (accepted) this.#heart.hurry(this.#world.now());
    else this.#lose({ stage: "live", kind: "path" }, 0);
    this.#turn();
  }

  /** The link is gone: says why, and when the next attempt comes. */
  #lose(failure, waitMs = null) {
    if (this.#stage === "live") this.#outage.begin(this.#shownAt);
    this.#drop();
    this.#failure = failure;
    const wait = waitMs ?? this.#backoff.next(failure.retryAfterMs);
    // Without a token every attempt is refused: that one waits for the person.
    this.#retryAt = failure.kind === "token" ? null : this.#world.now() + wait;
    this.#go("lost");
  }

  #drop() {
    const link = this.#link;
    this.#link = null;
    this.#restart = null;
    this.#firstWishAt = Infinity;
    this.#heart.stop();
    this.#watchdog.reset();
    this.clock.clear();
    link?.close().then((done) => {
      if (!done) this.#abandoned = link;
    });
  }

  #go(stage) {
    this.#stage = stage;
    this.#since = this.#world.now();
    this.#heard("change");
  }

  #pause(ms) {
    return new Promise((resolve) => this.#world.setTimeout(resolve, ms));
  }
}
