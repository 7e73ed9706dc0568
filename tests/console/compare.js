// Compare: a folder that is chosen or dropped, a company alone, what is no registry, and what is too large. Nothing is put
// in service.

import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, open, scenario, until, url } from "./browser.js";
import { changedRegistry, enter } from "./states.js";

const generation = async () => (await (await fetch(`${url}/status`)).json()).snapshot.generation;
// The first has no substitute, and a test expects the second.
const suspend = (text) => text.replace(/^((?:wa-research-gb-1|wa-dach-ch-1),.*-whatsapp),,,,$/gm, "$1,,,suspended,");

await scenario(async (browser) => {
  const page = await open(browser, { allowed: [] });
  const main = page.getByRole("main");
  const before = await generation();
  const sent = () => page.sent.filter((it) => new URL(it.url()).pathname === "/v1/compare").length;
  const compare = async () => {
    await page.getByRole("button", { name: "Compare", exact: true }).press("Enter");
    await main.getByText("Checking and comparing").waitFor({ state: "hidden" });
  };

  /** Chooses a folder by the keyboard and the dialog of the system. */
  async function choose(folder) {
    await enter(page, "compare");
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Choose a folder" }).press("Enter");
    await (await chooser).setFiles(folder);
  }

  const changed = changedRegistry(suspend);
  await choose(changed);
  await main.getByText(/^\d+ files of 2 companies, [\d.]+ KiB\.$/).waitFor();
  equal(sent(), 0, "requests before the button");
  await compare();
  await main.getByRole("heading", { name: "Become errors" }).waitFor();
  await main.getByRole("button", { name: /^\d+ (becomes an error|become errors)$/ }).waitFor();
  await main.getByRole("heading", { name: "Correct the tests first" }).waitFor();
  await main.getByText("research", { exact: true }).first().waitFor();
  await main.getByRole("cell", { name: /acme\/tests\.toml:\d+/ }).first().waitFor();

  // The result stays while another view is shown.
  await page.getByRole("link", { name: "Now", exact: true }).click();
  await page.getByRole("heading", { name: "Snapshot" }).waitFor();
  await page.getByRole("link", { name: "Compare", exact: true }).click();
  await main.getByRole("heading", { name: "Become errors" }).waitFor();

  // A browser cannot read a file that has changed after its choice.
  const file = join(changed, "acme/accounts.csv");
  writeFileSync(file, `${readFileSync(file, "utf8")}\n`);
  const asked = sent();
  await compare();
  await main.getByRole("alert").getByText("The files have changed").waitFor();
  equal(sent(), asked, "requests for files that have changed");

  // One company alone is compared alone.
  await choose(join(changed, "acme"));
  await main.getByText(/of the company acme/).waitFor();
  await compare();
  await main.getByRole("heading", { name: "Decisions that change" }).waitFor();
  equal(await main.getByText("meridian").count(), 0, "texts about the company that was not chosen");

  // A dropped folder.
  await enter(page, "compare");
  const cdp = await page.context().newCDPSession(page);
  const { x, y } = await page.getByRole("region", { name: "Files of the registry" }).boundingBox();
  const data = { items: [], files: [changed], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await cdp.send("Input.dispatchDragEvent", { type, x: x + 20, y: y + 20, data });
  await main.getByText(/^\d+ files of 2 companies/).waitFor();
  await compare();
  await main.getByRole("heading", { name: "Decisions that change" }).waitFor();

  // A folder that is no registry, and one that is too large, are refused before anything is sent.
  const requests = sent();
  const other = join(changed, "notes");
  mkdirSync(other);
  writeFileSync(join(other, "todo.md"), "# To do\n");
  await choose(other);
  await main.getByRole("alert").getByText(/no file of a registry/).waitFor();
  const large = changedRegistry(suspend);
  truncateSync(join(large, "meridian/accounts.csv"), 65 * 1024 * 1024);
  await choose(large);
  await main.getByRole("alert").getByText(/switchboard diff/).waitFor();
  equal(await page.getByRole("button", { name: "Compare", exact: true }).isDisabled(), true, "a comparison of 65 MiB is not offered");
  equal(sent(), requests, "requests for what was refused");

  await until("the daemon goes on", async () => (await fetch(`${url}/readyz`)).status === 200);
  equal(await generation(), before, "the generation in service");
});
