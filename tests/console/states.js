// The states in which the scenarios look at a view. Each enters its view from any other one.

import { url } from "./browser.js";

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
};

/** The console message of the state in which Ask shows a problem. */
export const allowed = [/status of 404 .*\/v1\/explain/];

export const states = {
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
};
