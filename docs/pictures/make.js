// Runs the commands, and takes pictures of their output and of the console with a headless Chromium. `make` in this
// folder calls it.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "../../tests/console/node_modules/playwright-core/index.mjs";

const HERE = new URL(".", import.meta.url).pathname;
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

/** What an engineer on call may have set. */
const STANDINGS = {
  "acme/wa-emea-gb-2": { standing: "draining", reason: "the provider reports a low quality rating" },
  "meridian/wa-ma-0004": { standing: "suspended", reason: "blocked by the provider, case 4711", until: "2099-01-01T00:00:00Z" },
};
/** Seconds of traffic before the picture of the view Now. */
const TRAFFIC = Number(process.env.TRAFFIC ?? 150);

/** Starts a daemon with the demo on ports of the system. Returns its process and the URLs of its listeners. */
async function serve() {
  const options = ["--registry", "config/demo", "--state", join(folder, "state"), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const daemon = spawn(join(PROGRAMS, "switchboard"), ["serve", ...options, "--log-format", "json"], { stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of createInterface({ input: daemon.stderr })) {
    const { message, data, admin } = JSON.parse(line);
    if (message !== "listening") continue;
    daemon.stderr.resume();
    return { daemon, data: `http://${data}`, admin: `http://${admin}` };
  }
  throw new Error("the daemon ended");
}

/** Sends selections whose rate goes up and down, until `isOver` returns true. */
async function sendSelections(data, isOver) {
  const countries = ["DE", "AT", "FR", "GB", "DZ", "JP", "BR", "ZA"];
  for (let turn = 0; !isOver(); turn++) {
    const batch = Math.round(40 + 25 * Math.sin(turn / 90) + 10 * Math.sin(turn / 17));
    const ous = ["zurich", "london", "research"];
    const query = (at) => `company=acme&channel=whatsapp&ou=${ous[at % 40 ? at % 2 : 2]}&country=${countries[(turn + at) % countries.length]}`;
    await Promise.all(Array.from({ length: batch }, (_, at) => fetch(`${data}/v1/select?${query(at)}`).then((it) => it.arrayBuffer())));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Shows each view of the console in both colour schemes. */
async function showConsole(browser) {
  const { daemon, data, admin } = await serve();
  let isOver = false;
  try {
    for (const [account, standing] of Object.entries(STANDINGS)) {
      const { status } = await fetch(`${admin}/v1/standings/${account}`, { method: "PUT", body: JSON.stringify(standing) });
      if (status !== 200) throw new Error(`${account}: ${status}`);
    }
    const traffic = sendSelections(data, () => isOver);
    const open = async (fragment, height = 900) => {
      const page = await browser.newPage({ viewport: { width: 1280, height }, deviceScaleFactor: 1.25, locale: "en-GB", bypassCSP: true });
      await page.goto(`${admin}/#${fragment}`);
      await page.addStyleTag({ content: FONT });
      return page;
    };
    const both = async (page, name) => {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.waitForTimeout(2500); // a chart takes the colours at its next reading
        save(await page.screenshot(), `console-${name}-${colorScheme}`);
      }
    };
    const now = await open("now");
    await now.waitForTimeout(TRAFFIC * 1000);
    await both(now, "now");

    const ask = await open("ask?company=acme&channel=whatsapp&ou=zurich&country=AT&exclude=wa-dach-at-1,wa-dach-ch-1", 1400);
    await ask.getByRole("heading", { name: "The climb" }).waitFor();
    await both(ask, "ask");

    const map = await open("map?company=meridian&ou=nordics&channel=whatsapp&role=secondary&country=DZ&find=nordics", 1400);
    await map.getByText(/^Algeria \(DZ\): /).first().waitFor();
    await both(map, "map");

    const accounts = await open("accounts?company=acme&channel=whatsapp&account=acme/wa-research-gb-1");
    await accounts.getByRole("dialog").getByText(/^Answers /).waitFor();
    await both(accounts, "accounts");

    const compare = await open("compare");
    const changed = join(folder, "registry");
    cpSync("config/demo", changed, { recursive: true });
    const file = join(changed, "acme/accounts.csv");
    writeFileSync(file, readFileSync(file, "utf8").replace(/^((?:wa-research-gb-1|wa-dach-ch-1),.*-whatsapp),,,,$/gm, "$1,,,suspended,"));
    await compare.locator("input[webkitdirectory]").setInputFiles(changed);
    await compare.getByRole("button", { name: "Compare", exact: true }).click();
    await compare.getByRole("heading", { name: "Decisions that change" }).waitFor();
    await both(compare, "compare");
    isOver = true;
    await traffic;
  } finally {
    isOver = true;
    daemon.kill();
  }
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

const pictures = { explain, coverage, load, console: showConsole };
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium" });
try {
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(pictures)) await pictures[name](browser);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
