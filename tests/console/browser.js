// Runs a scenario in Chromium, and collects what no page of the console may do: request another host, log an error or a
// warning, break its Content-Security-Policy, throw. A scenario that finds a fault ends with exit code 1 and takes
// pictures of its pages.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

export const url = process.env.CONSOLE_URL;
const pictures = process.env.CONSOLE_PICTURES ?? "target/console";
/** A folder whose files replace the assets of the daemon, to try JavaScript and CSS without a build. */
const assets = process.env.CONSOLE_ASSETS;

/** The time that an event may take on a slow machine, in milliseconds. */
export const PATIENCE = 20_000;

const faults = [];
const pages = [];

/** Records a fault. The scenario goes on, and fails at its end. */
export function fault(text) {
  faults.push(text);
  console.error(text);
}

/** Records a fault unless `found` equals `expected`, as JSON. */
export function equal(found, expected, what) {
  const [left, right] = [found, expected].map((it) => JSON.stringify(it));
  if (left !== right) fault(`${what}: expected ${right}, found ${left}`);
}

/** Waits until `read` returns a true value, and returns it. Fails with `event` after `PATIENCE`. */
export async function until(event, read, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${event}: not within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts Chromium, runs `body(browser)`, and exits with 1 if there was a fault. */
export async function scenario(body) {
  const paths = process.env.PATH.split(delimiter).map((folder) => join(folder, "chromium"));
  const browser = await chromium.launch({ executablePath: paths.find(existsSync) });
  try {
    await body(browser);
  } catch (error) {
    fault(error.stack);
  }
  if (faults.length) {
    mkdirSync(pictures, { recursive: true });
    for (const [number, page] of pages.entries()) {
      const path = join(pictures, `${process.argv[1].match(/(\w+)\.js$/)[1]}-${number}.png`);
      if (!page.isClosed()) {
        await page.screenshot({ path }).then(() => console.error(`${page.url()} looked like ${path}`), () => {});
      }
    }
  }
  await browser.close();
  process.exitCode = faults.length ? 1 : 0;
}

/** Records layout shifts and violations of the policy from the first moment of each document. */
function observe() {
  window.layoutShifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const moved = entry.sources.map(({ node, previousRect, currentRect }) => {
        const of = (box) => [box.x, box.y, box.width, box.height].map(Math.round).join(" ");
        const it = node?.nodeType === 1 ? node : node?.parentElement;
        return `${it?.cloneNode().outerHTML.replace(/<\/.*/, "")} [${of(previousRect)}] to [${of(currentRect)}]`;
      });
      window.layoutShifts.push({ value: entry.value, input: entry.hadRecentInput, moved });
    }
  }).observe({ type: "layout-shift", buffered: true });
  document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
    console.error(`policy: ${violatedDirective} blocked ${blockedURI} at ${sourceFile}:${lineNumber}`));
}

/**
 * Opens a page of the console. `allowed` are patterns of console messages that the scenario causes, such as the one of a
 * request that is answered 401. `page.sent` has each request.
 */
export async function open(browser, { scheme = "light", width = 1280, height = 900, view = "", path = view && `#${view}`, token, allowed = [] } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height }, locale: "en-GB", reducedMotion: "reduce" });
  await context.addInitScript(observe);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  pages.push(page);
  const at = `${scheme}, ${width} px`;
  page.sent = [];
  context.on("request", (request) => {
    page.sent.push(request);
    const { origin, protocol, search } = new URL(request.url());
    if (origin !== new URL(url).origin && protocol !== "data:" && protocol !== "blob:") {
      fault(`${at}: a request to another host: ${request.url()}`);
    }
    if (/\d{5}/.test(decodeURIComponent(search))) fault(`${at}: a URL may hold a phone number: ${request.url()}`);
  });
  page.on("console", (message) => {
    const text = `${message.text()} (${message.location().url})`;
    if (["error", "warning"].includes(message.type()) && !allowed.some((it) => it.test(text))) {
      fault(`${at}: the console of ${page.url()} shows ${message.type()}: ${text}`);
    }
  });
  page.on("dialog", (dialog) => {
    fault(`${at}: ${page.url()} shows ${dialog.type()}: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => fault(`${at}: ${page.url()} throws ${error.stack}`));
  if (assets) {
    await context.route(/\/assets\//, async (route) => {
      const path = join(assets, new URL(route.request().url()).pathname.replace("/assets/", "").replace(/-[0-9a-f]{8,}\./, "."));
      if (!existsSync(path)) return route.fallback();
      const type = { js: "text/javascript", css: "text/css", html: "text/html", svg: "image/svg+xml" }[path.split(".").pop()];
      await route.fulfill({ body: readFileSync(path), contentType: `${type}; charset=utf-8` });
    });
  }
  if (token) {
    // As the console keeps it: for this tab only.
    await context.addInitScript((it) => sessionStorage.getItem("kept") ?? (sessionStorage.setItem("kept", "1"), sessionStorage.setItem("switchboard-token", it)), token);
  }
  await page.goto(`${url}/${path}`);
  return page;
}
