// Principals: the page asks for a token, keeps it for the tab alone, and shows what a token does not permit.

import { PATIENCE, equal, fault, open, scenario, url } from "./browser.js";
import { accessible, uncut } from "./audit.js";
import { enter, views } from "./states.js";

const { CONSOLE_FULL: full, CONSOLE_ONE_COMPANY: oneCompany, CONSOLE_READ: read } = process.env;
const UNAUTHORIZED = /status of 401/;
const FORBIDDEN = /status of 403/;

const authorizations = async (page) => (await Promise.all(page.sent.map((it) => it.headerValue("authorization")))).filter((it) => it !== null);

/** Returns what this page could leave behind. */
const kept = (page) => page.evaluate(async () => ({
  local: Object.entries(localStorage),
  cookies: document.cookie,
  databases: (await indexedDB.databases()).length,
  caches: (await caches.keys()).length,
}));
const nothing = { local: [], cookies: "", databases: 0, caches: 0 };

async function giveToken(page, token) {
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Token").fill(token);
  await dialog.getByRole("button", { name: "Continue" }).click();
}

await scenario(async (browser) => {
  const page = await open(browser, { allowed: [UNAUTHORIZED] });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await accessible(page, "the question for a token");
  equal(await dialog.getByLabel("Token").evaluate((it) => it === document.activeElement), true, "the field has the focus");
  equal(await dialog.getByLabel("Token").getAttribute("type"), "password", "the field hides the token");
  equal(await page.getByText(/generation \d/).count(), 0, "without a token nothing is shown");

  await giveToken(page, "swb_wrong");
  await dialog.getByRole("alert").waitFor();
  await accessible(page, "the question after a wrong token");

  await giveToken(page, full);
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("status").getByText(/generation/).waitFor();
  equal(await kept(page), nothing, "outside sessionStorage");
  await page.reload();
  await page.getByRole("status").getByText(/generation/).waitFor();
  equal(await page.getByRole("dialog").count(), 0, "the tab keeps the token over a reload");
  const other = await page.context().newPage();
  await other.goto(url);
  await other.getByRole("dialog").waitFor();
  await other.close();

  page.sent.length = 0;
  await page.getByRole("button", { name: "Forget the token" }).click();
  await page.getByRole("dialog").waitFor();
  equal(await page.evaluate(() => Object.values(sessionStorage)), [], "after the token is forgotten");
  equal(await page.getByText(/generation \d/).count(), 0, "after the token is forgotten nothing is shown");
  equal(page.sent.some((it) => it.url().endsWith("/status")), true, "after the token is forgotten the page asks again");
  equal(await authorizations(page), [], "after the token is forgotten");

  // Closing the question leaves a page that explains itself, and that does not ask again at each reading.
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  page.sent.length = 0;
  await page.waitForTimeout(5000);
  equal(await page.getByRole("dialog").count(), 0, "5 s after Cancel, open questions");
  await uncut(page, "without a token");
  await accessible(page, "without a token");
  await page.getByRole("button", { name: /enter a token/i }).click();
  await page.getByRole("dialog").waitFor();
  await page.context().close();

  // A token in a URL is never used: neither in the query nor in the fragment.
  for (const place of [`?token=${full}`, `#now?token=${full}`, `#${full}`, `?access_token=${full}#ask?token=${full}`]) {
    const page = await open(browser, { path: place, allowed: [UNAUTHORIZED] });
    await page.getByRole("dialog").waitFor({ timeout: PATIENCE });
    equal(await authorizations(page), [], `with ${place.replace(full, "TOKEN")}`);
    equal(await page.evaluate(() => Object.values(sessionStorage)), [], `with ${place.replace(full, "TOKEN")}`);
    for (const request of page.sent.slice(1)) {
      if (`${request.url()} ${await request.headerValue("referer")}`.includes(full)) fault(`${request.url()} passes the token on`);
    }
    await page.context().close();
  }

  // Without a permission, a view says which one is missing. The other views work.
  const auditor = await open(browser, { token: read, allowed: [FORBIDDEN] });
  await auditor.getByRole("status").getByText(/generation/).waitFor();
  await enter(auditor, "ask?company=acme&channel=whatsapp&ou=zurich&country=AT");
  await auditor.getByRole("alert").getByText(/permission/).waitFor();
  await accessible(auditor, "Ask, without the permission explain");
  await enter(auditor, "map");
  await views.Map(auditor);
  await enter(auditor, "accounts?account=acme/wa-emea-gb-1");
  const account = auditor.getByRole("dialog");
  await account.getByRole("button", { name: /^Drain/ }).click();
  await account.getByLabel(/^Reason/).fill("test");
  await account.getByRole("button", { name: /^Drain wa-emea-gb-1/ }).click();
  await account.getByRole("alert").getByText(/permission/).waitFor();
  await account.getByText(/permission standings/).first().waitFor();
  await accessible(auditor, "an account, without the permission standings");
  await auditor.context().close();

  // A token of one company explains its queries, and learns nothing of the other one.
  const desk = await open(browser, { token: oneCompany, allowed: [FORBIDDEN, /status of 404 .*explain/] });
  await desk.getByRole("main").getByRole("alert").first().waitFor();
  await accessible(desk, "Now, with a token of one company");
  await enter(desk, "ask?company=acme&channel=whatsapp&ou=zurich&country=AT");
  await desk.getByRole("heading", { name: "The climb" }).waitFor();
  await enter(desk, "ask?company=meridian&channel=whatsapp&ou=nordics&country=DZ");
  await desk.getByRole("alert").getByText(/unknown_company/).waitFor();
  await enter(desk, "ask?company=none&channel=whatsapp&ou=nordics&country=DZ");
  await desk.getByRole("alert").getByText(/unknown_company/).waitFor();
  for (const view of ["map", "accounts"]) {
    await enter(desk, view);
    await desk.getByRole("alert").getByText(/permission/).first().waitFor();
    equal(await desk.getByText(/wa-emea|zurich/).count(), 0, `${view}, with a token of one company, texts about accounts and OUs`);
    await accessible(desk, `${view}, with a token of one company`);
  }
  await enter(desk, "compare");
  await desk.locator("input[webkitdirectory]").setInputFiles(process.env.CONSOLE_REGISTRY);
  await desk.getByRole("button", { name: "Compare", exact: true }).click();
  await desk.getByRole("alert").getByText(/permission/).waitFor();
  await desk.context().close();

  // What a person changes has the name of the principal.
  const onCall = await open(browser, { token: full });
  await enter(onCall, "accounts?account=acme/wa-emea-gb-1");
  const changed = onCall.getByRole("dialog");
  await changed.getByRole("button", { name: /^Suspend/ }).click();
  await changed.getByLabel(/^Reason/).fill("test");
  await changed.getByRole("button", { name: /^Suspend wa-emea-gb-1/ }).click();
  await changed.getByText("The account is suspended").waitFor();
  await enter(onCall, "now");
  const row = onCall.getByRole("row").filter({ hasText: "wa-emea-gb-1" });
  await row.getByText("on-call").waitFor();
  await onCall.context().close();
});
