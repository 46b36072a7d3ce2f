// What outlives a reload of this tab, and nothing longer: the token and for which build the page was reloaded. Works
// without storage too (private windows), then it only forgets. Called by app.js.

const TOKEN = "windshield-token";
const RELOADED = "windshield-reloaded";

export class Store {
  /** The Bearer token or "". */
  #token = "";

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

function read(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // Storage is off or full.
  }
}
