// Compares the files of a registry with the snapshot in service: findings, and the decisions that change. The words
// are those of the command `diff`. The daemon keeps nothing of the files.

import { html, nothing, render } from "lit-html";
import { post, withQuery } from "api";
import { bytes, chip, emptyBox, id, number, plural, problemBox } from "ui";

const CHANNELS_FILE = "channels.toml";
const SETTINGS_FILE = "company.toml";
const COMPANY_FILES = [SETTINGS_FILE, "ous.csv", "accounts.csv", "tests.toml"];
const MAX_BYTES = 64 * 1024 * 1024; // of one request
const PART_BYTES = 300; // of a form, for each file besides its content and its path
const MAX_WALKED = 50_000; // files of a folder that are looked at
const MAX_DEPTH = 8; // of folders
const MAX_NAMED = 10; // files that are named in a list
const MAX_IDS = 3;
const MAX_COUNTRIES = 12;
const MAX_PLACES = 4;
const MAX_FOLDS = 100; // of one kind

// Kinds of changes, the worst first, each with its heading, its words in the totals, and its color.
const KINDS = [
  ["becomes_error", "Become errors", (count) => (count === 1 ? "becomes an error" : "become errors"), "bad"],
  ["other_error", "Fail with another code", () => "fail with another code", "warn"],
  ["answered", "No longer fail", () => "no longer fail", "good"],
  ["moved", "Change rule, level or pool", () => "change rule, level or pool", "warn"],
  ["accounts", "Change accounts", () => "change accounts", "plain"],
  ["level", "Change only the level: the accounts stay the same", () => "change only the level", "plain"],
];
const MISSING = { unknown_company: ["company", "companies"], unknown_channel: ["channel", "channels"], unknown_ou: ["OU", "OUs"] };

const CHANGED = {
  title: "The files have changed",
  detail: "A browser gives a page the files as they were when they were chosen. Choose the folder again, then compare.",
};

// Kept while other views are shown: the choice, the comparison of it that runs, and its result.
let [chosen, result, problem, isBusy, latest] = [null, null, null, false, 0];
let view = null; // its element and the function that draws it, while it is shown

/** Draws the view if it is shown, and moves the focus. */
function update(focused) {
  view?.draw();
  view?.root.querySelector(focused)?.focus();
}

export function show(root) {
  let isOver = 0;

  async function choose(read) {
    const turn = (latest += 1);
    [result, problem, isBusy] = [null, null, false];
    const found = await read().then((entries) => arrange(entries), (error) => ({ fault: error.message }));
    if (turn !== latest) return;
    chosen = found;
    update(".chosen button.main, .chosen button");
  }

  async function compare() {
    const turn = (latest += 1);
    const form = new FormData();
    for (const { path, file } of chosen.files) form.append("file", file, path);
    [result, problem, isBusy] = [null, null, true];
    draw();
    if (await haveChanged(chosen.files)) {
      if (turn !== latest) return;
      [problem, isBusy] = [CHANGED, false];
      return update(".drop button");
    }
    if (turn !== latest) return;
    const path = withQuery("/v1/compare", { company: chosen.company });
    const [answer, failure] = await post(path, form).then((it) => [it, null], (error) => [null, error]);
    if (turn !== latest) return;
    [result, problem, isBusy] = [answer, failure, false];
    update(".result h2");
  }

  function clear() {
    latest += 1;
    [chosen, result, problem, isBusy] = [null, null, null, false];
    update(".drop button");
  }

  function picker(isFolder) {
    const changed = ({ target }) => {
      const files = [...target.files];
      target.value = ""; // so that the same folder can be chosen again
      if (files.length) choose(async () => files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
    };
    return html`<input type="file" multiple hidden ?webkitdirectory=${isFolder} @change=${changed}>
      <button type="button" ?disabled=${isBusy} @click=${({ target }) => target.previousElementSibling.click()}>${isFolder ? "Choose a folder" : "Choose files"}</button>`;
  }

  function draw() {
    render(html`
      <h1>Compare</h1>
      <p class="lead">What a change of the registry would do. The daemon checks the files and compares their decisions with those of the
        snapshot in service. Nothing is kept, and nothing is put in service. Live standings do not take part.</p>
      <section class=${isOver > 0 ? "card drop over" : "card drop"} aria-label="Files of the registry">
        <p>Drop the folder of a registry here, or of one of its companies.</p>
        <p class="buttons">${picker(true)} ${picker(false)}</p>
        ${chosen ? selection(chosen, isBusy, compare, clear) : nothing}
      </section>
      <div class="result" aria-busy=${isBusy ? "true" : "false"}>${
        isBusy ? html`<p class="message" role="status">Checking and comparing. This takes up to 30 s…</p>`
        : problem ? problemBox(problem, chosen?.files && problem !== CHANGED ? compare : null)
        : result ? report(result, chosen.company)
        : chosen ? nothing : emptyBox("Nothing to compare yet", "Choose the files that you want to put in service.")
      }</div>`, root);
  }

  // The whole page takes a drop, because a file that misses its target would replace the page.
  const drag = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    const was = isOver;
    isOver = { dragenter: isOver + 1, dragleave: Math.max(0, isOver - 1), drop: 0 }[event.type] ?? isOver;
    if (event.type === "drop" && !isBusy) {
      // The items are empty after this event, so their entries are taken now.
      const entries = [...event.dataTransfer.items].map((it) => it.webkitGetAsEntry()).filter(Boolean);
      if (entries.length) choose(() => walk(entries));
    }
    if ((was > 0) !== (isOver > 0)) draw();
  };
  const events = ["dragenter", "dragover", "dragleave", "drop"];
  for (const name of events) addEventListener(name, drag);
  view = { root, draw };
  draw();
  return () => {
    view = null;
    for (const name of events) removeEventListener(name, drag);
  };
}

/** Whether a file can no longer be read as it was when it was chosen. */
async function haveChanged(files) {
  for (const { file } of files) {
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      return true;
    }
  }
  return false;
}

/** Reads dropped files and folders, without hidden ones, as a list of paths and files. */
async function walk(entries) {
  const found = [];
  const visit = async (entry, path, depth) => {
    if (found.length >= MAX_WALKED) throw new Error(`The folder has more than ${number(MAX_WALKED)} files. Drop the folder of the registry alone.`);
    if (entry.isFile) {
      found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
      return;
    }
    if (entry.name.startsWith(".") || depth > MAX_DEPTH) {
      found.push({ path: `${path}/`, file: null });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A reader returns the entries in pieces, and an empty piece at the end.
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) break;
      for (const inner of some) await visit(inner, `${path}/${inner.name}`, depth + 1);
    }
  };
  for (const entry of entries) await visit(entry, entry.name, 0);
  return found;
}

/**
 * Finds the registry among files, and gives each file its path within. Returns the `files`; of them the paths `unread`,
 * whose names alone are sent, so that a misspelled name is found; the paths `ignored`, which are not sent; the number of
 * bytes and of companies; and the `company` whose folder alone was chosen. Or returns the `fault` that stops a comparison.
 */
export function arrange(entries) {
  const split = entries.map((entry) => ({ ...entry, parts: entry.path.split("/") }));
  const isHidden = ({ parts }) => parts.some((part) => part.startsWith("."));
  const readable = split.filter((entry) => entry.file && !isHidden(entry));
  const nameOf = ({ parts }) => parts.at(-1);
  const above = ({ parts }, levels) => parts.slice(0, -levels).join("/");
  const named = (names) => readable.filter((entry) => entry.parts.length > 1 && names.includes(nameOf(entry)));
  const settings = named([SETTINGS_FILE]);
  const inCompanies = settings.length ? settings : named(COMPANY_FILES);
  const channels = readable.filter((entry) => nameOf(entry) === CHANNELS_FILE).map((entry) => above(entry, 1));
  // The folder of the registry is two levels above the files of a company.
  const folders = inCompanies.length ? inCompanies.map((entry) => above(entry, 2)) : channels;
  const withChannels = folders.filter((folder) => channels.includes(folder));
  const candidates = withChannels.length ? withChannels : folders;
  const depth = (folder) => (folder === "" ? 0 : folder.split("/").length);
  const least = candidates.reduce((min, folder) => Math.min(min, depth(folder)), Infinity);
  const roots = [...new Set(candidates.filter((folder) => depth(folder) === least))];
  if (roots.length === 0) {
    const isBare = readable.some((entry) => COMPANY_FILES.includes(nameOf(entry)));
    return {
      fault: isBare
        ? "These are the files of a company without their folder, whose name is the id of the company. Choose the folder."
        : "There is no file of a registry here. A registry has one folder for each company, with a company.toml, and it may have a channels.toml.",
    };
  }
  if (roots.length > 1) return { fault: `There are several registries here: ${roots.slice(0, MAX_NAMED).join(", ")}. Choose one of them.` };
  const start = depth(roots[0]);
  const isWithin = ({ path }) => roots[0] === "" || path.startsWith(`${roots[0]}/`);
  const [files, unread, ignored] = [[], [], []];
  for (const entry of split) {
    const inner = entry.parts.slice(start);
    const path = inner.join("/");
    if (!entry.file || isHidden(entry) || !isWithin(entry) || inner.length > 2) {
      ignored.push(entry.path);
    } else if (inner.length === 1 ? path === CHANNELS_FILE : COMPANY_FILES.includes(inner[1])) {
      files.push({ path, file: entry.file });
    } else {
      files.push({ path, file: new Blob([]) });
      unread.push(path);
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const size = files.reduce((sum, { path, file }) => sum + file.size + path.length + PART_BYTES, 0);
  const companies = new Set(files.filter(({ path }) => path.includes("/") && !unread.includes(path)).map(({ path }) => path.split("/")[0]));
  const company = roots[0] === "" && companies.size === 1 && split.every(({ parts }) => parts[0] === split[0].parts[0]) ? split[0].parts[0] : undefined;
  return { files, unread, ignored, size, companies: companies.size, company };
}

function selection({ files, unread, ignored, size, companies, company, fault }, isBusy, compare, clear) {
  if (fault) return html`<div class="chosen"><p class="message bad" role="alert">${fault}</p><p class="buttons"><button type="button" @click=${clear}>Clear</button></p></div>`;
  const isTooLarge = size > MAX_BYTES;
  return html`<div class="chosen">
    <p role="status">${plural(files.length - unread.length, "file")} of ${company ? html`the company ${id(company)}` : plural(companies, "company", "companies")}, ${bytes(size)}.</p>
    <details><summary>Names of the files</summary>
      <ul class="names">${files.slice(0, 10 * MAX_NAMED).map(({ path, file }) => html`<li>${id(path)} <span class="note">${bytes(file.size)}</span></li>`)}
        ${files.length > 10 * MAX_NAMED ? html`<li class="note">and ${number(files.length - 10 * MAX_NAMED)} more</li>` : nothing}</ul></details>
    ${company ? html`<p class="note">Only this company is compared. Without ${CHANNELS_FILE}, every channel has its default settings.</p>` : nothing}
    ${unread.length ? html`<p class="note">Only the names are sent, because no registry reads such a file: ${list(unread, MAX_NAMED)}</p>` : nothing}
    ${ignored.length ? html`<p class="note">Not sent, because hidden or not in the registry: ${list(ignored, MAX_NAMED)}</p>` : nothing}
    ${isTooLarge ? html`<div class="message bad" role="alert"><p>One request has at most ${bytes(MAX_BYTES)}. Compare on the command line, which has no limit:</p>
      <p><code>switchboard diff current.swb registry</code></p></div>` : nothing}
    <p class="buttons"><button type="button" class="main" ?disabled=${isBusy || isTooLarge} @click=${compare}>${isBusy ? "Comparing…" : "Compare"}</button>
      <button type="button" ?disabled=${isBusy} @click=${clear}>Clear</button></p>
  </div>`;
}

/** Shows the first items of a list of ids, and the number of the others. */
function list(ids, most = MAX_IDS, more = 0) {
  const left = Math.max(0, ids.length - most) + more;
  return html`${ids.slice(0, most).map((it, at) => html`${at ? ", " : nothing}${id(it)}`)}${left ? html` +${number(left)} more` : nothing}`;
}

function report(result, company) {
  const { generation, findings, more_findings: more, errors, warnings, tests, groups, companies } = result;
  const [kind, words] = verdict(result);
  return html`<section class="card">
      <h2 class="verdict ${kind}" tabindex="-1">${words}</h2>
      ${groups && result.compared > result.unchanged ? counts(result) : nothing}
      <p class="note">${groups ? html`Compared with generation ${generation}${company ? html`, the company ${id(company)} alone` : nothing}. ` : nothing}${plural(errors, "error")}, ${plural(warnings, "warning")};
        ${errors > 0 && tests.run === 0 ? "tests not run" : html`${plural(tests.run, "test")}, ${number(tests.failed)} failed`}</p>
      ${result.one_to_several_companies ? html`<p class="message warn">The registry has several companies, and the snapshot in service has one: queries that leave out <code>company</code> become <code>bad_request</code>.</p>` : nothing}
      ${companies ? companyLines(companies) : nothing}
    </section>
    ${findings.length ? html`<section class="card"><h2>Findings</h2>${findingTable(findings)}
      ${more ? html`<p class="note">and ${plural(more, "more finding")}; <code>switchboard check</code> lists every finding</p>` : nothing}</section>` : nothing}
    ${groups?.length ? html`<section class="card"><h2>Decisions that change</h2>${changes(result)}
      ${result.more ? html`<p class="note">Not shown: ${plural(result.more, "more group")} of changes. <code>switchboard diff</code> lists every change.</p>` : nothing}</section>` : nothing}
    ${!groups || company ? nothing : tests.failed === 0 && errors === 0 ? publishing() : correction()}`;
}

/** Returns the first line in words, and its color. */
function verdict({ errors, tests, compared, unchanged, changes: counts, groups }) {
  if (!groups) return ["bad", `The registry has ${plural(errors, "error")}: correct ${errors === 1 ? "it" : "them"}, choose the folder again, then compare`];
  if (tests.failed) return ["bad", plural(tests.failed, "test fails", "tests fail")];
  const changed = compared - unchanged;
  if (changed === 0) return ["good", `No decision changes; ${number(compared)} compared`];
  return [counts.becomes_error ? "bad" : "plain", `${number(changed)} of ${plural(compared, "decision")} ${changed === 1 ? "changes" : "change"}`];
}

/** Shows the number of decisions of each kind. Each leads to the changes of its kind. */
function counts({ changes: of, compared, unchanged }) {
  const lead = ({ currentTarget: { dataset } }) => {
    const heading = view?.root.querySelector(`h3[data-kind="${dataset.to}"]`);
    heading?.scrollIntoView({ block: "start" });
    heading?.focus({ preventScroll: true });
  };
  return html`<p class="counts">${KINDS.filter(([kind]) => of[kind]).map(([kind, , words, color]) =>
    html`<button type="button" class="chip ${color}" data-to=${kind} @click=${lead}>${number(of[kind])} ${words(of[kind])}</button>`)}
    <span class="note">${number(unchanged)} of ${plural(compared, "decision")} ${unchanged === 1 ? "is" : "are"} unchanged</span></p>`;
}

function companyLines({ added, removed, more }) {
  return html`
    ${removed.length ? html`<p class="message bad"><b>${removed.length === 1 ? "A company disappears" : "Companies disappear"}:</b> ${list(removed, MAX_NAMED)}</p>` : nothing}
    ${added.length ? html`<p class="message good"><b>${added.length === 1 ? "A company appears" : "Companies appear"}:</b> ${list(added, MAX_NAMED)}</p>` : nothing}
    ${more ? html`<p class="note">and ${plural(more, "more company", "more companies")}</p>` : nothing}`;
}

function findingTable(findings) {
  return html`<div class="scroll" role="region" aria-label="Findings" tabindex="0"><table>
    <thead><tr><th scope="col">Severity</th><th scope="col">Place</th><th scope="col">Message</th><th scope="col">What to do</th></tr></thead>
    <tbody>${findings.map((it, at) => html`<tr>
      <td>${chip(it.severity, it.severity === "error" ? "bad" : "warn")}</td>
      <td>${id(it.entry ?? `${it.file}:${it.line}`)}<br><span class="note">${it.code}</span></td>
      <td class="words">${it.message}</td>
      <td class="words">${it.help && it.help === findings[at - 1]?.help ? html`<span class="note">as above</span>` : it.help}</td></tr>`)}</tbody>
  </table></div>`;
}

function changes({ groups, countries }) {
  const folds = fold(groups);
  const missing = folds.filter((it) => it.missing);
  return html`${missing.length ? html`<ul class="changes">${missing.slice(0, MAX_FOLDS).map((it) => html`<li>${missingLine(it)}</li>`)}</ul>` : nothing}
    ${KINDS.map(([kind, heading, , color]) => {
      const of = folds.filter((it) => !it.missing && it.kind === kind);
      if (of.length === 0) return nothing;
      return html`<h3 tabindex="-1" data-kind=${kind}>${chip(heading, color)}</h3><ul class="changes">${of.slice(0, MAX_FOLDS).map((it) => html`<li>${change(it, countries)}</li>`)}
        ${of.length > MAX_FOLDS ? html`<li class="note">and ${number(of.length - MAX_FOLDS)} more such changes</li>` : nothing}</ul>`;
    })}`;
}

/** Folds groups that have the same rules and pools on both sides. Their accounts may differ by country. */
export function fold(groups) {
  const folds = new Map();
  const place = ({ rule, pool, ou }) => [rule, pool, ou];
  for (const group of groups) {
    const code = [group.new.rule, group.old.rule].find((rule) => Object.hasOwn(MISSING, rule));
    const { kind, company, channel, role } = group;
    const key = code
      ? [company, code, group.new.rule === code]
      : [kind, company, channel, role, kind === "level" ? null : [place(group.old), place(group.new)], group.accounts];
    const text = JSON.stringify(key);
    if (!folds.has(text)) folds.set(text, { ...group, decisions: 0, refused: 0, where: [], more_where: 0, sides: { old: side(), new: side() }, missing: code, isRemoved: group.new.rule === code, names: new Set() });
    const one = folds.get(text);
    one.decisions += group.decisions;
    if (kind === "other_error") one.refused += group.decisions;
    one.where.push(...group.where);
    one.more_where += group.more_where ?? 0;
    if (code === "unknown_channel") one.names.add(channel);
    if (code === "unknown_ou") for (const ou of group.where.flatMap((it) => it.ous)) one.names.add(ou);
    for (const name of ["old", "new"]) {
      const of = one.sides[name];
      for (const { account } of group[name].accounts ?? []) of.accounts.add(account);
      of.more += group[name].more_accounts ?? 0;
      if (group[name].climbed !== undefined) of.climbed.push(group[name].climbed);
    }
  }
  return [...folds.values()];
}

const side = () => ({ accounts: new Set(), more: 0, climbed: [] });

/** Merges places: OUs with the same countries become one. */
function merged(where) {
  const countriesOf = new Map();
  for (const { ous, countries, more_ous: more = 0 } of where) {
    for (const ou of ous) countriesOf.set(ou, [...(countriesOf.get(ou) ?? []), ...countries]);
    if (more) countriesOf.set({ more }, countries);
  }
  const places = new Map();
  for (const [ou, countries] of countriesOf) {
    const key = [...new Set(countries)].sort();
    const text = key.join(" ");
    if (!places.has(text)) places.set(text, { ous: [], more: 0, countries: key });
    if (typeof ou === "string") places.get(text).ous.push(ou);
    else places.get(text).more += ou.more;
  }
  return [...places.values()];
}

function missingLine({ company, missing, isRemoved, names, decisions, refused }) {
  const [one, many] = MISSING[missing];
  const what = names.size > 1 ? html`${number(names.size)} ${many}` : html`the ${one}`;
  const answered = plural(decisions - refused, "decision");
  const words = isRemoved
    ? html`${answered} become <code>${missing}</code>${refused ? `, ${number(refused)} failed before` : nothing}`
    : `${answered} have an account${refused ? `, ${number(refused)} have none` : ""}`;
  return html`<p><b>${id(company)}</b>: ${what} ${list([...names])} ${names.size > 1 ? "are" : "is"} <b class=${isRemoved ? "bad" : "good"}>${isRemoved ? "removed" : "new"}</b>: ${words}</p>`;
}

function change({ kind, company, channel, role, where, more_where: more, decisions, old, new: now, sides, accounts }, total) {
  const places = merged(where);
  const line = ({ ous, more: others, countries }) => html`<li>${list(ous, MAX_IDS, others)}: ${countryList(countries, total)}</li>`;
  return html`<p><b>${id(company)} ${id(channel)} ${role}</b> <span class="note">${plural(decisions, "decision")}</span>${explainLink({ company, channel, role, ...places[0] })}</p>
    <ul class="places">${places.slice(0, MAX_PLACES).map(line)}</ul>
    ${places.length > MAX_PLACES ? html`<details><summary>${plural(places.length - MAX_PLACES, "more group")} of OUs</summary><ul class="places">${places.slice(MAX_PLACES).map(line)}</ul></details>` : nothing}
    ${more ? html`<p class="note">and ${plural(more, "more group")} of OUs</p>` : nothing}
    ${kind === "level" ? html`<p class="sides">${up(sides.old.climbed)} → ${up(sides.new.climbed)}</p>`
      : kind === "accounts" ? html`<p class="sides">${decision(old, sides.old)}</p>${difference(accounts)}`
      : html`<dl class="sides"><div><dt>old</dt><dd>${decision(old, sides.old)}${accountList(sides.old)}</dd></div><div><dt>new</dt><dd>${decision(now, sides.new)}${accountList(sides.new)}</dd></div></dl>`}`;
}

function decision({ rule, pool, ou }, { climbed }) {
  if (!pool) return html`<code class="bad">${rule}</code>`;
  const isHere = Math.max(...climbed) === 0;
  return html`${rule}, pool ${id(pool)} at ${id(ou)}${isHere ? nothing : html`, ${up(climbed)}`}`;
}

function up(climbed) {
  const [least, most] = [Math.min(...climbed), Math.max(...climbed)];
  return least < most ? `${number(least)} to ${number(most)} OUs up` : `${plural(least, "OU")} up`;
}

const accountList = ({ accounts, more }) => (accounts.size ? html`: ${list([...accounts].sort(), MAX_IDS, more)}` : nothing);

function difference({ lost, gained, reweighted, altered, ...more }) {
  const lists = [
    ["accounts removed", lost, more.more_lost],
    ["accounts added", gained, more.more_gained],
    ["weight changed", reweighted.map((it) => `${it.account} from ${it.old} to ${it.new}`), more.more_reweighted],
    ["address or country changed", altered, more.more_altered],
  ];
  return html`<dl class="sides">${lists.filter(([, ids]) => ids.length).map(([what, ids, left]) => html`<div><dt>${what}</dt><dd>${list(ids, MAX_IDS, left)}</dd></div>`)}</dl>`;
}

function countryList(countries, total) {
  if (countries.length === total) return "every country";
  const more = countries.slice(MAX_COUNTRIES);
  return html`${plural(countries.length, "country", "countries")} (${countries.slice(0, MAX_COUNTRIES).join(" ")}${more.length ? " …" : ""})
    ${more.length ? html`<details><summary>${plural(more.length, "more country", "more countries")}</summary>${more.join(" ")}</details>` : nothing}`;
}

/** Links to the decision that is in service, for the first OU and country of a change. */
function explainLink({ company, channel, role, ous: [ou] = [], countries: [country] = [] }) {
  if (!ou || !country) return nothing;
  return html` <a class="ask" href=${withQuery("#ask", { company, channel, role, ou, country })}>Explain ${id(ou)} ${country} as served now</a>`;
}

const correction = () => html`<section class="card"><h2>Correct the tests first</h2>
  <p>The commands <code>compile</code> and <code>publish</code> and a daemon reject a registry whose tests fail. If a test expects what you
    no longer want, change the test.</p></section>`;

const publishing = () => html`<section class="card"><h2>Put these files in service</h2>
  <p>The console cannot publish. These commands can, where <code>registry</code> is the folder of the files:</p>
  <dl class="facts">
    <div><dt>daemons that serve a snapshot file</dt><dd><code>switchboard compile registry -o current.swb</code></dd></div>
    <div><dt>a fleet</dt><dd><code>switchboard fleet publish registry --fleet nats://HOST:PORT</code></dd></div>
    <div><dt>a daemon that serves the folder itself</dt><dd>replace the files in its folder; the daemon reads them within seconds</dd></div>
  </dl></section>`;
