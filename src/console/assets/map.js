// The map of decisions: an overview of OUs by channels and roles, and for one of them a world map and a table of all
// countries. The console and the page that `switchboard coverage` writes share this module and its markup.

const FIRST_OUS = 60; // OUs that the overview shows at first, and adds with "Show more"
const MAX_OUS = 1000; // OUs that the overview shows at most
const [WIDTH, HEIGHT, CLOSEST] = [10100, 6660, 300]; // units of the map
const WAIT_MS = 150; // between a keystroke and its search, and between a change and the fragment
const UNKNOWN = ["", null, "", "", null]; // shown for each country until its decision is known

/**
 * Fills the markup in `root`.
 *
 * `source.overview({ company, find, offset, limit })` and `source.row({ company, ou, channel, role })` return promises
 * of the answers of `/v1/coverage`. `source.ask` and `source.account`, if there are any, return the addresses of an
 * explanation and of an account. `fragment.read()` returns the state as URLSearchParams, and `fragment.write(fields)`
 * keeps it. `start` is the cell that is shown if the state has none; without it, the first OU on the channel with the
 * most gaps, and if possible with a country that is served.
 */
export function mount(root, source, fragment, start = null) {
  const $ = (selector) => root.querySelector(selector);
  const [company, find, channel, country] = ["company", "find", "channel", "country"].map((name) => $(`[name=${name}]`));
  const [svg, world, more, found, place] = [".world svg", ".world", ".more", ".found", ".place"].map($);
  const [overviewProblem, rowProblem] = root.querySelectorAll(".message");
  const ous = $(".ous");
  const toCountry = $(".tools button:not([data-key])");
  const lines = [...root.querySelectorAll(".countries tbody tr")];
  const rules = [...root.querySelectorAll(".legend button")];
  const RULES = rules.map((button) => button.dataset.rule);
  const LABELS = Object.fromEntries(rules.map((it) => [it.dataset.rule, it.querySelector("span").textContent]));
  const codes = lines.map((line) => line.dataset.code);
  const nameOf = Object.fromEntries(lines.map((line) => [line.dataset.code, line.querySelector("td").textContent]));
  // The elements of each country, by its code: on the map, in the list and in the table.
  const shows = new Map(codes.map((code) => [code, []]));
  for (const it of root.querySelectorAll("[data-code]")) shows.get(it.dataset.code).push(it);
  const stopped = new AbortController();
  const listen = (target, kind, run, options = {}) => target.addEventListener(kind, run, { ...options, signal: stopped.signal });

  let state = {}; // company, ou, channel, role, country, rule, find
  let view = [0, 0, WIDTH];
  let overview = null; // the last answer, with all OUs that are shown
  let row = null; // the last answer for one OU
  let [overviewTurn, rowTurn, dragged] = [0, 0, false];
  let [saving, searching] = [0, 0];

  const element = (tag, fields, ...children) => {
    const it = Object.assign(document.createElement(tag), fields);
    it.append(...children);
    return it;
  };
  // An id is shown as it is. Its direction does not change that of the text around it.
  const id = (text) => element("bdi", {}, text);
  const title = ({ channel, role }) => `${channel} (${role})`;
  const classOf = (rule) => (RULES.includes(rule) ? rule : "none");

  function report(box, problem, again, label = "Try again") {
    const words = problem ? [problem.title || "Something went wrong", problem.detail || problem.message] : [];
    // A problem that stays is announced once.
    if (box.dataset.words === words.join("\n")) return;
    box.dataset.words = words.join("\n");
    box.hidden = !problem;
    if (!problem) return box.replaceChildren();
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", again);
    box.replaceChildren(element("h3", {}, words[0]), element("p", {}, words[1]), button);
  }

  // Reads the state, and shows it. What the registry does not have is reported or ignored.
  async function load() {
    const params = fragment.read();
    state = Object.fromEntries([...params].filter(([name]) => name !== "view"));
    const [x, y, w] = (params.get("view") ?? "").split(",").map(Number);
    look(...(w > 0 ? [x || 0, y || 0, w] : [0, 0, WIDTH]));
    if (!Object.hasOwn(nameOf, state.country)) delete state.country;
    if (!RULES.includes(state.rule)) delete state.rule;
    [find.value, country.value] = [state.find ?? "", state.country ?? ""];
    [overview, row] = [null, null];
    await showOverview();
    reveal();
  }

  // Scrolls to the map if a link names a country, because its decision is below the overview.
  function reveal() {
    if (row && state.country) place.closest("section").scrollIntoView({ block: "start", behavior: "instant" });
  }

  async function showOverview(limit = FIRST_OUS) {
    const turn = (overviewTurn += 1);
    let answer;
    try {
      const first = !state.company && start ? start.company : state.company;
      answer = await source.overview({ company: first, find: state.find, offset: 0, limit });
    } catch (problem) {
      if (turn !== overviewTurn || stopped.signal.aborted) return;
      if (problem.code !== "unknown_company") return report(overviewProblem, problem, () => showOverview(limit));
      const other = () => {
        state = {};
        showOverview();
      };
      return report(overviewProblem, problem, other, "Show another company");
    }
    if (turn !== overviewTurn || stopped.signal.aborted) return;
    report(overviewProblem, null);
    const isOther = JSON.stringify(answer) !== JSON.stringify(overview);
    overview = answer;
    state.company = answer.company;
    if (isOther) drawOverview();
    if (!row) await showRow(firstCell());
  }

  // Adds the OUs that follow.
  async function showMore() {
    const turn = (overviewTurn += 1);
    try {
      const { company, ous } = overview;
      const next = await source.overview({ company, find: state.find, offset: ous.length, limit: FIRST_OUS });
      if (turn !== overviewTurn || stopped.signal.aborted) return;
      const before = ous.length;
      overview = { ...next, ous: [...ous, ...next.ous] };
      drawOverview();
      cellButtons()[before * overview.channels.length]?.focus();
    } catch (problem) {
      if (turn === overviewTurn && !stopped.signal.aborted) report(overviewProblem, problem, showMore);
    }
  }

  // Returns the cell of the state, or else the one that is shown at first. Without a role, the source decides.
  function firstCell() {
    const { channels, ous } = overview;
    const { ou, channel, role } = state;
    if (ou && channel) return { ou, channel, role };
    if (ou && channels.length) return { ou, ...channels[0] };
    if (start?.company === overview.company && !state.find) return start;
    const [first] = ous;
    if (!first || !channels.length) return null;
    const gaps = first.cells.map(({ none }) => none);
    const partial = gaps.filter((none) => none && none < overview.countries);
    return { ou: first.ou, ...channels[gaps.indexOf(Math.max(...(partial.length ? partial : gaps)))] };
  }

  async function showRow(cell) {
    const turn = (rowTurn += 1);
    if (!cell) {
      drawRow(null);
      return report(rowProblem, null);
    }
    const { ou, channel, role } = cell;
    Object.assign(state, { ou, channel, role });
    mark();
    let answer;
    try {
      answer = await source.row({ company: state.company, ou, channel, role });
    } catch (problem) {
      if (turn !== rowTurn || stopped.signal.aborted) return;
      drawRow(null);
      place.replaceChildren(id(ou), ` on ${channel}`);
      const { title, message, detail = message, status } = problem;
      const hint = status === 404 ? " Or choose a cell of the overview." : "";
      return report(rowProblem, { title, detail: detail + hint }, () => showRow(cell));
    }
    if (turn !== rowTurn || stopped.signal.aborted) return;
    report(rowProblem, null);
    if (JSON.stringify(answer) !== JSON.stringify(row)) drawRow(answer);
  }

  const cellButtons = () => [...ous.querySelectorAll("tbody button")];
  const isShown = ({ dataset }) => dataset.ou === state.ou && dataset.channel === state.channel && dataset.role === state.role;

  // Marks the cell that is shown. One button of the table can be reached with Tab, and the arrow keys reach the others.
  function mark() {
    const buttons = cellButtons();
    const shown = buttons.find(isShown);
    for (const button of buttons) {
      button.ariaPressed = button === shown;
      button.tabIndex = button === (shown ?? buttons[0]) ? 0 : -1;
    }
  }

  function cell(ou, { channel, role }, count) {
    let end = 0;
    const parts = RULES.map((rule) => `var(--${rule}) ${end}% ${(end += (count[rule] / overview.countries) * 100)}%`);
    const words = RULES.filter((rule) => count[rule] || rule === "none").map((rule) => `${LABELS[rule]} ${count[rule]}`).join(", ");
    const bar = element("i", { className: "share" });
    bar.style.background = `linear-gradient(to right, ${parts})`;
    const button = element("button", { type: "button", title: words }, String(count.none), bar);
    button.style.setProperty("--gaps", count.none / overview.countries);
    button.ariaLabel = `${ou}, ${title({ channel, role })}: ${words}`;
    Object.assign(button.dataset, { ou, channel, role });
    return element("td", {}, button);
  }

  function drawOverview() {
    const { companies, channels, ous: shown, more_companies } = overview;
    const focused = ous.contains(document.activeElement) ? { ...document.activeElement.dataset } : null;
    fill(company, companies.map((name) => [name, name]), overview.company);
    company.closest("label").hidden = companies.length < 2;
    const heads = channels.map(({ channel, role }) => element("th", { scope: "col" }, id(channel), element("small", {}, role)));
    const rows = shown.map(({ ou, cells }) => element("tr", {}, element("th", { scope: "row", title: ou }, id(ou)), ...cells.map((count, at) => cell(ou, channels[at], count))));
    const isEmpty = !rows.length || !channels.length;
    ous.tHead.replaceChildren(...(isEmpty ? [] : [element("tr", {}, element("th", { scope: "col" }, "OU"), ...heads)]));
    ous.tBodies[0].replaceChildren(...(isEmpty ? [] : rows));
    ous.closest(".wide").hidden = isEmpty;
    const others = more_companies ? ` The list has the first ${companies.length} companies; the address of this page can name another.` : "";
    found.textContent = (!overview.units ? "The company has no OU. Add OUs to its company.toml."
      : !channels.length ? "The company has no pool. Add a pool to its company.toml."
      : !rows.length ? `No OU has this text in its id. Shorten or clear the text to see the ${overview.units} OUs.`
      : `${overview.found} of ${overview.units} OUs`) + others;
    const isFull = shown.length >= Math.min(overview.found, MAX_OUS);
    more.hidden = isEmpty || isFull;
    more.textContent = `Show ${Math.min(FIRST_OUS, overview.found - shown.length)} more OUs`;
    if (isFull && overview.found > shown.length) found.textContent += `. The first ${shown.length} are shown: write a part of an id to find another.`;
    const options = channels.map((it) => [JSON.stringify([it.channel, it.role]), title(it)]);
    fill(channel, options, JSON.stringify([state.channel, state.role]));
    mark();
    if (focused?.ou) cellButtons().find(({ dataset }) => dataset.ou === focused.ou && dataset.channel === focused.channel && dataset.role === focused.role)?.focus({ preventScroll: true });
    save();
  }

  function fill(select, options, value) {
    const known = [...select.options].map((it) => it.value).join("\n");
    if (known !== options.map(([value]) => value).join("\n")) select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.value = value;
  }

  // A decision as its rule or error, and where its accounts are: OUs climbed, pool, OU, and accounts.
  const decisionOf = (code) => {
    const it = row?.decisions[row.countries[code]];
    return it ? [it.rule, it.climbed, it.pool, it.ou, it.accounts && it] : UNKNOWN;
  };

  const linked = (account) => element("a", { href: source.account(state.company, account) }, id(account));

  // The first accounts of a decision, and the number of the others.
  function accounts([, , , , group], most, show = id) {
    if (!group) return [];
    const others = group.accounts.length + group.more - most;
    const nodes = group.accounts.slice(0, most).flatMap((name, at) => (at ? [", ", show(name)] : [show(name)]));
    return others > 0 ? [...nodes, ` and ${others} more`] : nodes;
  }

  function drawRow(answer) {
    row = answer;
    if (row) {
      Object.assign(state, { ou: row.ou, channel: row.channel, role: row.role });
      place.replaceChildren(id(row.ou), " on ", id(row.channel), ` (${row.role})`);
      channel.value = JSON.stringify([row.channel, row.role]);
    } else {
      place.textContent = "No OU is chosen";
    }
    for (const code of codes) {
      const decision = decisionOf(code);
      const [rule, climbed, pool] = decision;
      const [, key, up, from, who] = shows.get(code).find((it) => it.tagName === "TR").querySelectorAll("td");
      key.firstChild.className = `key ${row ? classOf(rule) : ""}`;
      key.lastChild.textContent = rule;
      up.textContent = climbed ?? "";
      from.replaceChildren(...(pool ? [id(pool)] : []));
      who.replaceChildren(...accounts(decision, 1));
    }
    mark();
    draw();
  }

  // Colors the countries, and counts them by rule.
  function draw() {
    const count = Object.fromEntries(RULES.map((rule) => [rule, 0]));
    for (const code of codes) {
      const [rule, climbed] = decisionOf(code);
      const name = row ? classOf(rule) : "";
      if (row) count[name] += 1;
      const classes = [name, climbed > 0 && "climbed", state.rule && state.rule !== name && "dim", code === state.country && "selected"];
      for (const it of shows.get(code)) {
        it.setAttribute("class", classes.filter(Boolean).join(" "));
        // The selected country is drawn last, so that its outline covers its neighbors.
        if (it.tagName === "path" && code === state.country) it.parentElement.append(it);
      }
    }
    for (const button of rules) {
      button.querySelector("b").textContent = row ? count[button.dataset.rule] : "–";
      button.ariaPressed = button.dataset.rule === state.rule;
    }
    toCountry.disabled = !outlineOf(state.country);
    describe(state.country);
    save();
  }

  function describe(code) {
    const [decision, named] = [$(".decision"), $(".accounts")];
    if (!code || !row) {
      decision.textContent = row ? "Point at a country or choose a country to see its decision." : "";
      return named.replaceChildren();
    }
    const it = decisionOf(code);
    const [rule, climbed, pool, ou] = it;
    decision.replaceChildren(`${nameOf[code]} (${code}): ${rule}`);
    if (pool) decision.append(", pool ", id(pool), ", OU ", id(ou), climbed ? `, ${climbed} OU${climbed > 1 ? "s" : ""} up` : "");
    const nodes = pool ? ["Accounts: ", ...accounts(it, 20, source.account ? linked : id)] : [];
    if (source.ask) {
      const href = source.ask({ company: state.company, ou: row.ou, channel: row.channel, role: row.role, country: code });
      nodes.push(...(nodes.length ? [" · "] : []), element("a", { href }, "Explain"));
    }
    named.replaceChildren(...nodes);
  }

  function look(x, y, width) {
    const w = Math.min(WIDTH, Math.max(CLOSEST, width));
    const h = (w * HEIGHT) / WIDTH;
    const within = (at, least, most) => Math.round(Math.min(most, Math.max(least, at)));
    view = [within(x, 0, WIDTH - w), within(y, 0, HEIGHT - h), Math.round(w)];
    svg.setAttribute("viewBox", `${view[0]} ${view[1]} ${w} ${h}`);
    svg.classList.toggle("zoomed", w < WIDTH);
    save();
  }

  // `at` is the point that stays in place, as shares of the width and the height.
  function zoom(factor, at = [0.5, 0.5]) {
    const [x, y, w] = view;
    const wider = Math.min(WIDTH, Math.max(CLOSEST, w * factor)) - w;
    look(x - wider * at[0], y - ((wider * HEIGHT) / WIDTH) * at[1], w + wider);
  }

  const outlineOf = (code) => shows.get(code)?.find((it) => it.tagName === "path");

  function zoomToCountry() {
    const path = outlineOf(state.country);
    if (!path) return;
    const { x, y, width, height } = path.getBBox();
    const w = Math.min(WIDTH, Math.max(1200, 3 * Math.max(width, (height * WIDTH) / HEIGHT)));
    look(x + width / 2 - w / 2, y + height / 2 - (w * HEIGHT) / WIDTH / 2, w);
  }

  // Keeps the state in the fragment, so that a link shows the same.
  function save() {
    clearTimeout(saving);
    saving = setTimeout(() => {
      const names = ["company", "ou", "channel", "role", "country", "rule", "find"];
      const given = names.filter((name) => state[name]).map((name) => [name, state[name]]);
      fragment.write({ ...Object.fromEntries(given), ...(view[2] < WIDTH && { view: view.join() }) });
    }, WAIT_MS);
  }

  function pick(code) {
    state.country = state.country === code ? "" : code;
    country.value = state.country;
    draw();
  }

  listen(company, "change", () => {
    state = { company: company.value, country: state.country, rule: state.rule, find: state.find };
    row = null;
    showOverview();
  });
  listen(channel, "change", () => {
    const [id, role] = JSON.parse(channel.value);
    showRow({ ou: state.ou, channel: id, role });
  });
  listen(find, "input", () => {
    state.find = find.value.trim();
    clearTimeout(searching);
    searching = setTimeout(() => showOverview(), WAIT_MS);
    save();
  });
  listen(more, "click", showMore);
  listen(ous, "click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    showRow({ ...button.dataset });
    place.closest("section").scrollIntoView({ block: "start" });
  });
  listen(ous, "keydown", (event) => {
    const buttons = cellButtons();
    const at = buttons.indexOf(event.target);
    const columns = overview?.channels.length;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = buttons[to];
    if (!next) return;
    [event.target.tabIndex, next.tabIndex] = [-1, 0];
    next.focus();
  });
  listen(country, "change", () => {
    state.country = country.value;
    draw();
    const line = shows.get(state.country)?.find((it) => it.tagName === "TR");
    line?.closest(".wide").scrollTo({ top: line.offsetTop - 60 });
  });
  for (const button of rules) {
    listen(button, "click", () => {
      state.rule = state.rule === button.dataset.rule ? "" : button.dataset.rule;
      draw();
    });
  }
  for (const [code, them] of shows) {
    for (const it of them) {
      listen(it, "pointerenter", () => describe(code));
      listen(it, "pointerleave", () => describe(state.country));
      listen(it, "click", () => pick(code));
    }
  }
  const moves = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "0": () => look(0, 0, WIDTH),
    ArrowLeft: () => look(view[0] - view[2] / 8, view[1], view[2]), ArrowRight: () => look(view[0] + view[2] / 8, view[1], view[2]),
    ArrowUp: () => look(view[0], view[1] - view[2] / 8, view[2]), ArrowDown: () => look(view[0], view[1] + view[2] / 8, view[2]),
  };
  listen(world, "keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  });
  for (const button of root.querySelectorAll(".tools button")) {
    listen(button, "click", () => (button.dataset.key ? moves[button.dataset.key]() : zoomToCountry()));
  }
  listen(svg, "wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height]);
  }, { passive: false });
  let from = null;
  listen(svg, "pointerdown", ({ clientX, clientY }) => {
    dragged = false;
    from = { clientX, clientY, view };
  });
  listen(window, "pointermove", ({ clientX, clientY, buttons }) => {
    if (!buttons) from = null; // released outside the window
    if (!from || view[2] === WIDTH) return;
    const scale = view[2] / svg.getBoundingClientRect().width;
    const [x, y] = [(from.clientX - clientX) * scale, (from.clientY - clientY) * scale];
    dragged ||= Math.hypot(x, y) > 5 * scale;
    if (dragged) look(from.view[0] + x, from.view[1] + y, view[2]);
  });
  for (const end of ["pointerup", "pointercancel"]) listen(window, end, () => (from = null));
  // The click that ends a drag selects no country. Every other click does, also the next one of a keyboard or a script.
  listen(window, "click", (event) => {
    if (dragged && svg.contains(event.target)) event.stopPropagation();
    dragged = false;
  }, { capture: true });
  for (const form of root.querySelectorAll("form")) listen(form, "submit", (event) => event.preventDefault());

  const named = codes.map((code) => new Option(`${nameOf[code]} (${code})`, code));
  country.replaceChildren(new Option("any", ""), ...named.sort((a, b) => a.text.localeCompare(b.text, "en")));
  return {
    /** Resolves when the state of the fragment is shown. */
    ready: load(),
    load,
    /** Scrolls to the map if the state has a country. Call it when the map is in the document. */
    reveal,
    /** Asks again for what is shown, and draws what has changed. */
    async refresh() {
      if (!overview) return showOverview();
      await showOverview(Math.min(MAX_OUS, Math.max(FIRST_OUS, overview.ous.length)));
      if (row) await showRow({ ou: row.ou, channel: row.channel, role: row.role });
    },
    stop() {
      stopped.abort();
      clearTimeout(saving);
      clearTimeout(searching);
    },
  };
}
