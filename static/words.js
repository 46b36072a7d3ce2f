// The state of the connection as a sentence: what is the matter, at which stage, what to try, what happens next.
// Pure: takes what Session.state() gives, returns what the bar shows. Used by app.js.

import { Severity } from "./message.js";

/** A notice that is only good to know leaves the picture alone after this. */
const INFO_SHOWN_MS = 4000;
/** Waiting for the first picture longer than this deserves a reason. */
const LONG_WAIT_MS = 2000;
const STAGES = ["signaling", "connecting", "securing", "communicating", "live"];

const PROGRESS = {
  signaling: "Asking the car for its picture",
  connecting: "Looking for a path to the car",
  securing: "Path found, securing it",
  communicating: "Connected, waiting for the first picture",
};

/**
 * Returns null when there is nothing to say, else `{tone, text, hint, next, dismiss}`: tone is "busy", "good", "info",
 * "warn" or "bad"; hint says what to try, next what happens by itself ("" if none); dismiss is a key under which the
 * person may put the sentence away, or null.
 */
export function describe(state) {
  switch (state.stage) {
    case "idle":
      return null;
    case "live":
      return live(state);
    case "frozen":
      return frozen(state);
    default:
      return state.failure ? failed(state) : progress(state);
  }
}

function live(state) {
  if (state.restarting) return say("warn", "The path to the car is in doubt.", "Looking for another one.");
  const worst = worstNotice(state.notices);
  if (worst?.severity >= Severity.WARNING) return fromCar(worst);
  if (state.backAfterMs !== null) return say("good", `Reconnected after ${seconds(state.backAfterMs)}.`);
  return worst && worst.ageMs < INFO_SHOWN_MS ? fromCar(worst) : null;
}

function frozen(state) {
  const text = `Picture frozen for ${seconds(state.frozenMs)}.`;
  if (state.restarting) return say("warn", text, "The path to the car broke. Looking for another one.");
  const worst = worstNotice(state.notices);
  if (worst?.severity >= Severity.WARNING) return say("warn", text, worst.text);
  return say("warn", text, "Asking the car for a fresh one.");
}

function progress(state) {
  const worst = worstNotice(state.notices);
  if (state.stage === "communicating" && worst) {
    const tone = worst.severity === Severity.FAULT ? "bad" : worst.severity === Severity.WARNING ? "warn" : "busy";
    return say(tone, PROGRESS.communicating + ".", worst.text);
  }
  const late = state.stage === "communicating" && state.sinceMs > LONG_WAIT_MS;
  return say("busy", PROGRESS[state.stage] + " …", late ? "The car answers, but sends no picture yet." : "");
}

/** Keeps the words of the last failure until an attempt gets further than that one did: no flicker between tries. */
function failed(state) {
  const { failure } = state;
  const further = STAGES.indexOf(state.stage) > STAGES.indexOf(failure.stage);
  if (further) return progress(state);
  if (failure.stage === "live") return lost(state);
  const [text, hint] = reason(failure);
  // Without a token there is no next attempt before the person has typed one.
  if (failure.kind === "token") return say("info", text, hint);
  return { ...say("bad", text, hint), next: again(state) };
}

/** The picture was there and went: how long ago, and how far the way back is. */
function lost(state) {
  const away = state.outageMs === null ? "" : ` ${seconds(state.outageMs)} ago`;
  const why = { closed: "The car ended the connection", path: "The path to the car broke" }[state.failure.kind];
  const way = state.stage === "lost" ? null : progress(state);
  const hint = way === null ? "" : way.hint || way.text;
  return { ...say("warn", `${why ?? "Connection to the car lost"}${away}.`, hint), next: way ? "" : again(state) };
}

function again(state) {
  const wait = state.stage === "lost" ? Math.ceil(state.retryInMs / 1000) : 0;
  return wait > 0 ? `Trying again in ${wait} s.` : "Trying again …";
}

/** What failed and what to try, by stage. */
function reason(failure) {
  switch (failure.stage) {
    case "signaling":
      return signaling(failure);
    case "connecting": {
      const port = failure.port === null ? "" : ` (UDP port ${failure.port})`;
      return [
        `No path to the car${port}: HTTP works, UDP does not.`,
        "Is there a firewall, a guest Wi-Fi that separates its devices, or a router that does not forward this port?",
      ];
    }
    case "securing":
      return [
        "The path to the car works, but no secure connection came about on it (DTLS).",
        "Was the car restarted just now? Does a firewall look into UDP?",
      ];
    default:
      return [
        "Connected, but no picture came.",
        "Does the camera work? The car's log and its address /stats tell more.",
      ];
  }
}

function signaling(failure) {
  const own = failure.text ? `: ${failure.text}` : "";
  switch (failure.kind) {
    case "unreachable":
      return [
        "The car does not answer (no HTTP connection).",
        "Is windshield running, and is this device in the same network?",
      ];
    case "timeout":
      return ["The car does not answer (no HTTP reply within 10 s).", "Is the link to it very slow, or overloaded?"];
    case "full": {
      const seats = /\d+/.exec(failure.text)?.[0];
      const taken = seats === "1" ? "The only seat is taken." : `All ${seats ? seats + " " : ""}seats are taken.`;
      return [taken, "Close the page on another device, or start the car with more seats."];
    }
    case "token":
      return ["This car asks for a token.", "It is the one windshield was started with (--token)."];
    case "no-h264":
      return [
        "This browser cannot decode H.264, which is what the car sends.",
        "Try Chrome, Edge or Safari; Firefox may still be loading its decoder.",
      ];
    case "refused":
      return [
        "The car and this browser have no video format in common.",
        "Try another browser, or the baseline profile in the car.",
      ];
    case "nonsense":
      return ["The answer was not one of a car.", "Is it windshield that runs at this address?"];
    case "browser":
      return [`This browser could not use the car's answer${own}.`, "Try another browser."];
    default:
      return refusedBy(failure, own);
  }
}

function refusedBy({ status }, own) {
  const text = `The car refused (HTTP ${status}${own}).`;
  if (status === 403) return [text, "Open the page by the address windshield printed when it started."];
  if (status === 404) return [text, "Is it windshield that runs at this address?"];
  if (status >= 500) return [text, "The car's log tells more."];
  return [text, "Is this page older than the car's program? Reloading it may help."];
}

function worstNotice(notices) {
  return notices.reduce((a, b) => (a === null || b.severity > a.severity ? b : a), null);
}

function fromCar({ topic, severity, text }) {
  const tone = severity === Severity.FAULT ? "bad" : severity === Severity.WARNING ? "warn" : "info";
  return { ...say(tone, text), dismiss: `${topic} ${text}` };
}

/** A sentence in the form describe() returns. */
export function say(tone, text, hint = "") {
  return { tone, text, hint, next: "", dismiss: null };
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
