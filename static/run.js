// The last ten minutes, one row a frame, to be saved and looked at elsewhere: as JSON or CSV. Pure; instrument.js
// fills it, panel.js saves it.

import { FATES } from "./join.js";

const KEPT_MS = 600_000;
/** Rows are kept in blocks, so that no array is moved or grown on the way. */
const BLOCK_ROWS = 1024;
/** Ten minutes at 120 frames a second. */
const BLOCKS_MOST = 71;

/** Times are milliseconds; `captured`, `received`, `presented` and `told` are points on the page's clock. */
export const FIELDS = [
  "session", "fate", "rtp_time", "captured", "received", "presented", "told", "total", "camera", "encode", "send",
  "packetize", "protect", "write", "network", "decode", "waiting", "way", "page", "uncertainty",
];
const WIDTH = FIELDS.length;
const PRESENTED = FIELDS.indexOf("presented");
const CAPTURED = FIELDS.indexOf("captured");

export class Run {
  #blocks = [];

  /** One more frame, as FIELDS names it; undefined and null are what is not known. `now` only ages the old ones. */
  add(now, row) {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.rows === BLOCK_ROWS) {
      block = { rows: 0, newest: now, values: new Float64Array(BLOCK_ROWS * WIDTH) };
      this.#blocks.push(block);
      while (this.#blocks[0].newest < now - KEPT_MS || this.#blocks.length > BLOCKS_MOST) this.#blocks.shift();
    }
    FIELDS.forEach((field, n) => (block.values[block.rows * WIDTH + n] = row[field] ?? NaN));
    block.newest = now;
    block.rows += 1;
  }

  /** Rows from the oldest on, as arrays in the order of FIELDS; `fate` is a word, null is not known. */
  rows() {
    const rows = [];
    const newest = this.#blocks.at(-1)?.newest ?? 0;
    for (const { rows: count, values } of this.#blocks) {
      for (let n = 0; n < count; n += 1) {
        const row = Array.from(values.subarray(n * WIDTH, (n + 1) * WIDTH), rounded);
        // Blocks are dropped whole; a row that is older than promised is left out one by one.
        if ((row[PRESENTED] ?? row[CAPTURED] ?? newest) < newest - KEPT_MS) continue;
        row[1] = FATES[row[1]];
        rows.push(row);
      }
    }
    return rows;
  }

  /** Comma-separated, a line a frame; what is not known is empty. */
  csv() {
    const lines = this.rows().map((row) => row.map((value) => value ?? "").join(","));
    return [FIELDS.join(","), ...lines, ""].join("\r\n");
  }
}

/** To the microsecond: more is not measured. */
function rounded(value) {
  return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000;
}
