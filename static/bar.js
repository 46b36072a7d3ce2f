// The one bar of the page: a sentence, what to try, what comes next, and where needed a token form or a button. It is
// shown only while there is something to say, so that nothing lies over a healthy picture. Called by app.js.

export class Bar {
  #bar;
  #text;
  #hint;
  #next;
  #spoken;
  #form;
  #close;
  #put = new Set();
  #key = null;
  #lastSpoken = "";

  /** `root` is the document; `onToken(token)` is called when the person has typed one. */
  constructor(root, { onToken }) {
    const find = (id) => root.getElementById(id);
    this.#bar = find("bar");
    this.#text = find("sentence");
    this.#hint = find("hint");
    this.#next = find("next");
    this.#spoken = find("spoken");
    this.#form = find("token-form");
    this.#close = find("close");
    const input = find("token");
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = input.value.trim();
      input.value = "";
      if (token !== "") onToken(token);
    });
    this.#close.addEventListener("click", () => {
      this.#put.add(this.#key);
      this.#bar.hidden = true;
    });
  }

  /** Shows what words.js said (null hides the bar); `askToken` adds the form. */
  show(words, askToken) {
    const hidden = words === null || (words.dismiss !== null && this.#put.has(words.dismiss));
    this.#speak(hidden ? "" : words.text);
    if (this.#bar.hidden !== hidden) this.#bar.hidden = hidden;
    if (hidden) return;
    this.#key = words.dismiss;
    set(this.#bar.dataset, "tone", words.tone);
    set(this.#text, "textContent", words.text);
    set(this.#hint, "textContent", words.hint);
    set(this.#hint, "hidden", words.hint === "");
    set(this.#next, "textContent", words.next);
    set(this.#next, "hidden", words.next === "");
    set(this.#close, "hidden", words.dismiss === null);
    if (this.#form.hidden === askToken) {
      this.#form.hidden = !askToken;
      if (askToken) this.#form.elements.token.focus({ preventScroll: true });
    }
  }

  /** A screen reader hears a sentence once, not every time its seconds count up. */
  #speak(text) {
    const still = text.replace(/[\d.]+ s\b.*$/, "");
    if (still === this.#lastSpoken) return;
    this.#lastSpoken = still;
    this.#spoken.textContent = text;
  }
}

/** Writes only what differs: a write alone costs style and layout, five times a second. */
function set(target, name, value) {
  if (target[name] !== value) target[name] = value;
}
