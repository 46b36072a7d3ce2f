// The instrument on the screen: one small figure over the picture, and on the key L or a tap the waterfall, the strip
// of the last minute, counters, and the buttons that save the run. Writes only what has changed, a few times a second,
// and into boxes of fixed size, so that the picture underneath is never laid out anew. Called by app.js.

import { STAGES, SUMMANDS } from "./stages.js";

/** Faster nobody reads. */
const FIGURE_MS = 200;
/** The waterfall: every so many turns of the figure. */
const TABLE_TURNS = 3;
/** The promise is 100 ms. */
const GOOD_MS = 80;
const BAD_MS = 100;
/** A figure less sure than that is shown with its uncertainty and without a colour: it could be of either side. */
const SURE_MS = 20;
const STRIP_COLUMNS = 300;
/** The strip's height is so many milliseconds at least. */
const STRIP_MS = 150;
const SHARES = ["p50", "p95", "p99"];
const COLOURS = { good: "#63d68b", fair: "#ffc24b", bad: "#ff7a6b" };

export class Panel {
  #doc;
  #instrument;
  #store;
  #figure;
  #number;
  #road;
  #panel;
  #rows = new Map();
  #counters = {};
  #strip;
  #note;
  #turns = 0;

  /** `root` is the document, `store` keeps the speed. */
  constructor(root, instrument, store) {
    this.#doc = root;
    this.#instrument = instrument;
    this.#store = store;
    this.#figure = root.getElementById("age");
    this.#panel = root.getElementById("panel");
    this.#number = this.#make("b", "", this.#figure);
    this.#road = this.#make("span", "", this.#figure);
    this.#figure.addEventListener("click", () => this.toggle());
    root.addEventListener("keydown", ({ key }) => key === "Escape" && !this.#panel.hidden && this.toggle());
    this.#fill();
    setInterval(() => this.#draw(), FIGURE_MS);
    this.#draw();
  }

  /** Opens or closes the waterfall. */
  toggle() {
    const open = this.#panel.hidden;
    const inside = this.#panel.contains(this.#doc.activeElement);
    this.#panel.hidden = !open;
    this.#figure.hidden = false;
    // The focus would be lost with what had it.
    if (inside) this.#figure.focus();
    this.#doc.documentElement.dataset.panel = open ? "open" : "closed";
    this.#figure.setAttribute("aria-expanded", String(open));
    this.#instrument.watch(open);
    this.#turns = 0;
    this.#draw();
  }

  #fill() {
    const head = this.#make("header", "", this.#panel);
    this.#make("h2", "Age of the picture", head);
    this.#button(head, "×", () => this.toggle()).setAttribute("aria-label", "Close");
    const table = this.#make("table", "", this.#panel);
    const titles = this.#make("tr", "", this.#make("thead", "", table));
    for (const title of ["ms, last 10 s", "", ...SHARES]) this.#make("th", title, titles).scope = "col";
    const body = this.#make("tbody", "", table);
    this.#row(body, { key: "age", name: "age on screen" });
    for (const stage of STAGES.filter(({ after }) => !after)) this.#row(body, stage);
    this.#row(body, { key: "frame", name: "age when shown" });
    for (const stage of STAGES.filter(({ after }) => after)) this.#row(body, stage);
    this.#row(body, { key: "stalls", name: "page stood still", after: true });
    this.#note = this.#make("p", "", this.#panel);
    this.#note.id = "panel-note";
    this.#strip = this.#make("canvas", "", this.#panel);
    this.#strip.width = 2 * STRIP_COLUMNS;
    this.#strip.height = 96;
    this.#strip.setAttribute("role", "img");
    this.#strip.setAttribute("aria-label", "Age of the picture in the last minute");
    const list = this.#make("dl", "", this.#panel);
    for (const name of ["frame rate", "bitrate", "loss", "RTT", "freezes", "frames not shown"]) {
      const pair = this.#make("div", "", list);
      this.#make("dt", name, pair);
      this.#counters[name] = this.#make("dd", "–", pair);
    }
    const foot = this.#make("footer", "", this.#panel);
    const label = this.#make("label", "at ", foot);
    const speed = this.#make("input", "", label);
    Object.assign(speed, { type: "number", id: "speed", min: 1, max: 200, step: 1, value: this.#store.speed });
    label.append(" km/h");
    speed.addEventListener("input", () => {
      if (speed.checkValidity() && speed.value !== "") this.#store.speed = Number(speed.value);
      this.#draw();
    });
    this.#button(foot, "Save JSON", () => this.#save("json")).id = "save-json";
    this.#button(foot, "Save CSV", () => this.#save("csv")).id = "save-csv";
  }

  #row(body, { key, name, part, after, mean }) {
    const row = this.#make("tr", "", body);
    row.hidden = true;
    row.dataset.stage = key;
    if (part) row.className = "part";
    else if (after) row.className = "after";
    this.#make("th", name, row).scope = "row";
    const bar = this.#make("i", "", this.#make("td", "", row));
    const cells = SHARES.map(() => this.#make("td", "", row));
    this.#rows.set(key, { row, bar, cells, mean });
  }

  #draw() {
    if (this.#doc.hidden) return;
    const age = this.#instrument.figure();
    // Nothing lies over the picture before there is something to tell.
    if (age !== null) write(this.#figure, "hidden", false);
    const { speed } = this.#store;
    const { text, sure } = told(age, age === null ? null : this.#instrument.uncertainty());
    write(this.#number, "textContent", text);
    write(this.#road, "textContent", sure ? `= ${road(age, speed)} at ${speed} km/h` : "");
    write(this.#figure.dataset, "tone", sure ? tone(age) : "none");
    if (!this.#panel.hidden && this.#turns-- <= 0) {
      this.#turns = TABLE_TURNS - 1;
      this.#table();
      this.#paint();
    }
  }

  #table() {
    const figures = this.#instrument.figures();
    const { stages, uncertaintyMs, age, frame, stalls } = figures;
    const found = { ...stages, age: age.p50 === null ? null : age, frame, stalls };
    // The table's width: the sum of the medians, or the median of the whole, which is another thing.
    const sum = SUMMANDS.reduce((ms, key) => ms + Math.max(0, stages[key]?.p50 ?? 0), 0);
    const percent = (ms) => (100 * ms) / Math.max(sum, frame?.p50 ?? 0, 1);
    let [at, inside] = [0, 0];
    for (const [key, { row, bar, cells, mean }] of this.#rows) {
      const one = found[key];
      write(row, "hidden", !one);
      if (!one) continue;
      const length = Math.max(0, mean ? one.mean : one.p50);
      const summand = SUMMANDS.includes(key);
      const part = row.className === "part";
      const from = summand ? at : part ? inside : 0;
      if (summand) [inside, at] = [at, at + length];
      if (part) inside += length;
      write(bar, "hidden", row.className === "after");
      const start = Math.min(99, percent(from));
      write(bar.style, "marginInlineStart", `${start.toFixed(1)}%`);
      write(bar.style, "width", `${Math.max(1, Math.min(100 - start, percent(length))).toFixed(1)}%`);
      const doubt = key === "network" ? uncertaintyMs : 0;
      const texts = mean ? [`⌀ ${short(one.mean, 0)}`, "", ""] : SHARES.map((share) => short(one[share], doubt));
      cells.forEach((cell, n) => write(cell, "textContent", texts[n]));
    }
    const blind = "This browser does not tell which frame it shows, so its age is not known. Try Chrome or Edge.";
    const waiting = "Waiting for the car's clock.";
    const sure = uncertaintyMs === null ? waiting : `± ${short(uncertaintyMs, 0)} ms: the two clocks.`;
    const clocks = `${sure} Up to the compositor; the screen itself adds to it.`;
    write(this.#note, "textContent", figures.blind ? blind : clocks);
    const { fps, bitrate, loss, lost, rttMs, freezes, counts } = figures;
    const words = {
      "frame rate": fps === null ? "–" : `${fps.toFixed(1)} /s`,
      bitrate: bitrate === null ? "–" : `${(bitrate / 1e6).toFixed(2)} Mbit/s`,
      loss: loss === null ? "–" : `${(100 * loss).toFixed(1)} % (${lost})`,
      RTT: rttMs === null ? "–" : `${rttMs.toFixed(1)} ms`,
      freezes: String(freezes),
      "frames not shown": `${counts.never + counts.unclear} + ${counts.cut} cut`,
    };
    for (const [name, text] of Object.entries(words)) write(this.#counters[name], "textContent", text);
  }

  #paint() {
    const { width, height } = this.#strip;
    const context = this.#strip.getContext("2d");
    const ages = this.#instrument.strip(STRIP_COLUMNS);
    const top = Math.max(STRIP_MS, ...ages.filter((age) => age < 1000));
    context.clearRect(0, 0, width, height);
    ages.forEach((age, column) => {
      if (Number.isNaN(age)) return;
      const tall = Math.max(1, Math.min(1, age / top) * height);
      context.fillStyle = COLOURS[tone(age)];
      context.fillRect((column * width) / STRIP_COLUMNS, height - tall, width / STRIP_COLUMNS, tall);
    });
    const line = height - (BAD_MS / top) * height;
    context.fillStyle = "#c3c9d1";
    context.fillRect(0, line, width, 1);
    context.font = "18px system-ui, sans-serif";
    context.fillText("100 ms", 4, line - 5);
  }

  #save(kind) {
    const json = kind === "json";
    const text = json ? JSON.stringify(this.#instrument.run()) : this.#instrument.csv();
    const url = URL.createObjectURL(new Blob([text], { type: json ? "application/json" : "text/csv" }));
    const link = this.#make("a", "", this.#panel);
    link.href = url;
    link.download = `windshield-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${kind}`;
    link.click();
    link.remove();
    // The browser reads it after the click has returned.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  #button(parent, text, clicked) {
    const button = this.#make("button", text, parent);
    button.type = "button";
    button.addEventListener("click", clicked);
    return button;
  }

  #make(tag, text, parent) {
    const element = this.#doc.createElement(tag);
    element.textContent = text;
    parent.append(element);
    return element;
  }
}

function tone(age) {
  return age <= GOOD_MS ? "good" : age <= BAD_MS ? "fair" : "bad";
}

/** The small figure's words for an age and its uncertainty, ms; `sure` if colour and road may be made of it. */
export function told(age, uncertaintyMs) {
  if (age === null) return { text: "– ms", sure: false };
  if (uncertaintyMs === null) return { text: `~${whole(age)}`, sure: false };
  // Taken after it was shown: the clocks are wrong, by more than they say.
  if (age < -uncertaintyMs) return { text: "~? ms", sure: false };
  // What is far beyond the promise stays so, however unsure.
  if (uncertaintyMs > SURE_MS && age - uncertaintyMs <= BAD_MS) {
    return { text: `${whole(age)} ± ${Math.ceil(uncertaintyMs)}`, sure: false };
  }
  return { text: whole(age), sure: true };
}

function whole(age) {
  return age < 10_000 ? `${Math.round(Math.max(0, age))} ms` : `${Math.round(age / 1000)} s`;
}

/** How far a car of that speed gets in that time. */
function road(ms, kmh) {
  const metres = ((Math.max(0, ms) / 1000) * kmh) / 3.6;
  return `${metres < 10 ? metres.toFixed(1) : Math.round(metres)} m`;
}

/** A little less than nothing is nothing as far as the clocks can tell; more than that is shown, it is a fault. */
function short(ms, uncertaintyMs) {
  if (ms < 0 && ms >= -uncertaintyMs) return "~0";
  return ms < 99.95 ? ms.toFixed(1) : Math.round(ms).toString();
}

function write(target, name, value) {
  if (target[name] !== value) target[name] = value;
}
