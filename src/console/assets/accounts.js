// Lists accounts by filters, and drains, suspends and clears one after a statement of what that does.

import { html, nothing, render } from "lit-html";
import { get, post, send, withQuery } from "api";
import { ago, chip, country as nameOf, debounce, emptyBox, facts, id, mayBePhone, number, percent, plural, problemBox, saveState, utc } from "ui";

const PAGE = 100; // accounts
const REFRESH_MS = 5000;
const MAX_COUNTRIES = 8; // countries of an OU that the statement names
const MAX_REASON_BYTES = 1024;

const FILTERS = ["text", "company", "channel", "pool", "country", "condition"];
const CONDITIONS = ["active", "draining", "suspended", "resting"];

/** What each change does: the button, the sentence before it, and the word for it afterwards. */
const CHANGES = {
  draining: { verb: "Drain", done: "draining", text: "The account keeps the clients that it talks to, and gets no new ones." },
  suspended: { verb: "Suspend", done: "suspended", text: "The account is never selected. Its clients get another account at their next invite, if there is one." },
  clear: { verb: "Clear the standing of", done: "clear", text: "The standing ends now. From then on the registry alone decides the condition of the account." },
};

const pathOf = (routes, { company, account }) => `/v1/${routes}/${encodeURIComponent(company)}/${encodeURIComponent(account)}`;
const keyOf = ({ company, account }) => `${company}/${account}`;

export function show(root, params) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? ""]));
  let offset = Math.max(0, Math.floor(Number(params.get("offset"))) || 0);
  let [list, problem, isBusy, latest] = [null, null, false, 0];
  let known = { companies: [], more_companies: 0, channels: [] }; // of the last list, for the choices of the filters
  const [page, dialog] = [document.createElement("div"), document.createElement("dialog")];
  dialog.className = "account";
  dialog.setAttribute("aria-labelledby", "account-title");
  root.replaceChildren(page, dialog);
  const panel = new Panel(dialog, () => load(), save);

  function save() {
    const shown = { ...filters, text: mayBePhone(filters.text) ? "" : filters.text.trim() };
    saveState("accounts", { ...shown, offset: offset || "", account: panel.key ?? "" });
  }

  async function load() {
    const turn = (latest += 1);
    const fields = Object.fromEntries(FILTERS.map((name) => [name, filters[name].trim()]).filter(([, value]) => value));
    if (fields.country && !/^[a-z]{2}$/i.test(fields.country)) delete fields.country; // not complete yet
    isBusy = true;
    const [answer, failure] = await post("/v1/accounts", { ...fields, limit: PAGE, offset }).then((it) => [it, null], (error) => [null, error]);
    if (turn !== latest) return;
    [problem, isBusy] = [failure, false];
    // A list that cannot be read again stays, with the problem above it. One for other filters does not.
    if (answer) known = list = answer;
    else if (failure.status >= 400 && failure.status < 500) list = null;
    if (answer && answer.accounts.length === 0 && answer.found > 0) {
      offset = Math.floor((answer.found - 1) / PAGE) * PAGE;
      save();
      return load();
    }
    draw();
    if (answer) panel.follow(answer);
  }

  const loadSoon = debounce(load);

  function change(name, value, isTyped) {
    filters[name] = value;
    offset = 0;
    save();
    draw();
    if (isTyped) loadSoon();
    else load();
  }

  function clearFilters() {
    for (const name of FILTERS) filters[name] = "";
    offset = 0;
    save();
    draw();
    load();
    page.querySelector("input")?.focus();
  }

  function turnTo(at) {
    offset = at;
    save();
    load();
  }

  function typed(name, label, hint, list) {
    return html`<label><span>${label}</span>
      <input type=${name === "text" ? "search" : "text"} name=${name} .value=${filters[name]} placeholder=${hint} maxlength=${name === "country" ? 2 : 256}
        list=${list ? `accounts-${name}` : nothing} autocomplete="off" autocapitalize="off" spellcheck="false" @input=${(event) => change(name, event.target.value, true)}>
      ${list ? html`<datalist id=${`accounts-${name}`}>${list.map((it) => html`<option value=${it}></option>`)}</datalist>` : nothing}
    </label>`;
  }

  function chosen(name, label, options) {
    // A value of the URL that is no option is shown all the same: it is what the list is filtered by.
    const all = !filters[name] || options.includes(filters[name]) ? options : [filters[name], ...options];
    return html`<label><span>${label}</span>
      <select name=${name} @change=${(event) => change(name, event.target.value)}>
        <option value="" .selected=${!filters[name]}>All</option>
        ${all.map((it) => html`<option value=${it} .selected=${filters[name] === it}>${it}</option>`)}
      </select></label>`;
  }

  function form() {
    const { companies, more_companies: more, channels } = known;
    const pools = [...new Set((list?.accounts ?? []).map((it) => it.pool).filter(Boolean))];
    const company = more ? typed("company", "Company", "id", companies) : chosen("company", "Company", companies);
    return html`<form class="card filters" role="search" aria-label="Accounts" @submit=${(event) => event.preventDefault()}>
      <div class="fields">
        ${typed("text", "Id, address or user", "any part of it")}
        ${companies.length > 1 || filters.company ? company : nothing}
        ${chosen("channel", "Channel", channels)}
        ${typed("pool", "Pool", "id", pools)}
        ${typed("country", "Country", "such as GB")}
        ${chosen("condition", "Condition", CONDITIONS)}
      </div>
    </form>`;
  }

  function table() {
    const hasCompanies = list.companies.length > 1;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Accounts"><table>
      <thead><tr><th scope="col">Account</th><th scope="col">Condition</th>${hasCompanies ? html`<th scope="col">Company</th>` : nothing}<th scope="col">Channel</th><th scope="col">Country</th>
        <th scope="col">Address</th><th scope="col">Pool or user</th><th scope="col" class="right">Weight</th></tr></thead>
      <tbody>${list.accounts.map((it) => html`<tr>
        <th scope="row"><button type="button" class="link" data-key=${keyOf(it)} aria-haspopup="dialog" @click=${() => panel.open(it)}>${id(it.account)}</button></th>
        <td class="condition">${chip(it.condition)}${cause(it)}</td>
        ${hasCompanies ? html`<td>${id(it.company)}</td>` : nothing}
        <td>${it.channel} <span class="note">${it.role ?? (it.user ? "dedicated" : "")}</span></td>
        <td>${it.country ? html`<abbr title=${nameOf(it.country)}>${it.country}</abbr>` : nothing}</td><td>${id(it.address)}</td>
        <td>${it.pool ? id(it.pool) : it.user ? html`<span class="note">user</span> ${id(it.user)}` : html`<span class="note">spare</span>`}</td><td class="right">${number(it.weight)}</td></tr>`)}</tbody></table></div>`;
  }

  const isFiltered = () => FILTERS.some((name) => filters[name].trim());
  const clearButton = () => html`<button type="button" @click=${clearFilters}>Clear filters</button>`;

  function pager() {
    const { found, accounts } = list;
    const last = offset + accounts.length;
    return html`<div class="pager"><p role="status">${found === 0 ? "No account" : accounts.length === found ? plural(found, "account") : `${number(offset + 1)} to ${number(last)} of ${plural(found, "account")}`}</p>
      ${isFiltered() ? clearButton() : nothing}
      ${found > PAGE
        ? html`<button type="button" ?disabled=${offset === 0} @click=${() => turnTo(Math.max(0, offset - PAGE))}>Previous</button>
            <button type="button" ?disabled=${last >= found} @click=${() => turnTo(offset + PAGE)}>Next</button>`
        : nothing}</div>`;
  }

  function draw() {
    const nothingFound = () => isFiltered()
      ? emptyBox("No account matches", "Every filter must fit an account. Remove one, or look for a shorter part of an id, an address or a user.")
      : emptyBox("The snapshot has no account", "Add accounts to the registry. The list shows them after the next reload.");
    render(html`
      <h1>Accounts</h1>
      <p class="lead">Every account of the snapshot in service, with its condition now. Choose one to see what depends on it, and to drain or suspend it.</p>
      ${list || problem ? form() : html`<p class="lead">Reading…</p>`}
      ${problem ? html`${problemBox(problem, load)}${isFiltered() && !list ? html`<p class="buttons">${clearButton()}</p>` : nothing}` : nothing}
      ${list ? html`<section class="card" aria-busy=${isBusy ? "true" : "false"}>${pager()}${list.accounts.length ? table() : nothingFound()}</section>` : nothing}`, page);
  }

  const refresh = () => {
    if (document.visibilityState === "visible" && !isBusy) load();
  };
  const timer = setInterval(refresh, REFRESH_MS);
  document.addEventListener("visibilitychange", refresh);
  draw();
  load();
  const [company, account] = (params.get("account") ?? "").split("/");
  if (company && account) panel.open({ company, account });
  return () => {
    latest += 1;
    clearInterval(timer);
    document.removeEventListener("visibilitychange", refresh);
    panel.stop();
  };
}

/** Says why an account is not active: who or what restricts it, for what reason, and until when. */
function cause({ condition, by, standing, available_from: from }) {
  if (condition === "active") return nothing;
  if (condition === "resting") return html`<p class="cause">by the registry, until ${utc(from)}</p>`;
  if (by === "registry" || !standing) return html`<p class="cause">by the registry</p>`;
  return html`<p class="cause"><bdi>${standing.reason}</bdi> (standing${standing.by ? html` by ${id(standing.by)}` : nothing}, ${standing.until ? html`until ${utc(standing.until)}` : "no end"})</p>`;
}

/** The dialog of one account: the statement, the fields, and the changes of its standing. */
class Panel {
  constructor(dialog, changed, save) {
    Object.assign(this, { dialog, changed, save, key: null, latest: 0 });
    dialog.addEventListener("close", () => this.closed());
  }

  open({ company, account }) {
    Object.assign(this, { company, account, key: `${company}/${account}`, found: null, problem: null });
    Object.assign(this, { change: null, isBusy: false, failure: null, done: null });
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    this.save();
    this.load();
  }

  closed() {
    const key = this.key;
    if (key === null) return;
    this.latest += 1;
    this.key = null;
    this.save();
    // A row that was drawn again meanwhile is another element.
    const rows = this.dialog.parentElement?.querySelectorAll("button[data-key]") ?? [];
    [...rows].find((it) => it.dataset.key === key)?.focus();
  }

  stop() {
    this.latest += 1;
    this.key = null;
    this.dialog.remove();
  }

  async load() {
    const turn = (this.latest += 1);
    const [found, problem] = await get(pathOf("accounts", this)).then((it) => [it, null], (error) => [null, error]);
    if (turn !== this.latest) return;
    [this.found, this.problem] = [found ?? this.found, problem];
    this.draw();
  }

  /** Reads the account again if the list shows that it has changed. */
  follow({ generation, accounts }) {
    const row = this.key && accounts.find((it) => keyOf(it) === this.key);
    const signs = ({ condition, by, standing }) => JSON.stringify([condition, by, standing]);
    if (this.found && ((row && signs(row) !== signs(this.found)) || generation !== this.found.generation)) this.load();
  }

  choose(change) {
    // A standing that is in force is changed from its present reason and end.
    const { reason = "", until } = (change !== "clear" && this.found.standing) || {};
    Object.assign(this, { change, failure: null, done: null, reason, end: until ? localTime(until) : "" });
    this.draw();
    this.dialog.querySelector(change === "clear" ? ".change button.main" : ".change textarea")?.focus();
  }

  cancel() {
    const { change } = this;
    this.change = null;
    this.draw();
    this.dialog.querySelector(`button[data-change="${change}"]`)?.focus();
  }

  async send(event) {
    event.preventDefault();
    const { change, key } = this;
    const form = event.target;
    if (change !== "clear" && !this.isValid(form)) return;
    const standing = { standing: change, reason: this.reason.trim() };
    if (this.end) standing.until = new Date(this.end).toISOString().replace(/\.\d+Z$/, "Z");
    Object.assign(this, { isBusy: true, failure: null });
    this.draw();
    const path = pathOf("standings", this);
    const sent = change === "clear" ? send("DELETE", path) : send("PUT", path, standing);
    const [answer, failure] = await sent.then((it) => [it, null], (error) => [null, error]);
    if (this.key !== key) return;
    this.isBusy = false;
    if (failure) {
      this.failure = failure;
      this.mayNot ||= failure.status === 403;
    } else {
      Object.assign(this, { change: null, done: { change, reach: answer?.reach } });
      this.changed();
      this.load();
    }
    this.draw();
    this.dialog.querySelector(".outcome")?.focus();
  }

  /** Checks what the browser cannot: a blank reason, one that is too long, and an end that has passed. */
  isValid(form) {
    const { reason, end } = form.elements;
    const length = new TextEncoder().encode(this.reason.trim()).length;
    reason.setCustomValidity(length === 0 ? "State the reason, for those who find the account later." : length > MAX_REASON_BYTES ? `Shorten the reason to ${MAX_REASON_BYTES} bytes.` : "");
    end.setCustomValidity(this.end && !(new Date(this.end) > new Date()) ? "Choose a time in the future, or leave the end empty." : "");
    return form.reportValidity();
  }

  draw() {
    const { found, problem, dialog } = this;
    render(html`
      <header><h2 id="account-title">${id(this.account)}</h2><button type="button" @click=${() => dialog.close()}>Close</button></header>
      <p class="state">${found ? html`<span>${chip(found.condition)}${found.by ? (found.by === "registry" ? " by the registry" : " by a live standing") : nothing}</span>${links(found)}` : nothing}</p>
      ${problem ? problemBox(problem, () => this.load()) : nothing}
      ${found ? html`<div class="statement">${statement(found)}</div>${this.outcome()}${this.change ? this.form() : this.actions()}${fields(found)}` : problem ? nothing : html`<p class="note">Reading…</p>`}`, dialog);
  }

  actions() {
    const { standing } = this.found;
    const button = (change) => {
      const label = change === "clear" ? "Clear the standing" : change === standing?.standing ? "Change the reason or the end" : CHANGES[change].verb;
      return html`<button type="button" class=${change === "suspended" ? "danger" : ""} data-change=${change} ?disabled=${this.mayNot} @click=${() => this.choose(change)}>${label}…</button>`;
    };
    return html`<p class="buttons">${button("draining")}${button("suspended")}${standing ? button("clear") : nothing}</p>
      ${this.mayNot ? html`<p class="note">This token may not change standings. Forget it and enter one of a principal with the permission standings.</p>` : nothing}`;
  }

  form() {
    const { change, found, isBusy } = this;
    const { verb, text } = CHANGES[change];
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const end = this.end ? new Date(this.end) : null;
    const until = end && !Number.isNaN(end.getTime()) ? html` until ${utc(end)}` : nothing;
    return html`<form class="change" novalidate @submit=${(event) => this.send(event)}>
      <h3>${change === "clear" ? "Clear the standing" : `${verb} this account`}</h3>
      <p>${text} ${change !== "clear" && found.by === "registry" && found.condition !== "resting" ? html`The registry has the condition ${found.condition}, and the more restrictive of both applies.` : nothing}</p>
      ${change === "clear" ? nothing : html`
        <label><span>Reason (required; everyone with access to the console sees it)</span>
          <textarea name="reason" rows="2" required .value=${this.reason} @input=${(event) => this.edit("reason", event.target)}></textarea></label>
        <label><span>End (optional, in ${zone}); without an end it lasts until it is cleared</span>
          <input name="end" type="datetime-local" step="any" .value=${this.end} @input=${(event) => this.edit("end", event.target)}></label>
        <p class="note until">${end ? html`Ends ${utc(end)}.` : "No end."}</p>`}
      <p class="buttons"><button class="main" ?disabled=${isBusy || this.mayNot}>${verb} ${id(this.account)}${change === "clear" ? nothing : until}</button>
        <button type="button" ?disabled=${isBusy} @click=${() => this.cancel()}>Cancel</button></p>
    </form>`;
  }

  edit(name, field) {
    this[name] = field.value;
    field.setCustomValidity("");
    this.draw();
  }

  outcome() {
    const { failure, done } = this;
    if (failure) {
      return html`<div class="outcome" tabindex="-1">${problemBox(failure)}<p class="note">${remedy(failure)}</p></div>`;
    }
    if (!done) return nothing;
    const { change, reach } = done;
    const where = {
      fleet: "Every replica of the fleet has the change, or gets it from the broker.",
      replica: "In force on this daemon only. The broker of the fleet has not acknowledged the change: it is pending, and the daemon sends it when the broker answers again.",
    }[reach] ?? "In force now.";
    return html`<div class="outcome message ${reach === "replica" ? "warn" : change === "clear" ? "good" : ""}" role="status" tabindex="-1">
      <h3>${change === "clear" ? "The standing is cleared" : `The account is ${CHANGES[change].done}`}</h3><p>${change === "clear" ? "In force now." : where}</p></div>`;
  }
}

/** Returns a moment in the form of a field for date and time, in the time zone of the browser. */
function localTime(moment) {
  const at = new Date(moment);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().replace(/(:00)?\.\d+Z$/, "");
}

/** Says what to do about a change that was refused, or whose answer was lost. */
function remedy({ code, status }) {
  if (code === "no_broker") return "Nothing changed: a restriction ends only once the whole fleet can know. Try again when the broker is back; the view Now shows whether it is connected.";
  if (status === 403) return "Nothing changed. A principal needs the permission standings for this company. Without principals, changes are taken only from the daemon's own machine.";
  if (status === 404) return "Nothing changed. A newer snapshot may no longer have the account. Close this dialog: the list is up to date.";
  if (status === 0 || status >= 500) return "It is not known whether the change is in force. The list shows it when the daemon answers again. The change is not sent again by itself.";
  return "Nothing changed.";
}

/** Links to what the other views show about the channel of an account. */
function links({ company, channel }) {
  return html`<a href=${withQuery("#ask", { company, channel })}>Explain a query</a> <a href=${withQuery("#map", { company, channel })}>Map</a>`;
}

/** Says in sentences what an account does, or would do if it were available, and what happens without it. */
function statement({ account, channel, role, user, condition, effect }) {
  const { units, share, without, dedicated } = effect;
  if (dedicated) {
    const then = dedicated.falls_back ? "the pools answer instead" : html`invites of this user get the problem <code>dedicated_unavailable</code>`;
    return html`<p><b>Dedicated to ${id(user)}.</b> ${condition === "active" ? html`Answers the invites of this user on ${channel}, whatever the client's country. Without it, ${then}.` : html`While it is ${condition}, ${then}.`}</p>`;
  }
  if (!role) return html`<p><b>Spare.</b> The account is in no pool and of no user, so no selection picks it.</p>`;
  const isActive = condition === "active";
  if (units === 0) return html`<p><b>${isActive ? "Answers no selection." : "Would answer no selection."}</b> No OU's chain comes to this account before another one that is available.</p>`;
  const first = html`<b>${isActive ? "Answers" : `Is ${condition}. Would answer`} ${percent(share)} of the selections of ${plural(units, "OU")}.</b>`;
  if (without.decisions === 0) {
    return html`<p>${first} ${isActive ? "Without it, other accounts answer all of them." : "Other accounts answer all of them meanwhile."}</p>`;
  }
  const gap = html`${plural(without.countries, "country", "countries")} ${isActive ? "would have" : without.countries === 1 ? "has" : "have"} no account`;
  return html`<p>${first} ${isActive ? html`Without it, ${gap}` : html`Meanwhile ${gap}`}${without.units > 1 ? html` in ${plural(without.units, "OU")}` : nothing}:</p>
    <ul class="gaps">${without.first.map(({ ou, countries }) => html`<li>${id(ou)} ${countries.slice(0, MAX_COUNTRIES).map((it, at) => html`${at ? ", " : ""}<abbr title=${nameOf(it)}>${it}</abbr>`)}${countries.length > MAX_COUNTRIES ? ` and ${number(countries.length - MAX_COUNTRIES)} more` : nothing}</li>`)}
      ${without.units > without.first.length ? html`<li>and ${plural(without.units - without.first.length, "more OU")}</li>` : nothing}</ul>`;
}

function fields({ company, channel, role, country, address, pool, user, weight, standing, available_from: from, generation }) {
  return facts([
    ["Reason", standing ? html`<bdi>${standing.reason}</bdi>` : null],
    ["Standing", standing ? html`${standing.standing}, ${standing.until ? html`until ${utc(standing.until)}` : "no end"}` : null],
    ["Set", standing?.since ? html`${ago(standing.since)}${standing.by ? html` by ${id(standing.by)}` : nothing}` : null],
    ["Available from", from ? utc(from) : null],
    ["Company", id(company)],
    ["Channel", channel],
    ["Role", role ?? (user ? "that of conversations" : null)],
    ["Address", id(address)],
    ["Country", country ? `${nameOf(country)} (${country})` : null],
    ["Pool", pool ? id(pool) : null],
    ["User", user ? id(user) : null],
    ["Weight", number(weight)],
    ["Generation", String(generation)],
  ]);
}
