// What outlives a reload of this tab, and nothing longer: the token and for which build the page was reloaded; and of
// the person's settings the speed, for good. Works without storage too (private windows), then it only forgets. Called
// by app.js and panel.js.

const TOKEN = "windshield-token";
const RELOADED = "windshield-reloaded";
const SPEED = "windshield-speed";
/** What a hobby car reaches, in km/h. */
const SPEED_FIRST = 50;

export class Store {
  /** The Bearer token or "". */
  #token = "";
  #speed = null;

  constructor() {
    if (!this.takeFromAddress()) this.#token = read(TOKEN) ?? "";
  }

  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    write(TOKEN, token);
  }

  /** How fast the car goes, km/h: what a latency means on the road. */
  get speed() {
    this.#speed ??= Number(read(SPEED, "localStorage")) || SPEED_FIRST;
    return this.#speed;
  }

  set speed(kmh) {
    this.#speed = kmh;
    write(SPEED, String(kmh), "localStorage");
  }

  /** Takes `#token=...` out of the address bar, where shoulders and screenshots see it; true if there was one. */
  takeFromAddress() {
    // Not by URLSearchParams alone: there a plus is a space, and a token may hold one.
    const token = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")).get("token");
    if (token === null) return false;
    this.token = token;
    history.replaceState(history.state, "", location.pathname + location.search);
    return true;
  }

  /** True once for each build, and only where it can be remembered: a page that forgets would reload for ever. */
  reloadFor(build) {
    const mark = build.toString(16);
    if (read(RELOADED) === mark) return false;
    write(RELOADED, mark);
    return read(RELOADED) === mark;
  }
}

function read(key, storage = "sessionStorage") {
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
}

function write(key, value, storage = "sessionStorage") {
  try {
    globalThis[storage].setItem(key, value);
  } catch {
    // Storage is off or full.
  }
}
