// Shows the state of the daemon: what is in service, what needs attention, rates and latencies.

import { html, nothing, render } from "lit-html";
import uPlot from "uplot";
import { get } from "api";
import { follow, live } from "metrics";
import { accountLink, ago, bytes, chip, emptyBox, facts, figure, id, number, percent, plural, problemBox, seconds, sentence, span, utc } from "ui";

const MAX_STANDINGS = 20;
const WINDOW = 600; // seconds of the charts

/** The series of each chart: member of a point, label, color. */
const CHARTS = [
  { title: "Selections a second", format: figure, series: [["selected", "account selected", "--good"], ["without", "no account", "--bad"], ["refused", "refused query", "--warn"]] },
  { title: "Time of a selection", format: seconds, series: [["p50", "p50", "--one"], ["p99", "p99", "--two"], ["p999", "p99.9", "--three"]] },
];

/** Returns what an engineer on call must look at, the worst first, each with what to do. */
export function attention({ snapshot, last_reload: reload, held_back: held, standings, state, fleet, audit, principals, tls }) {
  const found = [];
  const add = (kind, title, text) => found.push({ kind, title, text });
  if (!snapshot) add("bad", "No snapshot is in service", "Queries get the problem no_snapshot. The last reload below has the cause.");
  // A company that is held back is named below with its own cause.
  if (reload?.error && !held?.length) add("bad", `The last reload was ${reload.outcome}`, reload.error);
  for (const it of held ?? []) add("bad", `Company ${it.company} is held back`, `Its version in service stays. ${it.cause}. Correct the files: the daemon reads them again by itself.`);
  if (snapshot?.from_state) add("warn", "The snapshot came from the state directory", "The source was missing, unreachable or broken at the start. The daemon goes on polling it.");
  if (state?.error) add("bad", "The state directory cannot be written", state.error);
  if (standings?.error) add("bad", "Standings cannot be changed", standings.error);
  if (audit?.error) add("bad", "The audit log cannot be written", audit.error);
  if (principals?.error) add("warn", "The newest principals file was refused", principals.error);
  if (tls?.error) add("warn", "The newest certificate was refused", tls.error);
  if (fleet && fleet.connected === false) add("warn", "The broker of the fleet is away", fleet.error ?? "The last good snapshot and the standings stay in force.");
  if (fleet?.standings_pending > 0) add("warn", `${plural(fleet.standings_pending, "standing")} pending`, "In force here. The broker has not acknowledged them yet.");
  return found;
}

export function show(root) {
  const charts = CHARTS.map((chart) => new Chart(chart));
  let [standings, standingsProblem, isReading] = [null, null, false];

  async function readStandings() {
    if (isReading) return;
    isReading = true;
    [standings, standingsProblem] = await get("/v1/standings").then((it) => [it.standings, null], (problem) => [standings, problem]);
    isReading = false;
    draw();
  }

  function draw() {
    const { status, statusProblem } = live;
    if (!status) {
      render(statusProblem ? html`<h1>Now</h1>${problemBox(statusProblem)}` : html`<h1>Now</h1><p class="lead">Reading…</p>`, root);
      return;
    }
    const notes = attention(status);
    render(html`
      <h1>Now</h1>
      ${statusProblem ? html`${problemBox(statusProblem)}<p class="note">The page tries again by itself. Below is the last answer.</p>` : nothing}
      ${notes.length === 0 && !statusProblem
        ? html`<p class="verdict good"><span class="mark" aria-hidden="true">✔</span> The daemon is well</p>`
        : html`<ul class="notes">${notes.map((it) => html`<li class="message ${it.kind}"><p class="title">${it.title}</p><p>${sentence(it.text)}</p></li>`)}</ul>`}
      ${figures(status)}
      <section class="card charts">${live.metricsProblem?.status === 403 ? nothing : charts.map((chart) => chart.place())}
        ${live.metricsProblem && !statusProblem ? problemBox(live.metricsProblem) : nothing}</section>
      <div class="columns">
        ${snapshotCard(status)}
        ${reloadCard(status)}
      </div>
      ${standingsCard(standings, standingsProblem, status)}
      <div class="columns">${others(status)}</div>`, root);
    for (const chart of charts) chart.update(root);
  }

  const stop = follow(() => {
    readStandings();
    draw();
  });
  draw();
  readStandings();
  return () => {
    stop();
    for (const chart of charts) chart.destroy();
  };
}

function figures({ snapshot, standings, uptime_seconds: uptime }) {
  const point = live.points.at(-1);
  const rate = point ? point.selected + point.without + point.refused : NaN;
  const shareWithout = point && rate > 0 ? point.without / rate : NaN;
  const one = (name, value, note = "") => html`<div><dt>${name}</dt><dd>${value}</dd><dd class="note">${note}</dd></div>`;
  return html`<dl class="figures">
    ${one("Generation", snapshot ? String(snapshot.generation) : "none", snapshot ? `in service for ${span(snapshot.activated_at)}` : "")}
    ${one("Selections a second", figure(rate), "average of 2 s")}
    ${one("Without an account", shareWithout > 0 ? html`<a class="warn" href="#map">${percent(shareWithout)}</a>` : percent(shareWithout), "of these selections")}
    ${one("p99 of a selection", point ? seconds(point.p99) : "–", !point ? "not known" : rate > 0 ? `p50 ${seconds(point.p50)}` : "no selection in the last 2 s")}
    ${one("Accounts", number(snapshot?.counts.accounts), snapshot ? `${plural(snapshot.counts.ous, "OU")}, ${plural(snapshot.counts.companies, "company", "companies")}` : "")}
    ${one("Standings in force", number(standings.draining + standings.suspended), `${number(standings.draining)} draining, ${number(standings.suspended)} suspended`)}
    ${one("Running for", span(Date.now() - uptime * 1000), "")}
  </dl>`;
}

function snapshotCard({ snapshot, source, watch, version }) {
  return html`<section class="card"><h2>Snapshot</h2>
    ${snapshot
      ? facts([
          ["Source", html`<bdi>${source}</bdi>`],
          ["Watched by", watch],
          ["Generation", String(snapshot.generation)],
          ["Built", ago(snapshot.built_at)],
          ["In service", ago(snapshot.activated_at)],
          ["Digest", html`<code class="digest">${snapshot.digest}</code>`],
          ["Content", html`<code class="digest">${snapshot.content}</code>`],
          ["Size", bytes(snapshot.bytes)],
          ["Companies", number(snapshot.counts.companies)],
          ["OUs, pools, accounts", `${number(snapshot.counts.ous)}, ${number(snapshot.counts.pools)}, ${number(snapshot.counts.accounts)}`],
          ["Warnings", snapshot.warnings ? number(snapshot.warnings.count) : "not known"],
          ["Version of the daemon", version],
        ])
      : emptyBox("No snapshot is in service", html`The source is <bdi>${source}</bdi>.`)}
    ${snapshot?.warnings?.first.length ? findings("Warnings", snapshot.warnings.first, snapshot.warnings.count) : nothing}
  </section>`;
}

const findings = (title, list, count = list.length) => html`<details><summary>${title} (${number(count)})</summary>
  <ul class="findings">${list.map((it) => html`<li>${sentence(it)}</li>`)}
    ${count > list.length ? html`<li class="note">and ${number(count - list.length)} more; <code>switchboard check</code> lists all</li>` : nothing}</ul></details>`;

/** Outcomes of reloads in the order in which they are shown, with their colors. */
const OUTCOMES = { published: "good", unchanged: "good", rejected: "bad", unreadable: "bad" };

function reloadCard({ last_reload: reload, held_back: held }) {
  const counted = new Map((live.samples?.get("switchboard_snapshot_reloads_total") ?? []).map((it) => [it.labels.outcome, it.value]));
  return html`<section class="card"><h2>Reloads</h2>
    ${reload
      ? facts([["Last", html`${chip(reload.outcome, OUTCOMES[reload.outcome])} ${ago(reload.at)}`], ["Cause", reload.error ? sentence(reload.error) : null]])
      : html`<p>No reload yet.</p>`}
    ${reload?.findings?.length && !held.length ? html`<ul class="findings">${reload.findings.map((it) => html`<li>${sentence(it)}</li>`)}</ul>` : nothing}
    <h3>Reloads until now</h3>
    ${facts(Object.keys(OUTCOMES).map((outcome) => [outcome, counted.has(outcome) ? number(counted.get(outcome)) : "–"]))}
    <h3>Companies held back</h3>
    ${held.length === 0
      ? html`<p class="note">None. The newest version of each company is in service.</p>`
      : held.map((it) => html`<div class="message bad"><p class="title">${id(it.company)} ${chip(it.reason, "bad")} <span class="note">for ${span(it.since)}</span></p><p>${sentence(it.cause)}</p>
          ${it.findings?.length ? findings("Findings", it.findings) : nothing}</div>`)}
  </section>`;
}

function standingsCard(list, problem, { standings }) {
  const rows = (list ?? []).slice(0, MAX_STANDINGS);
  return html`<section class="card"><h2>Standings in force</h2>
    <p class="note">Kept ${standings.kept}.${standings.waiting ? ` ${plural(standings.waiting, "standing")} of accounts that the snapshot lacks.` : ""}</p>
    ${problem && !list ? problemBox(problem) : nothing}
    ${list?.length === 0 ? html`<p>None. <a href="#accounts">Accounts</a> can be drained or suspended.</p>` : nothing}
    ${rows.length
      ? html`<div class="scroll" tabindex="0" role="region" aria-label="Standings in force"><table>
          <thead><tr><th scope="col">Account</th><th scope="col">Company</th><th scope="col">Standing</th><th scope="col">Reason</th><th scope="col">Since</th><th scope="col">Until</th><th scope="col">By</th></tr></thead>
          <tbody>${rows.map((it) => html`<tr><th scope="row">${accountLink(it.company, it.account)}</th><td>${id(it.company)}</td><td>${chip(it.standing)}</td><td class="words"><bdi>${it.reason ?? ""}</bdi></td>
            <td>${ago(it.since)}</td><td>${it.until ? utc(it.until) : "no end"}</td><td><bdi>${it.by ?? ""}</bdi></td></tr>`)}</tbody></table></div>
          ${list.length > rows.length ? html`<p class="note">The first ${rows.length} of ${number(list.length)}.</p>` : nothing}`
      : nothing}
  </section>`;
}

/** Shows the parts of the status that are configured, as they are in `/status`. */
function others(status) {
  const titles = { fleet: "Fleet", state: "State directory", principals: "Principals", tls: "TLS", audit: "Audit log", trusted_keys: "Trusted keys" };
  return Object.entries(titles).filter(([name]) => status[name]).map(([name, title]) => html`<section class="card"><h2>${title}</h2>${members(status[name])}</section>`);
}

const words = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

function members(value) {
  const shown = (it) => {
    if (typeof it === "boolean") return it ? "yes" : "no";
    if (typeof it === "number") return number(it);
    if (/^[0-9a-f]{64}$/.test(it)) return html`<code class="digest">${it}</code>`;
    if (typeof it === "string") return /^\d{4}-\d\d-\d\dT/.test(it) ? utc(it) : html`<bdi>${it}</bdi>`;
    if (Array.isArray(it)) return it.length === 0 ? "none" : html`<ul class="findings">${it.map((each) => html`<li>${typeof each === "object" ? members(each) : shown(each)}</li>`)}</ul>`;
    return members(it);
  };
  return facts(Object.entries(value).filter(([, it]) => it !== null).map(([name, it]) => [words(name), shown(it)]));
}

/** A chart of the last ten minutes. Its values are also in the text above it, for readers who do not see it. */
class Chart {
  constructor({ title, format, series }) {
    Object.assign(this, { title, format, series });
    this.plot = null;
    this.observer = new ResizeObserver(() => this.resize());
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.onScheme = () => this.reset();
    this.scheme.addEventListener("change", this.onScheme);
  }

  place() {
    const point = live.points.at(-1);
    return html`<figure class="chart"><figcaption><b>${this.title} <span class="note">times in UTC</span></b>
        ${this.series.map(([member, label, color]) => html`<span class="series"><i class="line" data-color=${color}></i>${label} <b>${point ? this.format(point[member]) : "–"}</b></span>`)}</figcaption>
      <div class="plot" data-chart=${this.title} aria-hidden="true"></div></figure>`;
  }

  update(root) {
    const place = root.querySelector(`[data-chart="${this.title}"]`);
    if (!place) return;
    if (!this.plot) {
      this.parent = place;
      this.plot = this.create(place);
      this.observer.observe(place);
    }
    const now = Date.now() / 1000;
    const points = live.points.filter((it) => it.at > now - WINDOW);
    this.plot.setData([points.map((it) => it.at), ...this.series.map(([member]) => points.map((it) => (Number.isFinite(it[member]) ? it[member] : null)))], false);
    const highest = Math.max(0, ...points.flatMap((it) => this.series.map(([member]) => it[member])).filter(Number.isFinite));
    // At first a minute, then more, so that the first readings are no line at the edge.
    const from = Math.max(now - WINDOW, Math.min(points[0]?.at ?? now, now - 60));
    this.plot.batch(() => {
      this.plot.setScale("x", { min: from, max: now });
      this.plot.setScale("y", { min: 0, max: highest > 0 ? highest * 1.1 : 1 });
    });
  }

  create(place) {
    const color = (name) => getComputedStyle(place).getPropertyValue(name).trim();
    const axis = { stroke: color("--soft"), grid: { stroke: color("--edge"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return new uPlot({
      ...this.size(place),
      legend: { show: false },
      cursor: { show: false },
      select: { show: false },
      scales: { x: { time: true }, y: {} },
      axes: [{ ...axis, size: 28, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toISOString().slice(11, ticks[1] - ticks[0] < 60 ? 19 : 16)) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(this.format) }],
      series: [{}, ...this.series.map(([, label, name]) => ({ label, stroke: color(name), width: 2, points: { show: false }, spanGaps: true }))],
    }, [[], ...this.series.map(() => [])], place);
  }

  size = (place) => ({ width: Math.max(200, place.clientWidth), height: 180 });

  resize() {
    if (this.plot && this.parent.clientWidth !== this.plot.width) this.plot.setSize(this.size(this.parent));
  }

  reset() {
    this.plot?.destroy();
    this.plot = null;
  }

  destroy() {
    this.scheme.removeEventListener("change", this.onScheme);
    this.observer.disconnect();
    this.reset();
  }
}
