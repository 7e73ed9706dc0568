// Every view in both schemes and in three widths: nothing is cut, the layout keeps still, axe-core finds no barrier. And
// what the page loads: how much, and under which policy.

import { equal, fault, open, scenario, url } from "./browser.js";
import { accessible, still, strictPolicy, uncut } from "./audit.js";
import { allowed, states, views } from "./states.js";

/** The limit on what all views load, compressed. */
const MAX_TRANSFERRED = 300_000;

/** Returns the number of bytes that the page has loaded, without what the routes of the daemon returned. */
async function transferred(page) {
  const files = page.sent.filter((it) => /^\/($|assets\/)/.test(new URL(it.url()).pathname));
  const sizes = await Promise.all(files.map((it) => it.sizes().catch(() => null)));
  return sizes.reduce((sum, it) => sum + (it ? it.responseBodySize + it.responseHeadersSize : 0), 0);
}

await scenario(async (browser) => {
  const first = await open(browser);
  strictPolicy(await first.reload());
  const names = await first.getByRole("navigation", { name: "Views" }).getByRole("link").allTextContents();
  equal(names, Object.keys(views), "the views");
  await first.context().close();

  for (const scheme of ["light", "dark"]) {
    for (const width of [360, 1280, 1920]) {
      const page = await open(browser, { scheme, width, allowed });
      for (const [name, enter] of Object.entries(states)) {
        const at = `${name}, ${scheme}, ${width} px`;
        await enter(page);
        await uncut(page, at);
        await still(page, at);
        await accessible(page, at);
      }
      const bytes = await transferred(page);
      if (bytes >= MAX_TRANSFERRED && !process.env.CONSOLE_ASSETS) fault(`the page loads ${bytes} bytes`);
      if (width === 1920 && scheme === "dark") console.log(`the page loads ${bytes} bytes`);
      await page.context().close();
    }
  }
});
