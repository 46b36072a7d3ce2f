// Loads the page's modules into node. They are served as plain `.js`, which node before 22 takes for CommonJS unless a
// package.json says otherwise: so they are read from a copy that has one, and the page keeps what a browser needs.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const copy = mkdtempSync(join(tmpdir(), "windshield-page-"));
cpSync(fileURLToPath(new URL("../../static", import.meta.url)), copy, { recursive: true });
writeFileSync(join(copy, "package.json"), '{"type": "module"}');
process.on("exit", () => rmSync(copy, { recursive: true, force: true }));

/** The exports of `static/<name>.js`. */
export function load(name) {
  return import(pathToFileURL(join(copy, `${name}.js`)).href);
}
