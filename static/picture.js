// The <video> element: takes the car's track, counts the pictures that are really shown, and gets playback going
// where a phone wants a tap first. Called by app.js; knows nothing of the connection.

/** Where requestVideoFrameCallback is missing, the decoder's own counter is read so often. */
const POLL_MS = 100;

export class Picture {
  #video;
  #shown;
  #blocked;
  #callback = null;
  #poll = null;
  #counter = 0;

  /** Pictures shown since the page was opened. */
  framesPresented = 0;

  /**
   * `shown(metadata, now)` is called for every shown picture of which the browser tells (metadata null where it tells
   * nothing more), `blocked(bool)` when playback waits for a tap, or no longer.
   */
  constructor(video, { shown, blocked }) {
    this.#video = video;
    this.#shown = shown;
    this.#blocked = blocked;
    // Phones pause a video on calls, headphones unplugged and the like; a live picture only ever plays.
    video.addEventListener("playing", () => blocked(false));
    video.addEventListener("pause", () => video.srcObject && !document.hidden && this.play());
  }

  /** Shows a new track in place of the old picture. */
  attach({ receiver, track, stream }) {
    this.#stopWatching();
    this.#video.srcObject = stream ?? new MediaStream([track]);
    this.#counter = 0;
    if ("requestVideoFrameCallback" in this.#video) this.#await();
    else this.#poll = setInterval(() => this.#readDecoder(receiver), POLL_MS);
    this.play();
  }

  async play() {
    try {
      await this.#video.play();
      this.#blocked(false);
    } catch (error) {
      // AbortError only says that a newer track came in between.
      if (error?.name === "NotAllowedError") this.#blocked(true);
    }
  }

  #await() {
    this.#callback = this.#video.requestVideoFrameCallback((_now, metadata) => {
      const now = performance.now();
      this.#await();
      this.#count(metadata.presentedFrames, metadata, now);
    });
  }

  async #readDecoder(receiver) {
    const report = await receiver.getStats().catch(() => []);
    for (const [, stats] of report) {
      if (stats.type !== "inbound-rtp" || stats.framesDecoded <= this.#counter) continue;
      this.#count(stats.framesDecoded, null, null);
    }
  }

  /** `counter` counts from 0 for every track, and may jump where a callback came too late for a picture. */
  #count(counter, metadata, now) {
    this.framesPresented += Math.max(1, counter - this.#counter);
    this.#counter = counter;
    this.#shown(metadata, now);
  }

  #stopWatching() {
    if (this.#callback !== null) this.#video.cancelVideoFrameCallback(this.#callback);
    clearInterval(this.#poll);
    this.#callback = null;
    this.#poll = null;
  }
}
