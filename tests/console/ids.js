// Ids, names and reasons that look like HTML, like parts of a URL or like members that every object has, and text from
// right to left: each view shows them as they are.

import { equal, fault, open, scenario, url } from "./browser.js";
import { uncut } from "./audit.js";
import { changedRegistry, enter, views } from "./states.js";

const COMPANY = "<b>&amp;";
const [TOP, MIDDLE, BOTTOM] = ["<script>alert(1)<", "a?b#c&d=e+f%20;", "__proto__"];
const ACCOUNTS = ["<script>alert(2)<", "a?b#c&d=e+f%20;", "__proto__", "%2e%2e", "..", "<img>", "`{{7*7}}`"];
const USER = "שלום@bank.example";
const OTHER_USER = "o'neil\"<script>alert(3)</script>";
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
  const page = await open(browser, { width: 360, allowed: [/status of 404 .*\/v1\/accounts\//] });
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

  await enter(page, "map");
  await views.Map(page);
  await shows(page, "Map", [TOP, MIDDLE, BOTTOM]);
  await enter(page, fragment("map", { company: COMPANY, ou: BOTTOM, channel: "whatsapp", role: "secondary", country: "DE" }));
  await page.getByText(/^Germany \(DE\): /).first().waitFor();
  await shows(page, "Map of a unit", ["__proto__"]);

  await enter(page, "accounts");
  await views.Accounts(page);
  await shows(page, "Accounts", [...ACCOUNTS, USER, OTHER_USER, "${alert(1)}", "constructor", REASON]);
  for (const account of ACCOUNTS.filter((it) => it !== "..")) {
    await page.getByRole("button", { name: account, exact: true }).click();
    const dialog = page.getByRole("dialog", { name: account, exact: true });
    await dialog.getByText("Generation", { exact: true }).waitFor();
    await shows(page, `the account ${account}`, [account]);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
  }
  // The path of a URL cannot have this id.
  await page.getByRole("button", { name: "..", exact: true }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.keyboard.press("Escape");

  const search = page.getByLabel("Id, address or user");
  for (const account of ACCOUNTS) {
    await search.fill(account);
    await page.getByRole("button", { name: account, exact: true }).waitFor();
  }

  await enter(page, "compare");
  await page.locator("input[webkitdirectory]").setInputFiles(changedRegistry((text) => text.replace("..,whatsapp,secondary", "..,whatsapp,primary"), COMPANY));
  await page.getByText("Names of the files").click();
  await shows(page, "Compare, before the request", [`${COMPANY}/accounts.csv`]);
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await page.getByRole("heading", { name: "Decisions that change" }).waitFor();
  await shows(page, "Compare, changes", ["__proto__"]);
  await enter(page, "compare");
  await page.locator("input[webkitdirectory]").setInputFiles(changedRegistry((text) => text.replace("constructor,", "<img>${alert(1)},"), COMPANY));
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await page.getByRole("heading", { name: "Findings" }).waitFor();
  await shows(page, "Compare, findings", []);
});
