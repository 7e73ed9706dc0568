// Ids, names and reasons that look like HTML, like parts of a URL or like members that every object has, and text from
// right to left: each view shows them as they are.

import { equal, fault, open, scenario, url } from "./browser.js";
import { uncut } from "./audit.js";
import { enter } from "./states.js";

const COMPANY = "<b>&amp;";
const [TOP, MIDDLE, BOTTOM] = ["<script>alert(1)<", "a?b#c&d=e+f%20;", "__proto__"];
const USER = "שלום@bank.example";
const REASON = "\"><img src=x onerror=alert(1)> שלום \u202Egnp.exe & <b>now</b>";

const fragment = (view, fields) => `${view}?${new URLSearchParams(fields)}`;
const suspend = (account) => fetch(`${url}/v1/standings/${[COMPANY, account].map(encodeURIComponent).join("/")}`, {
  method: "PUT", body: JSON.stringify({ standing: "suspended", reason: REASON }),
});

/** Returns elements that a text has made, and texts from right to left that may change the order of those beside them. Runs in the page. */
function broken() {
  const made = [...document.querySelectorAll("main script, main img, main iframe, [onerror], [onload]")].map((it) => `an element: ${it.outerHTML}`);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const it = texts.currentNode;
    if (/[\u0590-\u08ff\u202a-\u202e\u2066-\u2069]/.test(it.data) && !it.parentElement.closest("bdi, [dir=auto], option, title, script")) {
      made.push(`a text without bdi: ${it.parentElement.outerHTML.slice(0, 200)}`);
    }
  }
  return made;
}

async function shows(page, at, texts) {
  for (const text of texts) await page.getByText(text, { exact: true }).first().waitFor().catch(() => fault(`${at}: ${text} is not shown`));
  for (const text of await page.evaluate(broken)) fault(`${at}: ${text}`);
  await uncut(page, at);
}

await scenario(async (browser) => {
  const page = await open(browser, { width: 360 });
  equal((await suspend("<script>alert(2)<")).status, 200, "the status of a standing");
  equal((await suspend("a?b#c&d=e+f%20;")).status, 200, "the status of a standing");

  await enter(page, "now");
  await shows(page, "Now", [COMPANY, "<script>alert(2)<", "a?b#c&d=e+f%20;", REASON]);

  await enter(page, fragment("ask", { company: COMPANY, channel: "whatsapp", ou: BOTTOM, country: "DE" }));
  await page.getByRole("heading", { name: "The climb" }).waitFor();
  await shows(page, "Ask", ["__proto__", "..", "constructor", "${alert(1)}", TOP, "a?b#c&d=e+f%20;"]);

  await enter(page, fragment("ask", { company: COMPANY, channel: "whatsapp", ou: MIDDLE, country: "GB", user: USER }));
  await shows(page, "Ask of a user", ["<img>"]);
  equal(await page.getByLabel("User", { exact: true }).inputValue(), USER, "the user of the query");
  await enter(page, fragment("ask", { company: COMPANY, channel: "whatsapp", ou: MIDDLE, country: "GB", user: `${USER}x` }));
  await shows(page, "Ask of another user", [USER]);
});
