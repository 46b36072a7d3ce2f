// The page's table of contents: makes the session, the picture and the bar, and carries events between them and the
// browser (visibility, network, keys, taps). Decides no policy of the connection: that is session.js.

import { Bar } from "./bar.js";
import { Picture } from "./picture.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { describe, say } from "./words.js";

/** Long enough to read why the page blinks. */
const RELOAD_AFTER_MS = 1200;
/** The picture is more important than its figure. */
const LOAD_AGAIN_MS = 5000;

const build = pageBuild();
const store = new Store();
const screen = new Screen(document);
const video = document.getElementById("picture");
let needsTap = false;
let reloading = false;
let sentence = "";
/** The newest track's receiver; the instrument comes after it. */
let receiver = null;
let instrument = null;
let panel = null;

const bar = new Bar(document, {
  onToken(token) {
    store.token = token;
    session.setToken(token);
  },
});

const world = {
  now: () => performance.now(),
  fetch: (...args) => fetch(...args),
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (id) => clearTimeout(id),
  RTCPeerConnection: globalThis.RTCPeerConnection,
  RTCRtpReceiver: globalThis.RTCRtpReceiver,
};

const session = new Session({
  endpoint: new URL("whep", location.href).href,
  build,
  token: store.token,
  world,
  heard(type, detail) {
    if (type === "stamps") return instrument?.stamps(detail);
    if (type === "track") {
      picture.attach(detail);
      receiver = detail.receiver;
      instrument?.attach(receiver);
    }
    if (type === "build") reload(detail);
    draw();
  },
});

const picture = new Picture(video, {
  shown(metadata, now) {
    session.frameShown();
    if (instrument !== null && metadata !== null) instrument.presented(metadata, now);
    else if (metadata !== null) measure();
  },
  blocked(yes) {
    needsTap = yes;
    draw();
  },
});

function draw() {
  const state = session.state();
  const words = own() ?? describe(state);
  sentence = words === null ? "" : words.text;
  bar.show(words, state.stage === "lost" && state.failure.kind === "token");
  screen.show(state);
}

/** What only the page itself knows, and what is more pressing than the state of the connection. */
function own() {
  if (reloading) return say("busy", "The car runs another version.", "Loading its page …");
  if (needsTap) return say("info", "Tap to start the picture.", "This device plays no video by itself.");
  if (!globalThis.RTCPeerConnection) return say("bad", "This browser has no WebRTC.", "Try Chrome, Edge or Safari.");
  return null;
}

/** Loads the instrument behind the first picture: that one must not wait for it. */
const measure = once(async () => {
  const [{ Instrument }, { Panel }] = await Promise.all([import("./instrument.js"), import("./panel.js")]);
  const made = new Instrument({ world, clock: session.clock });
  made.attach(receiver);
  made.setVisible(!document.hidden);
  panel = new Panel(document, made, store);
  // Last: what fails above is tried again.
  instrument = made;
});

/** `work()` is run at the first call only; if it fails, a call some seconds later tries again. */
function once(work) {
  let running = false;
  return () => {
    if (running) return;
    running = true;
    work().catch(() => setTimeout(() => (running = false), LOAD_AGAIN_MS));
  };
}

/** The car was updated while this page was open. Once per version: one that differs after a reload is not chased. */
function reload(carBuild) {
  if (!store.reloadFor(carBuild)) return;
  reloading = true;
  setTimeout(() => location.reload(), RELOAD_AFTER_MS);
}

/** The build the server wrote into the page; 0 where it wrote none. */
function pageBuild() {
  const text = document.querySelector('meta[name="windshield-build"]')?.content ?? "";
  return /^[0-9a-f]{16}$/i.test(text) ? BigInt("0x" + text) : 0n;
}

document.addEventListener("visibilitychange", () => {
  session.setVisible(!document.hidden);
  instrument?.setVisible(!document.hidden);
  if (!document.hidden && video.paused && video.srcObject) picture.play();
});
addEventListener("online", () => session.networkChanged());
navigator.connection?.addEventListener?.("change", () => session.networkChanged());
addEventListener("pagehide", () => session.stop());
addEventListener("pageshow", ({ persisted }) => persisted && session.start());
addEventListener("hashchange", () => store.takeFromAddress() && session.setToken(store.token));
addEventListener("pointerdown", () => needsTap && picture.play());
addEventListener("keydown", (event) => {
  if (needsTap) picture.play();
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
  if (!plain || event.target instanceof HTMLInputElement) return;
  if (event.key.toLowerCase() === "f") screen.toggleFull();
  if (event.key.toLowerCase() === "l") panel?.toggle();
});

globalThis.windshield = {
  session,
  state: () => session.state(),
  stats: () => {
    const state = session.state();
    return {
      stage: state.stage,
      sentence,
      framesPresented: picture.framesPresented,
      firstFrameMs: session.firstFrameMs,
      frozenMs: state.frozenMs,
      reconnects: state.reconnects,
      clock: { offsetUs: session.clock.offsetUs, rttUs: session.clock.rttUs },
      build: build.toString(16).padStart(16, "0"),
      latency: instrument?.figures() ?? null,
    };
  },
  run: () => instrument?.run() ?? null,
};

session.setVisible(!document.hidden);
if (globalThis.RTCPeerConnection) session.start();
else draw();
