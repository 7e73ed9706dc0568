// A page that stays open: standings, generations, a broken edit, and a daemon that goes and comes back are shown without a
// reload.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, open, scenario, until, url } from "./browser.js";

const { CONSOLE_REGISTRY: registry } = process.env;
const REASON = `"><script>alert(1)</script> ${"\u202e"}דחוף & <b>urgent</b>`;

const standing = (method, account, body) =>
  fetch(`${url}/v1/standings/acme/${account}`, { method, body: body && JSON.stringify(body) }).then((it) => it.status);
const generation = async () => (await (await fetch(`${url}/status`)).json()).snapshot.generation;

function edit(file, from, to) {
  const path = join(registry, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

await scenario(async (browser) => {
  const page = await open(browser);
  const now = page.getByRole("main");
  await now.getByText("The daemon is well").waitFor();
  await page.evaluate(() => (window.sameDocument = true));

  equal(await standing("PUT", "wa-emea-gb-1", { standing: "draining", reason: REASON }), 200, "the status of a standing");
  const row = now.getByRole("row").filter({ hasText: "wa-emea-gb-1" });
  await row.getByText("draining").waitFor();
  await row.getByText(REASON).waitFor();
  equal(await standing("DELETE", "wa-emea-gb-1"), 204, "the status of a standing that is cleared");
  await row.waitFor({ state: "detached" });

  const before = await generation();
  edit("acme/accounts.csv", "+4915123456701", "+4915123456702");
  const after = await until("a new generation", async () => (await generation()) > before && generation());
  await page.getByRole("status").getByText(String(after)).waitFor();
  await now.getByText(String(after)).first().waitFor();

  edit("acme/company.toml", 'parent = "dach"', 'parent = "dech"');
  await now.getByText(/unknown_parent/).first().waitFor();
  await now.getByText(/acme\/company\.toml:\d+/).first().waitFor();
  equal(await now.getByText("The daemon is well").count(), 0, "while acme is broken, lines that say it is well");
  edit("acme/company.toml", 'parent = "dech"', 'parent = "dach"');
  await now.getByText("The daemon is well").waitFor();

  equal(await page.evaluate(() => window.sameDocument), true, "the document was not loaded again");
  equal(await page.locator("main script, main b b").count(), 0, "elements made from a reason");
});
