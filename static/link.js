// One peer connection to the car, from offer to close: opens the channels, trickles candidates, names the stage it
// has reached (signaling, connecting, securing, communicating) and says when it is down. Decides no retry and no
// time limit: that is session.js. Knows no DOM; what it needs of the browser comes in as `world`.

import { EVENTS, FAST, parse } from "./message.js";
import { fragment, hasH264, refused, restarted, udpPort } from "./sdp.js";
import { SignalError, Whep } from "./whep.js";

/** Candidates that come within this time travel in one PATCH. */
const TRICKLE_BATCH_MS = 50;
/** More than one wish or heartbeat waiting in a channel tells the car nothing new. */
const BACKLOG_BYTES = 64;

/**
 * Calls `heard(type, detail)`: "stage" (its name); "track" ({receiver, track, stream}); "message" (what message.js
 * parsed); "open" (channel label); "down" ({stage, kind, ...}, see words.js), after which nothing comes.
 */
export class Link {
  #heard;
  #world;
  #whep;
  #pc;
  #channels = new Map();
  #pending = [];
  #trickleTimer = null;
  #answered = false;
  #down = false;

  /** "signaling", "connecting", "securing" or "communicating". */
  stage = "signaling";
  /** `world.now()` when the offer was sent; null before. */
  postedAt = null;
  /** `world.now()` since when ICE is in doubt; null while it is not. */
  doubtAt = null;
  /** The car's UDP port as its answer names it. */
  port = null;
  /** Messages that were not understood. */
  unknown = 0;

  constructor({ endpoint, token, world, heard }) {
    this.#heard = heard;
    this.#world = world;
    this.#whep = new Whep(endpoint, token, world.fetch);
  }

  /** Runs the offer and answer; reports by `heard`, never throws. */
  async open() {
    try {
      const pc = this.#build();
      const offer = await pc.createOffer();
      if (!hasH264(offer.sdp)) return this.#fail({ stage: "signaling", kind: "no-h264" });
      await pc.setLocalDescription(offer);
      this.postedAt = this.#world.now();
      const answer = await this.#whep.offer(offer.sdp);
      if (this.#down) return void this.close();
      if (refused(answer)) return this.#fail({ stage: "signaling", kind: "refused" });
      this.port = udpPort(answer);
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      this.#answered = true;
      this.#states();
      this.#trickle();
    } catch (error) {
      if (error instanceof SignalError) {
        const { kind, status, text, retryAfterMs } = error;
        this.#fail({ stage: "signaling", kind, status, text, retryAfterMs });
      } else {
        this.#fail({ stage: "signaling", kind: "browser", text: String(error?.message ?? error) });
      }
    }
  }

  /** ICE restart (RFC 9725 section 4.3.3); false if the car refused, did not answer, or the browser balked. */
  async restart() {
    if (!this.#answered || this.#down) return false;
    try {
      const pc = this.#pc;
      const answer = pc.remoteDescription.sdp;
      const offer = await pc.createOffer({ iceRestart: true });
      // Candidates of the new generation wait until the car knows its credentials.
      this.#answered = false;
      this.#pending = [];
      await pc.setLocalDescription(offer);
      const news = await this.#whep.restart(fragment(offer.sdp, [], false));
      const sdp = news === null || this.#down ? null : restarted(answer, news);
      if (sdp === null) return false;
      await pc.setRemoteDescription({ type: "answer", sdp });
      this.#answered = true;
      this.doubtAt = null;
      this.#trickle();
      return true;
    } catch {
      return false;
    }
  }

  /** Sends on a channel if it is open and not clogged; true if it went out. */
  send(label, bytes) {
    const channel = this.#channels.get(label);
    if (channel?.readyState !== "open" || channel.bufferedAmount > BACKLOG_BYTES) return false;
    try {
      channel.send(bytes);
      return true;
    } catch {
      return false;
    }
  }

  /** Ends it here and, as far as it can be reached, in the car; true if the car confirmed. */
  close() {
    this.#down = true;
    this.#world.clearTimeout(this.#trickleTimer);
    this.#pc?.close();
    return this.#whep.close();
  }

  #build() {
    const pc = new this.#world.RTCPeerConnection();
    this.#pc = pc;
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    preferH264(video, this.#world);
    this.#channel(FAST, { ordered: false, maxRetransmits: 0 });
    this.#channel(EVENTS, {});
    pc.addEventListener("track", ({ receiver, track, streams }) => {
      this.#heard("track", { receiver, track, stream: streams[0] ?? null });
      receiver.transport?.addEventListener("statechange", () => this.#states());
    });
    pc.addEventListener("icecandidate", ({ candidate }) => this.#candidate(candidate));
    pc.addEventListener("iceconnectionstatechange", () => this.#states());
    pc.addEventListener("connectionstatechange", () => this.#states());
    return pc;
  }

  #channel(label, options) {
    const channel = this.#pc.createDataChannel(label, options);
    channel.binaryType = "arraybuffer";
    channel.addEventListener("open", () => this.#heard("open", label));
    // Only the car's end closes a channel: it goes, or has thrown us out.
    channel.addEventListener("close", () => this.#fail({ stage: this.stage, kind: "closed" }));
    channel.addEventListener("message", ({ data }) => {
      const message = parse(data);
      if (message === null) this.unknown += 1;
      else this.#heard("message", message);
    });
    this.#channels.set(label, channel);
  }

  /** Reads where the transports stand. Reported only from the answer on: before it there is nothing to read. */
  #states() {
    if (this.#down || this.stage === "signaling" && !this.#answered) return;
    const { iceConnectionState: ice, connectionState: whole } = this.#pc;
    const dtls = this.#pc.getReceivers()[0]?.transport?.state;
    if (dtls === "failed" || dtls === "closed") {
      return this.#fail({ stage: this.stage === "connecting" ? "securing" : this.stage, kind: dtls });
    }
    const doubt = ice === "disconnected" || ice === "failed";
    if (!doubt) this.doubtAt = null;
    else this.doubtAt ??= this.#world.now();
    if (ice === "failed" && this.stage !== "communicating") return this.#fail({ stage: "connecting", kind: "failed" });
    const up = ice === "connected" || ice === "completed";
    // Once it has been through, a path in doubt is trouble of a running link, not a step back.
    if (whole === "connected") this.stage = "communicating";
    else if (this.stage !== "communicating") this.stage = up ? "securing" : "connecting";
    this.#heard("stage", this.stage);
  }

  #candidate(candidate) {
    // Null is the end; an empty string only ends one generation (kept out: some parsers stumble over it).
    if (candidate !== null && candidate.candidate === "") return;
    this.#pending.push(candidate === null ? null : candidate.candidate);
    if (candidate === null) return this.#trickle();
    this.#trickleTimer ??= this.#world.setTimeout(() => this.#trickle(), TRICKLE_BATCH_MS);
  }

  #trickle() {
    this.#world.clearTimeout(this.#trickleTimer);
    this.#trickleTimer = null;
    if (!this.#answered || this.#down || this.#pending.length === 0) return;
    const batch = this.#pending;
    this.#pending = [];
    const done = batch.includes(null);
    this.#whep.trickle(fragment(this.#pc.localDescription.sdp, batch.filter((one) => one !== null), done));
  }

  #fail(detail) {
    if (this.#down) return;
    this.#down = true;
    this.#world.clearTimeout(this.#trickleTimer);
    this.#heard("down", { port: this.port, ...detail });
  }
}

/** Offers H.264 (and its repair format) only, where the browser lets us choose: the car sends nothing else. */
function preferH264(transceiver, world) {
  const codecs = world.RTCRtpReceiver?.getCapabilities?.("video")?.codecs ?? [];
  const wanted = codecs.filter(({ mimeType }) => /^video\/(h264|rtx)$/i.test(mimeType));
  if (!wanted.some(({ mimeType }) => /h264/i.test(mimeType))) return;
  try {
    transceiver.setCodecPreferences?.(wanted);
  } catch {
    // The full list holds H.264 as well.
  }
}
