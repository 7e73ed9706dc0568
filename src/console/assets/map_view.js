// The view of the coverage: fetches the markup of the map once, and follows the standings in force.

import { html, render } from "lit-html";
import { get, getText, withQuery } from "api";
import { problemBox, saveState } from "ui";
import { mount } from "map";

const REFRESH_MS = 5000;

const source = {
  overview: (fields) => get(withQuery("/v1/coverage", { ...fields, offset: fields.offset || null })),
  row: (fields) => get(withQuery("/v1/coverage", fields)),
  ask: (fields) => withQuery("#ask", fields),
  account: (company, account) => withQuery("#accounts", { account: `${company}/${account}` }),
};

let markup = null; // a promise of the markup, which is the same for every visit

async function fetched() {
  try {
    return await getText(document.querySelector("#view").dataset.map);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    throw new Error("The daemon does not have the map of this page. Reload the page.");
  }
}

export function show(root, params) {
  let [map, timer, isStopped] = [null, 0, false];
  // One element, so that a problem that stays is announced once.
  const failure = document.createElement("div");
  const fragment = { read: () => params, write: (fields) => saveState("map", fields) };

  async function follow() {
    if (!document.hidden) await map.refresh();
    if (!isStopped) timer = setTimeout(follow, REFRESH_MS);
  }

  async function draw() {
    clearTimeout(timer);
    const box = document.createElement("div");
    try {
      if (!root.contains(failure)) root.textContent = "The coverage is being computed …";
      markup ??= fetched();
      box.innerHTML = await markup;
      if (isStopped) return;
      map = mount(box, source, fragment);
      // Shown as a whole, so that nothing moves when the answers arrive.
      await map.ready;
      if (isStopped) return;
      root.replaceChildren(box);
      // After the map is drawn, so that the footer is out of sight before the page scrolls.
      requestAnimationFrame(() => setTimeout(() => isStopped || map.reveal()));
      timer = setTimeout(follow, REFRESH_MS);
    } catch (problem) {
      markup = null;
      if (isStopped) return;
      render(html`<h1>Map</h1>${problemBox(problem, draw)}`, failure);
      if (!root.contains(failure)) root.replaceChildren(failure);
      timer = setTimeout(draw, REFRESH_MS);
    }
  }

  // A reload begins at the top, because the map is not there yet.
  history.scrollRestoration = "manual";
  draw();
  return () => {
    isStopped = true;
    history.scrollRestoration = "auto";
    clearTimeout(timer);
    map?.stop();
  };
}
