// Pieces that several views share: numbers, times, messages, and the state in the fragment of the URL.

import { html, nothing } from "lit-html";

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const regions = new Intl.DisplayNames(["en"], { type: "region" });

export const number = (value) => (value === undefined || value === null ? "–" : whole.format(value));
export const figure = (value) => (Number.isFinite(value) ? short.format(value) : "–");
export const percent = (share) => (Number.isFinite(share) ? `${short.format(share * 100)} %` : "–");
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Returns a time in seconds with its unit, from microseconds to seconds. */
export function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1e-3) return `${short.format(value * 1e6)} µs`;
  return value < 1 ? `${short.format(value * 1e3)} ms` : `${short.format(value)} s`;
}

/** Returns a number of bytes with its unit. */
export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  for (const unit of ["B", "KiB", "MiB"]) {
    if (value < 1024) return `${short.format(value)} ${unit}`;
    value /= 1024;
  }
  return `${short.format(value)} GiB`;
}

/** Returns the name of a country by its code. */
export function country(code) {
  try {
    return regions.of(code) ?? code;
  } catch {
    return code;
  }
}

/** Returns the time since a moment in words, such as `5 min`. */
export function span(from, to = Date.now()) {
  const total = Math.max(0, Math.round((to - new Date(from).getTime()) / 1000));
  if (!Number.isFinite(total)) return "–";
  for (const [unit, length] of [["d", 86_400], ["h", 3600], ["min", 60]]) {
    if (total >= 2 * length) return `${Math.floor(total / length)} ${unit}`;
  }
  return `${total} s`;
}

/** Shows a moment as the time since then, with the exact time in UTC. */
export function ago(moment) {
  if (!moment) return "–";
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return moment;
  const exact = at.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
  return html`<time datetime=${at.toISOString()} title=${exact}>${span(at)} ago</time>`;
}

/** Shows a moment in UTC. */
export function utc(moment) {
  const at = new Date(moment);
  if (!moment || Number.isNaN(at.getTime())) return "–";
  return html`<time datetime=${at.toISOString()}>${at.toISOString().slice(0, 16).replace("T", " ")} UTC</time>`;
}

/** Shows an id as it is. Its direction does not change that of the text around it. */
export const id = (text) => html`<bdi class="id">${text}</bdi>`;

/** Shows an account as a link to all that is known of it. Without its company, shows the id. */
export const accountLink = (company, account) =>
  company ? html`<a href=${`#accounts?${new URLSearchParams({ account: `${company}/${account}` })}`}>${id(account)}</a>` : id(account);

/** Shows a sentence of the daemon. Parts in back quotes are code. */
export const sentence = (text) => html`<bdi>${String(text ?? "").split("`").map((part, at) => (at % 2 ? html`<code>${part}</code>` : part))}</bdi>`;

const CONDITIONS = { active: "good", draining: "warn", suspended: "bad", resting: "warn", excluded: "warn", available: "good", chosen: "good" };

/** Shows a condition or an outcome as a word with a color. */
export const chip = (word, kind = CONDITIONS[word] ?? "plain") => html`<span class="chip ${kind}">${word}</span>`;

/** Shows a problem, with what to do. */
export function problemBox(problem, again) {
  const { code, status } = problem;
  let { title, detail } = problem;
  if (status === 401) [title, detail] = ["This view needs a token", "Enter the token of a principal: the button is at the top of the page."];
  return html`<div class="message bad" role="alert">
    <p class="title">${title || "Something went wrong"}</p>
    <p>${sentence(detail || problem.message)}</p>
    <p class="note">${code ? html`code <code>${code}</code>` : nothing}${status ? `, status ${status}` : ""}</p>
    ${again ? html`<button type="button" @click=${again}>Try again</button>` : nothing}
  </div>`;
}

/** Shows that there is nothing, and what to do about it. */
export const emptyBox = (title, ...hints) => html`<div class="message"><p class="title">${title}</p>${hints.map((it) => html`<p>${it}</p>`)}</div>`;

/** Shows names with their values. A value of undefined or null is left out. */
export const facts = (pairs) => html`<dl class="facts">
  ${pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;

/** Writes the state of a view into the fragment, without an entry in the history. */
export function saveState(view, fields) {
  const given = Object.entries(fields).filter(([, value]) => value);
  const query = new URLSearchParams(given).toString();
  const fragment = query ? `#${view}?${query}` : `#${view}`;
  if (fragment !== location.hash) history.replaceState(null, "", fragment);
}

/** Whether a text may be a phone number, which must not be in a URL. */
export const mayBePhone = (text) => /\d{5}/.test(text.replace(/[\s().+-]/g, ""));

/** Returns a function that calls `run` once there was no call for a while. */
export function debounce(run, wait = 200) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(run, wait, ...args);
  };
}
