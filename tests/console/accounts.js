// Accounts: filters, pages, and changes of a standing by the keyboard alone, each after its statement.

import { equal, fault, open, scenario, until, url } from "./browser.js";
import { enter } from "./states.js";

const standings = async () => (await (await fetch(`${url}/v1/standings`)).json()).standings.map(({ account, standing, reason, until }) => ({ account, standing, reason, until }));

await scenario(async (browser) => {
  const page = await open(browser);
  await enter(page, "accounts");
  const main = page.getByRole("main");
  const rows = page.getByRole("region", { name: "Accounts" }).getByRole("row");
  const count = main.getByRole("status").filter({ hasText: /account/i });
  await rows.nth(1).waitFor();
  const text = () => count.textContent();
  const shows = (pattern) => until(`the list shows ${pattern}`, async () => pattern.test(await text()));

  await shows(/^1 to 100 of 4,752 accounts$/);
  await page.getByRole("button", { name: "Next" }).click();
  await shows(/^101 to 200 of/);
  await page.getByLabel("Company").selectOption("acme");
  await shows(/^39 accounts$/);
  await page.getByLabel("Channel").selectOption("whatsapp");
  await page.getByLabel("Condition").selectOption("suspended");
  await shows(/^2 accounts$/);
  await rows.filter({ hasText: "wa-trader-2" }).waitFor();
  // The state is in the fragment: a reload and another reader see the same.
  await page.reload();
  await shows(/^2 accounts$/);
  await page.getByLabel("Condition").selectOption("");
  await page.getByLabel("Id, address or user").fill("TRADER-1@");
  await shows(/^1 account$/);
  equal(page.url().includes("TRADER"), true, "the text is in the fragment");
  await page.getByLabel("Id, address or user").fill("+44 7400 123477");
  await page.getByText("No account matches").or(rows.filter({ hasText: "wa-trader-1" })).waitFor();
  await page.getByLabel("Id, address or user").fill("+447400123477");
  await shows(/^1 account$/);
  await rows.filter({ hasText: "wa-trader-1" }).waitFor();
  if (/\d{5}/.test(decodeURIComponent(new URL(page.url()).hash))) fault(`the fragment has a phone number: ${page.url()}`);
  await page.getByLabel("Id, address or user").fill("nobody has this");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await shows(/4,752/);

  // Drains an account without a pointer.
  await enter(page, "accounts?company=acme&channel=whatsapp&country=GB");
  const opener = page.getByRole("button", { name: "wa-research-gb-1" });
  await opener.waitFor();
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/Answers .* of the selections of/).waitFor();
  await dialog.getByText(/Without it, \d+ countr(y|ies) would have no account/).waitFor();
  const press = async (name, tab = "Tab") => {
    const button = dialog.getByRole("button", { name });
    for (let presses = 0; presses < 20 && !(await button.evaluate((it) => it === document.activeElement)); presses++) await page.keyboard.press(tab);
    await page.keyboard.press("Enter");
  };
  await press(/^Drain/);
  await press(/^Drain wa-research-gb-1/);
  equal(await standings(), [], "without a reason nothing is sent, so standings");
  await dialog.getByLabel(/^Reason/).focus();
  await page.keyboard.type("number is blocked");
  await press(/^Drain wa-research-gb-1/);
  await dialog.getByRole("status").getByText("The account is draining").waitFor();
  equal(await standings(), [{ account: "wa-research-gb-1", standing: "draining", reason: "number is blocked" }], "standings");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  const row = rows.filter({ hasText: "wa-research-gb-1" });
  await row.getByText("draining").waitFor();
  await row.getByText("number is blocked").waitFor();
  equal(await opener.evaluate((it) => it === document.activeElement), true, "the focus is back on the account");

  // A standing from elsewhere arrives while the list is open, and the focus stays.
  const body = JSON.stringify({ standing: "suspended", reason: "from the command line" });
  await fetch(`${url}/v1/standings/acme/wa-research-gb-1`, { method: "PUT", body });
  await row.getByText("from the command line").waitFor();
  equal(await opener.evaluate((it) => it === document.activeElement), true, "after the list is read again, the focus is on the account");

  // Suspends with an end, then clears.
  await page.keyboard.press("Enter");
  await press(/^Clear the standing/);
  await press(/^Clear the standing of/);
  await dialog.getByText("The standing is cleared").waitFor();
  equal(await standings(), [], "standings");
  await press(/^Suspend/);
  await dialog.getByLabel(/^Reason/).fill("test");
  await dialog.getByLabel(/^End/).fill("2020-01-01T00:00");
  await press(/^Suspend wa-research-gb-1/);
  equal(await standings(), [], "with an end that has passed nothing is sent, so standings");
  await dialog.getByLabel(/^End/).fill("2099-12-31T23:00");
  await press(/^Suspend wa-research-gb-1/);
  await dialog.getByText("The account is suspended").waitFor();
  equal((await standings()).map(({ standing, until }) => [standing, new Date(until) > new Date("2099-01-01")]), [["suspended", true]], "standings");
  await dialog.getByText(/Meanwhile \d+ countr(y|ies) ha(s|ve) no account/).waitFor();
});
