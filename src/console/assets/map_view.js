// The view of the coverage: fetches the markup of the map once, and follows the standings in force.

import { render } from "lit-html";
import { get, withQuery } from "api";
import { problemBox, saveState } from "ui";
import { mount } from "map";

const REFRESH_MS = 5000;

const source = {
  overview: (fields) => get(withQuery("/v1/coverage", { ...fields, offset: fields.offset || null })),
  row: (fields) => get(withQuery("/v1/coverage", fields)),
  ask: (fields) => withQuery("#ask", fields),
};

let markup = null; // a promise of the markup, which is the same for every visit

async function fetched() {
  const response = await fetch(document.querySelector("#view").dataset.map);
  if (!response.ok) throw new Error("The daemon does not have the map of this page. Reload the page.");
  return response.text();
}

export function show(root, params) {
  let [map, timer, isStopped] = [null, 0, false];
  const fragment = { read: () => params, write: (fields) => saveState("map", fields) };

  async function follow() {
    if (!document.hidden) await map.refresh();
    if (!isStopped) timer = setTimeout(follow, REFRESH_MS);
  }

  async function draw() {
    const box = document.createElement("div");
    try {
      root.textContent = "The coverage is being computed …";
      markup ??= fetched();
      box.innerHTML = await markup;
      if (isStopped) return;
      map = mount(box, source, fragment);
      // Shown as a whole, so that nothing moves when the answers arrive.
      await map.ready;
      if (isStopped) return;
      root.replaceChildren(box);
      timer = setTimeout(follow, REFRESH_MS);
    } catch (problem) {
      markup = null;
      if (isStopped) return;
      render(problemBox(problem, draw), box);
      root.replaceChildren(box);
    }
  }

  draw();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    map?.stop();
  };
}
