// A large registry: every view shows its data in time, from the first byte and from another view.

import { fault, open, scenario } from "./browser.js";
import { views } from "./states.js";

const limit = Number(process.env.CONSOLE_LIMIT_MS);

async function timed(what, act) {
  const start = performance.now();
  await act();
  const millis = Math.round(performance.now() - start);
  console.log(`${what}: ${millis} ms`);
  if (millis > limit) fault(`${what} takes ${millis} ms, of at most ${limit}`);
}

await scenario(async (browser) => {
  const page = await open(browser);
  await page.getByRole("status").getByText(/generation/).waitFor();
  for (const round of ["first", "second"]) {
    for (const [name, shown] of Object.entries(views)) {
      await timed(`${name}, from a link, ${round} time`, async () => {
        await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click();
        await shown(page);
      });
    }
  }
  for (const [name, shown] of Object.entries(views)) {
    await timed(`${name}, loaded`, async () => {
      await page.goto(`${page.url().split("#")[0]}#${name.toLowerCase()}`);
      await page.reload();
      await shown(page);
    });
  }
});
