// Explains a query: the answer, and every step of the climb with its accounts, as the command `explain` prints it.

import { html, nothing, render } from "lit-html";
import { get, post, withQuery } from "api";
import { accountLink, chip, country as nameOf, debounce, emptyBox, id, plural, problemBox, saveState } from "ui";

// Fields of a query: name, label, hint, whether the value is personal data and stays out of the URL.
const FIELDS = [
  ["company", "Company", "may be empty if there is only one"],
  ["channel", "Channel", "such as whatsapp"],
  ["ou", "Organizational unit (OU)", "the OU that invites the client"],
  ["phone", "Client's phone number", "with + and country code", true],
  ["country", "Client's country", "two letters; instead of a phone number"],
  ["client", "Client's id", "the same client gets the same account", true],
  ["user", "User", "the employee who invites"],
  ["role", "Role", "primary or secondary; usually empty"],
  ["current", "Current account", "the account that the client talks to"],
  ["exclude", "Excluded accounts", "ids with commas between them"],
  ["fallback", "Fallback", "none: only the OU's own pools"],
  ["bsuid", "Business-scoped user id", "WhatsApp's, instead of a phone number", true],
];
const USUAL = 5; // fields that are always shown; the others are below "More fields"

// The same words as in the command `explain`.
const MEANING = {
  current: "the client already talks to this account",
  dedicated: "the account is dedicated to the user",
  country: "the account is of the client's country",
  calling_code: "the account's country has the client's calling code",
  geography: "the client's country is mapped to the account's country",
  default_region: "the account is of the pool's default country",
};
// A chain may have 20,000 levels. Those at its start and around its end are shown, as in the command `explain`.
const LEVELS_AT_START = 20;
const LEVELS_AROUND_END = 5;

const WHY_IGNORED = {
  unknown: "the company has no such account",
  other_channel: "the account is of another channel",
  other_role: "the account has another role, or no role",
  suspended: "the account is suspended",
  excluded: "the query excludes the account",
  resting: "the account is still resting",
  not_in_chain: "no step of the chain has the account, and it is not dedicated to the user",
};
const WHY_PASSED_OVER = {
  draining: "keeps its clients, gets no new clients",
  suspended: "never selected",
  excluded: "excluded by the query",
  resting: "not available yet",
  available: "available; the search ended before it",
  chosen: "",
};

export function show(root, params) {
  const values = Object.fromEntries(FIELDS.map(([name]) => [name, params.get(name) ?? ""]));
  let [result, problem, asked, isBusy, latest] = [null, null, null, false, 0];
  const suggestions = { company: [], channel: [], ou: [] };

  async function ask() {
    const turn = (latest += 1);
    const query = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
    if (query.exclude) query.exclude = query.exclude.split(",").map((it) => it.trim()).filter(Boolean);
    saveState("ask", Object.fromEntries(FIELDS.filter(([, , , isPersonal]) => !isPersonal).map(([name]) => [name, values[name].trim()])));
    isBusy = true;
    draw();
    const [answer, failure] = await post("/v1/explain", query).then((it) => [it, null], (error) => [null, error]);
    if (turn !== latest) return;
    [result, problem, asked, isBusy] = [answer, failure, query, false];
    draw();
  }

  // Suggests companies, channels and units. Without the permission to read them, the fields stay without.
  const suggest = debounce(async () => {
    try {
      const company = values.company.trim();
      const isKnown = !company || suggestions.company.includes(company);
      const found = await get(withQuery("/v1/coverage", { company: isKnown ? company : "", find: values.ou.trim(), limit: 20 }));
      suggestions.company = found.companies ?? [];
      if (!isKnown && suggestions.company.includes(company)) return suggest();
      suggestions.channel = [...new Set((found.channels ?? []).map((it) => it.channel))];
      suggestions.ou = (found.ous ?? []).map((it) => it.ou);
      draw();
    } catch {
      // Several companies, or no permission.
    }
  });

  function field([name, label, hint]) {
    const list = suggestions[name];
    const input = (event) => {
      values[name] = event.target.value;
      if (list) suggest();
    };
    return html`<div><label><span>${label}</span>
      <input name=${name} .value=${values[name]} aria-describedby=${`hint-${name}`} autocomplete="off" autocapitalize="off" spellcheck="false"
        list=${list ? `known-${name}` : nothing} inputmode=${name === "phone" ? "tel" : nothing} @input=${input}>
      ${list ? html`<datalist id=${`known-${name}`}>${list.map((it) => html`<option value=${it}></option>`)}</datalist>` : nothing}</label>
      <small class="note" id=${`hint-${name}`}>${hint}</small></div>`;
  }

  function draw() {
    const submit = (event) => {
      event.preventDefault();
      ask();
    };
    const hasMore = FIELDS.slice(USUAL).some(([name]) => values[name]);
    render(html`
      <h1>Ask</h1>
      <p class="lead">Which account answers a client, and why each other account was passed over. The query is answered as the daemon
        answers now, with its standings, and is not counted.</p>
      <form class="card query" @submit=${submit}>
        <div class="fields">${FIELDS.slice(0, USUAL).map(field)}</div>
        <details ?open=${hasMore}><summary>More fields</summary><div class="fields">${FIELDS.slice(USUAL).map(field)}</div></details>
        <p class="buttons"><button class="main" ?disabled=${isBusy}>${isBusy ? "Asking…" : "Explain"}</button></p>
      </form>
      <div class="result" aria-live="polite">${
        problem ? problemBox(problem) : result ? explanation(result, asked) : emptyBox("No query yet", "Enter a channel, an OU, and the client's phone number or country.")
      }</div>`, root);
  }

  draw();
  suggest();
  if (values.channel && values.ou) ask();
  return () => (latest += 1);
}

function explanation(answer, asked) {
  return html`<section class="card answer">${clientLine(answer.client, asked)}${answer.selection ? selected(answer, asked) : refused(answer)}</section>
    <section class="card"><h2>The climb</h2>${preamble(answer, asked)}${chain(answer, asked)}</section>`;
}

function selected({ selection, generation }, asked) {
  const { account, address, channel, role, country, rule, pool, ou, climbed } = selection;
  const far = climbed === 0 ? "the OU of the query" : `${plural(climbed, "OU")} up`;
  return html`<p class="verdict good"><span class="mark" aria-hidden="true">✔</span> ${accountLink(asked.company, account)} <span class="address">${id(address)}</span></p>
    <p><b>${rule}</b>: ${MEANING[rule] ?? ""}</p>
    <p>${channel}, ${role ?? "dedicated"}${country ? html`, ${nameOf(country)} (${country})` : nothing}${pool ? html` · pool ${id(pool)}, OU ${id(ou)}, ${far}` : nothing}</p>
    ${selection.current_ignored ? html`<p>The account ${id(asked.current)} is not kept: ${WHY_IGNORED[selection.current_ignored] ?? selection.current_ignored}.</p>` : nothing}
    <p class="note">Generation ${generation}</p>`;
}

function refused({ problem, generation }) {
  return html`<p class="verdict bad"><span class="mark" aria-hidden="true">✘</span> No account: ${problem.code}</p>
    <p>${problem.title}. ${problem.detail.split(" Send the query to /v1/explain")[0]}</p>
    <p class="note">Generation ${generation}</p>`;
}

function clientLine(client, asked) {
  if (!client) return nothing;
  const name = client.country ? html`<b>${nameOf(client.country)}</b> (${client.country})` : html`<b>no country</b>`;
  const source = {
    query: ", given in the query",
    bsuid: ", derived from the business-scoped user id",
    phone: client.country ? ", derived from the phone number" : ", because the phone number has none; only default regions can match",
  }[client.source];
  const ignored = client.source === "query" && asked.phone ? "phone number" : "business-scoped user id";
  return html`<p>Client: ${name}${source ?? ""}${client.guessed ? " (guessed: the number is not valid)" : ""}${client.conflict ? `; the ${ignored} is of another country, which is ignored` : ""}</p>`;
}

const reasonOf = ({ outcome, by }) => `${WHY_PASSED_OVER[outcome] ?? ""}${by === "standing" ? " (by a live standing)" : by === "registry" ? " (in the registry)" : ""}`;

function preamble({ user, selection }, asked) {
  const lines = [];
  if (asked.current && selection?.rule === "current") lines.push(html`<li class="step chosen"><b>current</b> ${id(asked.current)} ${chip("chosen")} the client already talks to this account</li>`);
  if (user?.account) {
    lines.push(html`<li class=${user.outcome === "chosen" ? "step chosen" : "step"}><b>dedicated</b> ${id(user.account)} ${chip(user.outcome)} ${reasonOf(user)}</li>`);
  } else if (user) {
    lines.push(html`<li class="step"><b>dedicated</b> the user has no account${user.near ? html`; did you mean ${id(user.near)}?` : ""}</li>`);
  }
  return lines.length ? html`<h3>Before the chain</h3><ol class="steps">${lines}</ol>` : nothing;
}

function chain({ steps, selection, problem, client }, asked) {
  if (steps.length === 0) return html`<p>No step applies: no pool of this channel here or above${asked.country || asked.phone ? "" : ", or none with a default country for a client without a country"}.</p>`;
  const levels = [];
  for (const step of steps) {
    if (levels.at(-1)?.climbed !== step.climbed) levels.push({ ou: step.ou, climbed: step.climbed, steps: [] });
    levels.at(-1).steps.push(step);
  }
  const isSkipped = ["current", "dedicated"].includes(selection?.rule) || problem?.code === "dedicated_unavailable";
  const hasChosen = (step) => step.candidates.some((it) => it.outcome === "chosen");
  const end = isSkipped ? -1 : levels.findIndex((level) => level.steps.some(hasChosen));
  const below = levels[0].climbed === 0 ? nothing : html`<li class="level"><h3>${id(asked.ou)} <span class="note">the OU of the query</span></h3>
    <p class="ending">no pool of this channel${client?.country ? "" : " with a default country"}: continues at the OU above</p></li>`;
  const pivot = end >= 0 ? end : asked.fallback === "none" || isSkipped ? 0 : levels.length - 1;
  const isShown = (at) => at < LEVELS_AT_START || Math.abs(at - pivot) <= LEVELS_AROUND_END;
  return html`<ol class="levels">${below}${levels.map((level, at) => {
    if (!isShown(at)) return at > 0 && !isShown(at - 1) ? nothing : html`<li class="level rest"><p class="note">levels that are not shown</p></li>`;
    const isDone = isSkipped || (end >= 0 && at > end) || (asked.fallback === "none" && level.climbed > 0);
    const isAnswer = at === end;
    let ending = at + 1 < levels.length && asked.fallback !== "none" ? "no account here: continues at the OU above" : "end of the chain";
    if (isDone) ending = selection ? "not needed" : "not tried";
    if (isAnswer) ending = "the account is found, so the search ends here";
    return html`<li class=${isAnswer ? "level chosen" : isDone ? "level rest" : "level"}>
      <h3>${id(level.ou)} <span class="note">${level.climbed === 0 ? "the OU of the query" : `${plural(level.climbed, "OU")} up`}</span></h3>
      <ol class="steps">${level.steps.map((step) => stepItem(step, asked))}</ol>
      <p class="ending">${ending}</p>
    </li>`;
  })}</ol>`;
}

function stepItem({ rule, pool, country, candidates, more }, asked) {
  const isChosen = candidates.some((it) => it.outcome === "chosen");
  const namesClient = asked.client || asked.phone || asked.bsuid;
  const equal = namesClient ? "equal: the client and the weights decided between them" : "equal: the weights and chance decided, because the query names no client";
  const reason = (it) => (isChosen && it.outcome === "available" ? equal : reasonOf(it));
  return html`<li class=${isChosen ? "step chosen" : "step"}>
    <p title=${MEANING[rule] ?? ""}><b>${rule}</b>: pool ${id(pool)}${country ? html`, accounts of ${nameOf(country)} (${country})` : nothing}</p>
    ${candidates.length === 0
      ? html`<p class="note">no account</p>`
      : html`<ul class="candidates">${candidates.map((it) => html`<li>${accountLink(asked.company, it.account)} ${chip(it.outcome)} <span class="note">${reason(it)}</span></li>`)}
          ${more ? html`<li class="note">and ${plural(more, "more account")}</li>` : nothing}</ul>`}
  </li>`;
}
