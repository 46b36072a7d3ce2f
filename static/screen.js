// The screen around the picture: full screen by key or double tap, awake while the picture lives, dimmed while it
// does not, and the state in the tab's title, where it covers nothing. Called by app.js.

/** Two taps within this time and distance are one double tap. */
const TAP_MS = 300;
const TAP_PX = 40;

export class Screen {
  #doc;
  #root;
  #lock = null;
  #locking = false;
  #tap = null;

  constructor(doc) {
    this.#doc = doc;
    this.#root = doc.documentElement;
    doc.addEventListener("pointerup", (event) => this.#tapped(event));
  }

  /** Follows the state of the session. */
  show({ stage, outageMs }) {
    const alive = stage === "live";
    const title = { live: "live", frozen: "frozen", lost: "no connection", idle: "" }[stage] ?? "connecting";
    const full = title === "" ? "windshield" : `windshield: ${title}`;
    if (this.#doc.title !== full) this.#doc.title = full;
    // An old picture is never shown as if it were the present one.
    const look = alive ? "live" : stage === "frozen" || outageMs !== null ? "old" : "none";
    if (this.#root.dataset.picture !== look) this.#root.dataset.picture = look;
    if (alive && this.#lock === null) this.#keepAwake();
  }

  async toggleFull() {
    try {
      if (this.#doc.fullscreenElement) return await this.#doc.exitFullscreen();
      if (this.#root.requestFullscreen) {
        await this.#root.requestFullscreen({ navigationUI: "hide" });
        // A phone upright shows a stamp; where the system lets us, it turns. Desktops refuse, rightly.
        await globalThis.screen.orientation?.lock?.("landscape");
      } else {
        this.#doc.querySelector("video").webkitEnterFullscreen?.();
      }
    } catch {
      // Full screen is a wish; the browser may refuse.
    }
  }

  /** Needs a secure context; elsewhere the system's own time-out rules. The system ends it when the page is hidden. */
  async #keepAwake() {
    const { wakeLock } = navigator;
    if (!wakeLock || this.#locking || this.#doc.hidden) return;
    this.#locking = true;
    try {
      this.#lock = await wakeLock.request("screen");
      this.#lock.addEventListener("release", () => (this.#lock = null));
    } catch {
      // Refused on low battery.
    }
    this.#locking = false;
  }

  #tapped(event) {
    if (!event.isPrimary || event.button !== 0 || event.target.closest("#bar, #age, #panel")) return;
    const { timeStamp, clientX, clientY } = event;
    const last = this.#tap;
    const near = last && Math.hypot(clientX - last.clientX, clientY - last.clientY) < TAP_PX;
    const twice = near && timeStamp - last.timeStamp < TAP_MS;
    this.#tap = twice ? null : { timeStamp, clientX, clientY };
    if (twice) this.toggleFull();
  }
}
