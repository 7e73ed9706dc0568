// What every view must satisfy in every scheme and width: nothing is cut, no shift of the layout, no barrier for keyboards
// and screen readers.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { equal, fault } from "./browser.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The largest sum of layout shifts after the load of a view. 0.1 counts as good in Core Web Vitals. */
const LAYOUT_SHIFT = 0.02;

/** Returns what is cut off or outside the page. Runs in the page. */
function cutOff() {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} px wide`);
  const tag = (it) => `${it.cloneNode().outerHTML.replace(/<\/.*/, "")}${it.textContent.trim().slice(0, 30)}`;
  const name = (it) => `${tag(it)} in ${tag(it.parentElement)}`;
  // For screen readers only, or, like the link that skips the navigation, until it has the focus.
  const isHidden = (it) => it.closest("[aria-hidden=true], svg, option") || it.getBoundingClientRect().width <= 1 || it.getBoundingClientRect().right <= 0;
  for (const it of document.body.querySelectorAll("*")) {
    const text = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if ((!text && it.tagName !== "INPUT" && it.tagName !== "SELECT") || !it.checkVisibility({ visibilityProperty: true }) || isHidden(it)) continue;
    const box = it.getBoundingClientRect();
    // A region that scrolls shows the rest. axe asks that a keyboard reaches it.
    let region = it;
    while (region && !/auto|scroll/.test(getComputedStyle(region).overflowX)) region = region.parentElement;
    if (!region && (box.right > innerWidth + 1 || box.left < -1)) found.push(`outside the page: ${name(it)}`);
    // Text that runs out of its box, over what is beside it.
    if (!/^(INPUT|SELECT)$/.test(it.tagName) && it.clientWidth > 0 && getComputedStyle(it).overflowX === "visible" && it.scrollWidth > it.clientWidth + 1) found.push(`wider than its box: ${name(it)}`);
    // A field scrolls its own text.
    const first = /^(INPUT|TEXTAREA|SELECT)$/.test(it.tagName) ? it.parentElement : it;
    for (let around = first; around && around !== document.body; around = around.parentElement) {
      const { overflowX, overflowY, clipPath } = getComputedStyle(around);
      if (clipPath !== "none" || around.getBoundingClientRect().width <= 1) break;
      const cutX = /hidden|clip/.test(overflowX) && around.scrollWidth > around.clientWidth + 1;
      const cutY = /hidden|clip/.test(overflowY) && around.scrollHeight > around.clientHeight + 1;
      if ((cutX || cutY) && !["HTML", "BODY"].includes(around.tagName)) {
        found.push(`cut by ${around.tagName} ${around.className}: ${name(it)}`);
        break;
      }
    }
  }
  return found.slice(0, 5);
}

/** Records a fault for each violation of axe-core's rules, best practices included. */
export async function accessible(page, at) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations) {
    fault(`${at}: axe ${id}: ${help}\n${nodes.slice(0, 3).map((node) => `  ${node.html.slice(0, 150)}\n    ${node.failureSummary.replaceAll("\n", "\n    ")}`).join("\n")}`);
  }
}

/** Records a fault for what is cut off. */
export async function uncut(page, at) {
  for (const text of await page.evaluate(cutOff)) fault(`${at}: ${text}`);
}

/** Records a fault if the layout has shifted. */
export async function still(page, at) {
  const shifts = (await page.evaluate(() => window.layoutShifts)).filter((it) => !it.input);
  const sum = shifts.reduce((sum, { value }) => sum + value, 0);
  if (sum >= LAYOUT_SHIFT) {
    fault(`${at}: the layout shifts by ${sum.toFixed(3)}:\n${shifts.map(({ value, moved }) => `  ${value.toFixed(3)} ${moved.join("\n        ")}`).join("\n")}`);
  }
}

/** Checks the policy of the page itself. */
export function strictPolicy(response) {
  const policy = response.headers()["content-security-policy"] ?? "";
  for (const word of ["unsafe-inline", "unsafe-eval", "unsafe-hashes", "*", "http:", "https:", "data:"]) {
    if (policy.split(/[ ;]+/).some((it) => it.includes(word))) fault(`the policy has ${word}: ${policy}`);
  }
  for (const part of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action"]) {
    if (!policy.includes(part)) fault(`the policy lacks ${part}: ${policy}`);
  }
  equal(response.headers()["x-content-type-options"], "nosniff", "x-content-type-options");
}
