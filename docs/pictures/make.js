// Runs the commands, and takes pictures of their output and of the console with a headless Chromium. `make` in this
// folder calls it.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "../../tests/console/node_modules/playwright-core/index.mjs";

const HERE = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const PROGRAMS = resolve("target/release");
const WIDE = 920; // the width of a README, or a little more
// The pages take the reader's own font; here that is one that every Debian has.
const FONT = "body, select, button, input, textarea { font-family: Inter !important; font-feature-settings: 'tnum'; }";

const EXPLAIN = `switchboard explain company=acme channel=whatsapp ou=zurich phone=+436641234567 \\
    client=c-42 exclude=wa-dach-at-1,wa-dach-ch-1`;
const COVERAGE = "switchboard coverage config/demo --format html -o";
const LOAD = "loadtest run reload-storm --repeat 1 --out";

const environment = { ...process.env, PATH: `${PROGRAMS}:${process.env.PATH}`, CLICOLOR_FORCE: "1" };
const folder = mkdtempSync(join(tmpdir(), "pictures-"));

function run(command) {
  console.log("$", command);
  return execFileSync("sh", ["-c", command], { env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** Returns a chunk of a PNG that describes the picture: `iTXt`, uncompressed and without a language. */
function description(text) {
  const data = Buffer.concat([Buffer.from("iTXtDescription\0\0\0\0\0"), Buffer.from(text)]);
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const chunk = Buffer.alloc(data.length + 8);
  chunk.writeUInt32BE(data.length - 4, 0);
  data.copy(chunk, 4);
  chunk.writeUInt32BE(~crc >>> 0, data.length + 4);
  return chunk;
}

/** Saves a picture with 256 colours. `text` becomes its description. */
function save(screenshot, name, text) {
  let png = execFileSync("pngquant", ["--nofs", "--strip", "--speed", "1", "256", "-"], { input: screenshot, maxBuffer: 2 ** 26 });
  const end = png.length - 12; // the chunk IEND
  if (text) png = Buffer.concat([png.subarray(0, end), description(text), png.subarray(end)]);
  const path = join(HERE, `${name}.png`);
  writeFileSync(path, png);
  console.log(`${path}: ${png.readUInt32BE(16)} × ${png.readUInt32BE(20)}, ${statSync(path).size >> 10} KiB`);
}

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** Converts the text of a terminal to HTML. The classes are those of `explain`: `bold`, `dim`, and `c` with the number of a colour. */
function coloured(text) {
  let classes = [];
  return text.split(/\x1b\[([\d;]*)m/).map((part, at) => {
    if (at % 2 === 0) return part && `<span class="${classes.join(" ")}">${escape(part)}</span>`;
    for (const code of part.split(";").map(Number)) {
      if (code === 0) classes = [];
      else classes.push({ 1: "bold", 2: "dim" }[code] ?? `c${code % 10}`);
    }
    return "";
  }).join("");
}

/** Shows a terminal of 80 columns. A test compares the text in the picture with the output of today. */
async function explain(browser) {
  const page = await browser.newPage({ viewport: { width: WIDE, height: 100 }, deviceScaleFactor: 2 });
  await page.setContent(`<!DOCTYPE html><meta charset="utf-8"><style>
      body { margin: 0; background: #14181f; color: #d5dae1; }
      pre { margin: 0; padding: 20px 26px; width: 84ch; font: 16px 'DejaVu Sans Mono'; }
      .bold { font-weight: bold } .dim { opacity: .65 }
      .c1 { color: #f07178 } .c2 { color: #7fd962 } .c3 { color: #e6b450 } .c4 { color: #59c2ff } .c5 { color: #d2a6ff } .c6 { color: #73d0c8 }
    </style><pre><span style="color: #8b95a3">$</span> ${escape(EXPLAIN)}\n\n${coloured(run(EXPLAIN))}</pre>`);
  const pre = page.locator("pre");
  save(await pre.screenshot(), "explain", await pre.innerText());
}

/** Shows the map of an OU with every rule, and the details of a country. */
async function coverage(browser) {
  run(`${COVERAGE} ${folder}/coverage.html`);
  const page = await opened(browser, `${folder}/coverage.html#company=meridian&ou=nordics&channel=whatsapp&country=DZ`);
  save(await page.screenshot({ clip: await between(page, ".both > section", ".both > section"), fullPage: true }), "coverage");
}

/** Shows the head of a load report and its timeline with each reload, without the section between them. */
async function load(browser) {
  if (process.env.REPORT) run(`loadtest page '${process.env.REPORT}' -o ${folder}/loadtest-.html`);
  else run(`${LOAD} ${folder}`);
  const report = readdirSync(folder).find((name) => /^loadtest-.*\.html$/.test(name));
  const page = await opened(browser, join(folder, report));
  await page.locator("section", { hasText: "Latency by percentile" }).evaluate((it) => it.remove());
  const course = "section:has(h2:text-is('Rate and latency over time'))";
  save(await page.screenshot({ clip: await between(page, "header", course), fullPage: true }), "load");
}

async function opened(browser, path) {
  const page = await browser.newPage({ viewport: { width: WIDE, height: 1600 }, deviceScaleFactor: 2, colorScheme: "light" });
  await page.goto(`file://${path}`);
  await page.addStyleTag({ content: FONT });
  return page;
}

/** Returns the area from one element to another. */
async function between(page, first, last, edge = 16) {
  const [top, bottom] = await Promise.all([first, last].map((it) => page.locator(it).first().boundingBox()));
  const y = top.y - edge;
  return { x: 0, y, width: WIDE, height: bottom.y + bottom.height + edge - y };
}

const pictures = { explain, coverage, load };
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium" });
try {
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(pictures)) await pictures[name](browser);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
