// Follows `/status` and `/metrics` while the page is visible, and derives rates and latencies from two readings.

import { get, getText } from "api";

const INTERVAL_MS = 2000;
const KEPT = 300; // readings, ten minutes

/** Parses the text format of Prometheus: a map of names to their samples. */
export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    if (!samples.has(found[1])) samples.set(found[1], []);
    samples.get(found[1]).push({ labels, value: found[3] === "+Inf" ? Infinity : Number(found[3]) });
  }
  return samples;
}

/** Adds the values of all samples that have these labels. */
export const sum = (samples, name, has = () => true) =>
  (samples.get(name) ?? []).filter(({ labels }) => has(labels)).reduce((total, { value }) => total + value, 0);

function buckets(samples, name) {
  const counts = new Map();
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    const upper = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(upper, (counts.get(upper) ?? 0) + value);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

/** Returns a quantile of what a histogram counted between two readings, or NaN if it counted nothing. */
export function quantile(before, now, name, share) {
  const old = new Map(buckets(before, name));
  const counted = buckets(now, name).map(([upper, count]) => [upper, count - (old.get(upper) ?? 0)]);
  const total = counted.at(-1)?.[1] ?? 0;
  if (!(total > 0)) return NaN;
  const rank = share * total;
  let [lower, below] = [0, 0];
  for (const [upper, count] of counted) {
    if (count >= rank) return upper === Infinity ? lower : lower + ((upper - lower) * (rank - below)) / Math.max(1, count - below);
    [lower, below] = [upper, count];
  }
  return lower;
}

const RULES = new Set(["current", "dedicated", "country", "calling_code", "geography", "default_region"]);
const WITHOUT = new Set(["no_account", "no_account_available", "no_pool", "dedicated_unavailable"]);
const SELECTIONS = "switchboard_selections_total";
const LATENCY = "switchboard_select_duration_seconds";

/** Derives a point of the charts from two readings. Returns null if the daemon was restarted in between. */
function point(before, now) {
  const duration = (now.at - before.at) / 1000;
  const rate = (has) => (sum(now.samples, SELECTIONS, has) - sum(before.samples, SELECTIONS, has)) / duration;
  const all = rate(() => true);
  if (all < 0 || duration <= 0) return null;
  const of = (share) => quantile(before.samples, now.samples, LATENCY, share);
  return {
    at: now.at / 1000,
    selected: rate(({ outcome }) => RULES.has(outcome)),
    without: rate(({ outcome }) => WITHOUT.has(outcome)),
    refused: rate(({ outcome }) => !RULES.has(outcome) && !WITHOUT.has(outcome)),
    p50: of(0.5),
    p99: of(0.99),
    p999: of(0.999),
  };
}

/** The latest readings. `points` are those of the charts, the oldest first. */
export const live = { status: null, statusProblem: null, metricsProblem: null, samples: null, points: [] };
const listeners = new Set();
let last = null;
let timer = 0;

/** Calls a function after each reading. Returns a function that stops the calls. */
export function follow(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function read() {
  const [status, metrics] = await Promise.allSettled([get("/status"), getText("/metrics")]);
  live.statusProblem = status.reason ?? null;
  live.status = status.value ?? live.status;
  live.metricsProblem = metrics.reason ?? null;
  if (metrics.value !== undefined) {
    const now = { at: Date.now(), samples: parse(metrics.value) };
    const next = last && point(last, now);
    if (next) live.points.push(next);
    live.points.splice(0, live.points.length - KEPT);
    [last, live.samples] = [now, now.samples];
  }
  for (const listener of listeners) listener();
}

async function turn() {
  clearTimeout(timer);
  if (document.hidden) return;
  await read();
  clearTimeout(timer);
  timer = setTimeout(turn, INTERVAL_MS);
}

/** Begins to read. Stops while the page is hidden. */
export function start() {
  document.addEventListener("visibilitychange", turn);
  return turn();
}

/** Reads now, for example after a change. */
export const readNow = () => turn();
