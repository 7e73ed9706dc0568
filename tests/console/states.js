// The states in which the scenarios look at a view. Each enters its view from any other one.

import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { url } from "./browser.js";

/** Returns a copy of the registry, whose file `accounts.csv` of a company is changed. */
export function changedRegistry(edit, company = "acme") {
  const copy = mkdtempSync(join(dirname(process.env.CONSOLE_REGISTRY), "changed-"));
  cpSync(process.env.CONSOLE_REGISTRY, copy, { recursive: true });
  const file = join(copy, company, "accounts.csv");
  const text = readFileSync(file, "utf8");
  if (edit(text) === text) throw new Error(`${file} was not changed`);
  writeFileSync(file, edit(text));
  return copy;
}

/** Opens a view by its fragment, in a new document. */
export async function enter(page, fragment) {
  await page.goto(`${url}/#${fragment}`);
  await page.reload();
  await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
}

/** The views, each with what it shows when its data has arrived. */
export const views = {
  Now: (page) => page.getByRole("heading", { name: "Snapshot" }).waitFor(),
  Ask: (page) => page.getByRole("button", { name: "Explain" }).waitFor(),
  Map: async (page) => {
    await page.getByRole("heading", { name: /^Overview/ }).waitFor();
    await page.getByRole("heading", { name: "Every country" }).waitFor();
  },
  Accounts: (page) => page.getByRole("region", { name: "Accounts" }).getByRole("row").nth(1).waitFor(),
  Compare: (page) => page.getByRole("button", { name: "Choose a folder" }).waitFor(),
};

/** Chooses files for a comparison, and compares them. `edit` changes a copy of the registry that is served. */
async function compare(page, edit) {
  await enter(page, "compare");
  await page.locator("input[webkitdirectory]").setInputFiles(changedRegistry(edit));
  await page.getByRole("button", { name: "Compare", exact: true }).click();
}

/** The console messages of the states in which a view shows a problem. */
export const allowed = [/status of 404 .*\/v1\/(explain|coverage)/];

const all = {
  async Now(page) {
    await enter(page, "now");
    await page.getByRole("heading", { name: "Snapshot" }).waitFor();
  },
  async "Ask, before a query"(page) {
    await enter(page, "ask");
    await page.getByRole("button", { name: "Explain" }).waitFor();
  },
  async "Ask, with an answer"(page) {
    await enter(page, "ask?company=acme&channel=whatsapp&ou=zurich&country=AT&exclude=wa-dach-at-1,wa-dach-ch-1");
    await page.getByRole("heading", { name: "The climb" }).waitFor();
  },
  async "Ask, with a problem"(page) {
    await enter(page, "ask?company=acme&channel=whatsapp&ou=nowhere&country=AT");
    await page.getByRole("alert").waitFor();
  },
  async "Map, with the overview"(page) {
    await enter(page, "map");
    await views.Map(page);
  },
  async "Map, of one unit"(page) {
    await enter(page, "map?company=acme&ou=zurich&channel=whatsapp&country=FR");
    await page.getByText(/^France \(FR\): /).first().waitFor();
  },
  async "Map, of a company that does not exist"(page) {
    await enter(page, "map?company=nope");
    await page.getByRole("alert").waitFor();
  },
  async Accounts(page) {
    await enter(page, "accounts");
    await views.Accounts(page);
  },
  async "Accounts, when none matches"(page) {
    await enter(page, "accounts?text=nobody-has-this");
    await page.getByText("No account matches").waitFor();
  },
  async "Accounts, with one of them"(page) {
    await enter(page, "accounts?account=acme/wa-emea-gb-1");
    await page.getByRole("dialog").getByText(/^Answers /).waitFor();
  },
  async "Accounts, with a change"(page) {
    await enter(page, "accounts?account=acme/wa-emea-gb-1");
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    await page.getByLabel(/^Reason/).waitFor();
  },
  async "Compare, before a choice"(page) {
    await enter(page, "compare");
    await views.Compare(page);
  },
  async "Compare, with changes"(page) {
    await compare(page, (text) => text.replace(/^wa-dach-at-1,.*\n/m, "").replace(/^wa-global-us-1,.*\n/m, ""));
    await page.getByRole("heading", { name: "Decisions that change" }).waitFor();
  },
  async "Compare, with an error"(page) {
    await compare(page, (text) => text.replace("wa-emea-de-1,whatsapp,secondary,+4915123456701,", "wa-emea-de-1,whatsapp,secondary,+4915123456701,UK"));
    await page.getByRole("heading", { name: "Findings" }).waitFor();
  },
};

/** All states, or those whose names match `CONSOLE_STATES`. */
export const states = Object.fromEntries(Object.entries(all).filter(([name]) => new RegExp(process.env.CONSOLE_STATES ?? "").test(name)));
