// One WHEP session on the car (draft-ietf-wish-whep, RFC 9725 for PATCH): POST the offer, PATCH candidates and ICE
// restarts, DELETE at the end. Speaks HTTP only: knows no peer connection and decides no retry. Used by link.js.

/** Longer than any sane link takes to answer an offer; the car itself may wait 1 s for its first picture. */
const ANSWER_LIMIT_MS = 10_000;
/** A restart that takes longer than this has lost against a new session. */
const RESTART_LIMIT_MS = 3_000;
/** Enough of the car's own words for one sentence. */
const WORDS = 200;

/** Signaling failed; `kind` is "unreachable", "timeout", "token", "full", "status" or "nonsense". */
export class SignalError extends Error {
  constructor(kind, { status = 0, text = "", retryAfterMs = 0 } = {}) {
    super(`signaling failed: ${kind} ${status}`);
    Object.assign(this, { kind, status, text, retryAfterMs });
  }
}

export class Whep {
  #endpoint;
  #token;
  #fetch;
  #resource = null;
  #etag = null;
  #patchable = true;

  /** `endpoint` is an absolute URL; `token` a Bearer token or ""; `fetch` as the browser has it. */
  constructor(endpoint, token, fetch) {
    this.#endpoint = endpoint;
    this.#token = token;
    this.#fetch = fetch;
  }

  /** Sends the offer and returns the answer (SDP text); throws SignalError. */
  async offer(sdp) {
    const headers = { "Content-Type": "application/sdp", Accept: "application/sdp", "X-Windshield-Page": "1" };
    const reply = await this.#send("POST", this.#endpoint, headers, sdp, ANSWER_LIMIT_MS);
    if (reply.status !== 201) throw refusal(reply);
    const location = reply.headers.get("Location");
    if (location) this.#resource = new URL(location, this.#endpoint).href;
    this.#etag = reply.headers.get("ETag");
    if (!reply.text.startsWith("v=0")) throw new SignalError("nonsense", { status: 201 });
    return reply.text;
  }

  /** Sends candidates; nothing is lost if that fails, because the car learns us from our own checks. */
  async trickle(fragment) {
    if (!this.#resource || !this.#patchable) return;
    try {
      const match = this.#etag ? { "If-Match": this.#etag } : {};
      const reply = await this.#patch(fragment, match);
      // Not implemented there (405, 501 and the like) stays so: do not ask again.
      if (!reply.ok) this.#patchable = false;
    } catch {
      // The path itself is watched elsewhere.
    }
  }

  /** Sends new credentials; returns the car's fragment, or null if it refused or did not answer. */
  async restart(fragment) {
    if (!this.#resource) return null;
    try {
      // RFC 9725 section 4.3.3: a restart matches whatever the session's tag is now.
      const reply = await this.#patch(fragment, { "If-Match": "*" });
      if (reply.status !== 200) return null;
      this.#etag = reply.headers.get("ETag") ?? this.#etag;
      return reply.text;
    } catch {
      return null;
    }
  }

  /** Gives the seat back; true if the car has said that the session is over. Survives the end of the page. */
  async close() {
    if (!this.#resource) return true;
    try {
      const reply = await this.#send("DELETE", this.#resource, {}, undefined, RESTART_LIMIT_MS, true);
      if (reply.ok || reply.status === 404 || reply.status === 410) this.#resource = null;
    } catch {
      // The car frees a silent viewer by itself.
    }
    return this.#resource === null;
  }

  #patch(fragment, match) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", ...match };
    return this.#send("PATCH", this.#resource, headers, fragment, RESTART_LIMIT_MS);
  }

  /** The whole reply within the limit, or a SignalError. A body may break off or stall after its head has come. */
  async #send(method, url, headers, body, limitMs, keepalive = false) {
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), limitMs);
    const { signal } = abort;
    try {
      const reply = await this.#fetch(url, { method, headers, body, keepalive, signal, cache: "no-store" });
      return { status: reply.status, ok: reply.ok, headers: reply.headers, text: await reply.text() };
    } catch (error) {
      throw new SignalError(signal.aborted ? "timeout" : "unreachable", { text: String(error?.message ?? "") });
    } finally {
      clearTimeout(timer);
    }
  }
}

function refusal(reply) {
  const kind = reply.status === 401 ? "token" : reply.status === 503 ? "full" : "status";
  return new SignalError(kind, { status: reply.status, text: firstWords(reply), retryAfterMs: retryAfter(reply) });
}

/** Retry-After in milliseconds (seconds or a date, RFC 9110 section 10.2.3), at most a minute; 0 if there is none. */
function retryAfter(reply) {
  const value = reply.headers.get("Retry-After");
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 60_000) : 0;
}

/** The car's own sentence, if it is one and not a page of some other server. */
function firstWords(reply) {
  const type = reply.headers.get("Content-Type") ?? "";
  if (!type.startsWith("text/plain")) return "";
  return reply.text.trim().split("\n", 1)[0].slice(0, WORDS);
}
