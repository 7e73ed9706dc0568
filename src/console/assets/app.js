// The frame of the page: shows the view that the fragment of the URL names, asks for a token, and says whether the
// daemon answers.

import { html, nothing, render } from "lit-html";
import { askAgain, forgetToken, hasToken, onTokenNeeded, wantsToken } from "api";
import { follow, live, readNow, start } from "metrics";
import { problemBox } from "ui";
import * as now from "now";
import * as ask from "ask";
import * as accounts from "accounts";
import * as map from "map_view";
import * as compare from "compare";

const VIEWS = { now, ask, map, accounts, compare };
const view = document.querySelector("#view");
const session = document.querySelector("#session");
const links = [...document.querySelectorAll("nav a")];
const titles = Object.fromEntries(links.map((it) => [it.dataset.view, it.textContent]));
let [stop, shown] = [() => {}, null];

/** Shows the view of the fragment. `moved` is whether the reader asked for another view, and `left` the fragment before. */
function route(moved, left = "") {
  const [name, query = ""] = location.hash.slice(1).split("?");
  // Any other fragment, such as that of the link to the main part, is no view.
  if (moved && shown && !Object.hasOwn(VIEWS, name)) return;
  const known = Object.hasOwn(VIEWS, name) ? name : "now";
  stop();
  // A view that is left is entered again as it was.
  if (left.slice(1).split("?")[0] === shown && shown !== known) links.find((it) => it.dataset.view === shown).href = left;
  for (const link of links) {
    if (link.dataset.view === known) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${titles[known]} · Switchboard`;
  // A new element, so that nothing of the view before stays.
  const root = document.createElement("div");
  root.className = `view ${known}`;
  view.replaceChildren(root);
  try {
    stop = VIEWS[known].show(root, new URLSearchParams(query)) ?? (() => {});
  } catch (error) {
    stop = () => {};
    render(problemBox(error, () => route(false)), root);
  }
  if (moved && shown !== known) view.focus({ preventScroll: true });
  if (moved) scrollTo(0, 0);
  shown = known;
}

function askForToken() {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "token-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let token = null;
    const enter = (event) => {
      event.preventDefault();
      token = dialog.querySelector("input").value.trim();
      if (token) dialog.close();
    };
    const wasRefused = hasToken();
    render(html`<form @submit=${enter}>
      <h2 id="token-title">Token of a principal</h2>
      <p>This daemon answers only known callers. Enter the token of a principal with the permissions read, metrics,
        explain and standings. The page keeps the token for this tab, until the tab is closed.</p>
      ${wasRefused ? html`<p class="bad" role="alert">The daemon does not know this token, or it has expired.</p>` : nothing}
      <label><span>Token</span><input type="password" name="token" autocomplete="off" spellcheck="false" required autofocus></label>
      <p class="buttons"><button class="main">Continue</button><button type="button" @click=${() => dialog.close()}>Cancel</button></p>
    </form>`, dialog);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(token || null);
    });
    dialog.showModal();
  });
}

function showSession() {
  const { status, statusProblem } = live;
  const notes = status ? now.attention(status) : [];
  const state = statusProblem ? "bad" : (notes.find((it) => it.kind === "bad") ?? notes[0])?.kind ?? "good";
  const served = status?.snapshot ? `generation ${status.snapshot.generation}` : "no snapshot";
  const words = statusProblem ? statusProblem.title : notes.length ? html`${served} · <a href="#now">${notes[0].title}</a>` : served;
  const forget = () => {
    forgetToken();
    location.reload();
  };
  const enter = () => {
    askAgain();
    route(false);
    readNow();
  };
  render(html`${status || statusProblem ? html`<span class="dot ${state}"></span><span role="status">${words}</span>` : nothing}
    ${wantsToken() ? html`<button type="button" @click=${enter}>Enter a token</button>` : nothing}
    ${hasToken() ? html`<button type="button" @click=${forget}>Forget the token</button>` : nothing}`, session);
}

onTokenNeeded(askForToken);
follow(showSession);
addEventListener("hashchange", ({ oldURL }) => route(true, new URL(oldURL).hash));
route(false);
start();
