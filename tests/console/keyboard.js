// The keyboard alone: Tab reaches everything, the focus is visible, dialogs keep it and give it back.

import { equal, fault, open, scenario, until } from "./browser.js";
import { allowed, states } from "./states.js";

/** Marks what a keyboard must reach, and returns how many elements that is. Runs in the page. */
function markReachable() {
  const dialog = document.querySelector("dialog[open]");
  const all = [...(dialog ?? document).querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex], audio[controls], iframe")];
  const isReachable = (it) =>
    it.tabIndex >= 0 && !it.disabled && !it.closest("[inert]") && it.checkVisibility({ visibilityProperty: true }) && (it.type !== "radio" || it.checked);
  window.unreached = new Set(all.filter(isReachable));
  // In a toolbar or a grid, arrow keys reach the others.
  const skipped = all.filter((it) => /^(A|BUTTON|INPUT|SELECT|TEXTAREA)$/.test(it.tagName) && it.tabIndex < 0 && !it.disabled && !it.closest("[role]") && it.checkVisibility());
  return { count: window.unreached.size, skipped: skipped.map((it) => it.outerHTML.slice(0, 120)) };
}

/** Takes note of the element that has the focus, and returns a fault of it or null. Runs in the page. */
function reached() {
  const it = document.activeElement;
  if (!it || it === document.body) return "body";
  window.unreached.delete(it);
  const name = it.outerHTML.slice(0, 120);
  const { outlineStyle, outlineWidth, boxShadow, stroke } = getComputedStyle(it);
  // Within an SVG, a stroke shows the focus.
  const visible = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || boxShadow !== "none" || (it.ownerSVGElement && stroke !== "none");
  if (!visible) return `the focus is not visible on ${name}`;
  const box = it.getBoundingClientRect();
  if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) return `the focus is outside the window on ${name}`;
  const over = document.elementFromPoint(Math.max(0, Math.min(innerWidth - 1, box.x + box.width / 2)), Math.max(0, Math.min(innerHeight - 1, box.y + box.height / 2)));
  const related = !over || it.contains(over) || over.contains(it) || it.labels?.[0]?.contains(over);
  return related ? null : `the focus on ${name} is covered by ${over.outerHTML.slice(0, 80)}`;
}

/** Presses Tab until each element had the focus. */
async function tabThrough(page, at) {
  const { count, skipped } = await page.evaluate(markReachable);
  for (const name of skipped) fault(`${at}: Tab passes over ${name}`);
  const faults = new Set();
  let left = count;
  for (let presses = 0; left && presses < count + 20; presses++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(reached);
    if (found && found !== "body") faults.add(found);
    left = await page.evaluate(() => [...window.unreached].filter((it) => it.isConnected).length);
  }
  for (const text of [...faults].slice(0, 5)) fault(`${at}: ${text}`);
  const missed = await page.evaluate(() => [...window.unreached].filter((it) => it.isConnected).map((it) => it.outerHTML.slice(0, 120)));
  for (const name of missed.slice(0, 5)) fault(`${at}: Tab does not reach ${name}`);
}

/** Checks that a dialog that has the focus keeps it and that Escape gives it back to `opener`. */
async function dialogKeepsFocus(page, opener, at) {
  const inside = () => page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog[open]").contains(document.activeElement));
  equal(await inside(), true, `${at}: the dialog has the focus`);
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press(presses % 3 ? "Tab" : "Shift+Tab");
    if (!(await inside())) return fault(`${at}: Tab leaves the dialog`);
  }
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await until(`${at}: the focus returns`, () => opener.evaluate((it) => it === document.activeElement), 2000).catch((error) => fault(error.message));
}

await scenario(async (browser) => {
  for (const width of [1280, 360]) {
    const page = await open(browser, { width, allowed });
    for (const [name, enter] of Object.entries(states)) {
      await enter(page);
      await tabThrough(page, `${name}, ${width} px`);
    }
    await page.context().close();
  }
});
