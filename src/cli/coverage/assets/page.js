"use strict";
// Fills the overview (OUs × channels), colors the map and fills the table of countries for the selected cell. The
// fragment of the address keeps the state, so that a link shows the same view.
(() => {
  const $ = (selector) => document.querySelector(selector);
  const data = JSON.parse($("#data").textContent);
  if (!$("#ous")) return;
  const MAX_ROWS = 60; // OUs in the overview before "show all"
  const [WIDTH, HEIGHT, CLOSEST] = [10100, 6660, 300]; // units of the map
  const names = ["company", "find", "ou", "channel", "country"];
  const [company, find, ou, channel, country] = names.map((name) => $(`[name=${name}]`));
  const [map, decisionText, accountsText, more] = ["#map", "#decision", "#accounts", "#more"].map($);
  const hint = decisionText.textContent;
  const lines = [...document.querySelectorAll("#countries tbody tr")];
  const buttons = [...document.querySelectorAll(".legend button")];
  const RULES = buttons.map((button) => button.dataset.rule);
  const LABELS = Object.fromEntries(buttons.map((it) => [it.dataset.rule, it.querySelector("span").textContent]));
  const companies = data.companies.filter((it) => it.ous.length && it.channels.length);
  // The elements of each country, by its code: on the map, in the list and in the table.
  const shows = new Map(lines.map((line) => [line.dataset.code, []]));
  for (const it of document.querySelectorAll("[data-code]")) shows.get(it.dataset.code).push(it);
  const decided = new Map();
  let [only, all, view, dragged] = [null, false, [0, 0, WIDTH], false];

  const element = (tag, fields, ...children) => {
    const it = Object.assign(document.createElement(tag), fields);
    it.append(...children);
    return it;
  };
  const place = (letter) => {
    const at = data.letters.indexOf(letter);
    return at < 0 ? letter.charCodeAt(0) - 0x100 : at;
  };
  const decisionsOf = ([distinct, letters]) => [...letters].map((letter) => data.decisions[distinct[place(letter)]]);
  const classOf = ([rule]) => (RULES.includes(rule) ? rule : "none");
  // For each row of decisions: the number of countries by rule.
  const counts = data.rows.map((row) => {
    const count = Object.fromEntries(RULES.map((rule) => [rule, 0]));
    for (const decision of decisionsOf(row)) count[classOf(decision)] += 1;
    return count;
  });
  const chosen = () => companies.find(({ id }) => id === company.value);
  const column = () => chosen().channels.findIndex((it) => it.join(" ") === channel.value);
  const title = ([id, role]) => `${id} (${role})`;

  function fill(select, options) {
    const before = select.value;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === before)) select.value = before;
  }

  function fillChoices() {
    fill(ou, chosen().ous.map(([id]) => [id, id]));
    fill(channel, chosen().channels.map((it) => [it.join(" "), title(it)]));
  }

  function cell(of, at, row) {
    const count = counts[row];
    let end = 0;
    const parts = RULES.map((rule) => `var(--${rule}) ${end}% ${(end += (count[rule] / lines.length) * 100)}%`);
    const words = RULES.filter((rule) => count[rule]).map((rule) => `${LABELS[rule]} ${count[rule]}`).join(", ");
    const bar = element("i", { className: "bar" });
    bar.style.background = `linear-gradient(to right, ${parts})`;
    const button = element("button", { type: "button", title: words }, String(count.none || "–"), bar);
    button.style.setProperty("--share", count.none / lines.length);
    button.ariaLabel = `${of}, ${title(chosen().channels[at])}: ${words}`;
    button.ariaPressed = of === ou.value && at === column();
    button.addEventListener("click", () => {
      [ou.value, channel.value] = [of, chosen().channels[at].join(" ")];
      choose();
      $("#place").scrollIntoView({ block: "nearest" });
    });
    return element("td", {}, button);
  }

  function showOverview() {
    const gaps = (rows) => rows.reduce((sum, row) => sum + counts[row].none, 0);
    const text = find.value.trim().toLowerCase();
    const ous = chosen().ous.filter(([id]) => id.toLowerCase().includes(text));
    ous.sort(([a, x], [b, y]) => gaps(y) - gaps(x) || (a < b ? -1 : 1));
    const shown = all ? ous : ous.slice(0, MAX_ROWS);
    const heads = chosen().channels.map(([id, role]) => element("th", { scope: "col" }, id, element("small", {}, role)));
    const head = element("th", { scope: "col" }, "OU");
    const rows = shown.map(([id, rows]) => element("tr", {}, element("th", { scope: "row", title: id }, id), ...rows.map((row, at) => cell(id, at, row))));
    $("#ous thead").replaceChildren(element("tr", {}, head, ...heads));
    $("#ous tbody").replaceChildren(...rows);
    $("#found").textContent = `${ous.length} of ${chosen().ous.length} OUs`;
    more.hidden = shown.length === ous.length;
    more.textContent = `Show all ${ous.length} OUs`;
  }

  function choose() {
    const [, rows] = chosen().ous.find(([id]) => id === ou.value);
    const decisions = decisionsOf(data.rows[rows[column()]]);
    lines.forEach((line, at) => decided.set(line.dataset.code, decisions[at]));
    $("#place").textContent = `${ou.value} on ${title(chosen().channels[column()])}`;
    showOverview();
    show();
  }

  // The first accounts of a decision, and the number of the others.
  function accounts([, , , , group], most) {
    if (group == null) return "";
    const [ids, beyond] = data.groups[group];
    const others = ids.length + beyond - most;
    return ids.slice(0, most).join(", ") + (others > 0 ? ` and ${others} more` : "");
  }

  function show() {
    const count = Object.fromEntries(RULES.map((rule) => [rule, 0]));
    for (const [code, decision] of decided) {
      const [rule, climbed, pool] = decision;
      const name = classOf(decision);
      count[name] += 1;
      for (const it of shows.get(code)) {
        const classes = [name, climbed > 0 && "climbed", only && only !== name && "dim", code === country.value && "selected"];
        it.setAttribute("class", classes.filter(Boolean).join(" "));
        // The selected country is drawn last, so that its outline covers its neighbors.
        if (it.tagName === "path" && code === country.value) it.parentElement.append(it);
        if (it.tagName !== "TR") continue;
        const [, key, up, from, who] = it.querySelectorAll("td");
        key.firstChild.className = `key ${name}`;
        key.lastChild.textContent = rule;
        up.textContent = climbed ?? "";
        from.textContent = pool ?? "";
        who.textContent = accounts(decision, 1);
      }
    }
    for (const button of buttons) {
      button.querySelector("b").textContent = count[button.dataset.rule];
      button.ariaPressed = button.dataset.rule === only;
    }
    describe(country.value);
    saveState();
  }

  function describe(code) {
    decisionText.textContent = hint;
    accountsText.textContent = "";
    if (!code) return;
    const decision = decided.get(code);
    const [rule, climbed, pool, level] = decision;
    const name = shows.get(code).find((it) => it.tagName === "TR").querySelector("td").textContent;
    const found = `, pool ${pool}, OU ${level}${climbed ? `, ${climbed} OU${climbed > 1 ? "s" : ""} up` : ""}`;
    decisionText.textContent = `${name} (${code}): ${rule}${pool == null ? "" : found}`;
    if (pool != null) accountsText.textContent = `Accounts: ${accounts(decision, 20)}`;
  }

  function look(x, y, width) {
    const w = Math.min(WIDTH, Math.max(CLOSEST, width));
    const h = (w * HEIGHT) / WIDTH;
    const within = (at, least, most) => Math.round(Math.min(most, Math.max(least, at)));
    view = [within(x, 0, WIDTH - w), within(y, 0, HEIGHT - h), Math.round(w)];
    map.setAttribute("viewBox", `${view[0]} ${view[1]} ${w} ${h}`);
    map.classList.toggle("zoomed", w < WIDTH);
    saveState();
  }

  // `at` is the point that stays in place, as shares of the width and the height.
  function zoom(factor, at = [0.5, 0.5]) {
    const [x, y, w] = view;
    const wider = Math.min(WIDTH, Math.max(CLOSEST, w * factor)) - w;
    look(x - wider * at[0], y - ((wider * HEIGHT) / WIDTH) * at[1], w + wider);
  }

  function zoomToCountry() {
    const path = shows.get(country.value)?.find((it) => it.tagName === "path");
    if (!path) return look(0, 0, WIDTH);
    const { x, y, width, height } = path.getBBox();
    const w = Math.min(WIDTH, Math.max(1200, 3 * Math.max(width, (height * WIDTH) / HEIGHT)));
    look(x + width / 2 - w / 2, y + height / 2 - (w * HEIGHT) / WIDTH / 2, w);
  }

  function saveState() {
    const [id, role] = channel.value.split(" ");
    const state = { company: company.value, ou: ou.value, channel: id, role };
    if (country.value) state.country = country.value;
    if (only) state.rule = only;
    if (find.value) state.find = find.value;
    if (view[2] < WIDTH) state.view = view.join();
    const fragment = `#${new URLSearchParams(state)}`;
    if (isReady && fragment !== location.hash) history.replaceState(null, "", fragment);
  }

  // Reads the fragment. A value that the page does not have is ignored.
  function loadState() {
    const state = new URLSearchParams(location.hash.slice(1));
    const set = (select, value) => [...select.options].some((it) => it.value === value) && (select.value = value);
    set(company, state.get("company"));
    fillChoices();
    const [firstOu, first] = [chosen().ous, chosen().channels].map((them) => them[0]);
    const known = companies.indexOf(chosen()) === data.first[0];
    set(ou, state.get("ou") ?? (known ? data.first[1] : firstOu[0]));
    const of = chosen().channels.find(([id, role]) => id === state.get("channel") && role === (state.get("role") ?? role));
    channel.value = (of ?? (known ? data.first[2] : first)).join(" ");
    country.value = "";
    set(country, state.get("country") ?? "");
    only = RULES.find((rule) => rule === state.get("rule")) ?? null;
    find.value = state.get("find") ?? "";
    const [x, y, w] = (state.get("view") ?? "").split(",").map(Number);
    look(...(w > 0 ? [x || 0, y || 0, w] : [0, 0, WIDTH]));
    choose();
  }

  function pick(code) {
    country.value = country.value === code ? "" : code;
    show();
  }

  company.addEventListener("change", () => {
    fillChoices();
    all = false;
    choose();
  });
  ou.addEventListener("change", choose);
  channel.addEventListener("change", choose);
  find.addEventListener("input", () => {
    showOverview();
    saveState();
  });
  more.addEventListener("click", () => {
    all = true;
    showOverview();
  });
  country.addEventListener("change", () => {
    show();
    const line = lines.find((it) => it.dataset.code === country.value);
    line?.parentElement.closest(".wide").scrollTo({ top: line.offsetTop - 60 });
  });
  for (const button of buttons) {
    button.addEventListener("click", () => {
      only = only === button.dataset.rule ? null : button.dataset.rule;
      show();
    });
  }
  for (const [code, them] of shows) {
    for (const it of them) {
      it.addEventListener("pointerenter", () => describe(code));
      it.addEventListener("pointerleave", () => describe(country.value));
      it.addEventListener("click", () => pick(code));
    }
  }
  const moves = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "0": () => look(0, 0, WIDTH),
    ArrowLeft: () => look(view[0] - view[2] / 8, view[1], view[2]), ArrowRight: () => look(view[0] + view[2] / 8, view[1], view[2]),
    ArrowUp: () => look(view[0], view[1] - view[2] / 8, view[2]), ArrowDown: () => look(view[0], view[1] + view[2] / 8, view[2]),
  };
  $(".world").addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  });
  for (const button of document.querySelectorAll(".tools button")) {
    button.addEventListener("click", () => (button.dataset.key ? moves[button.dataset.key]() : zoomToCountry()));
  }
  map.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    const box = map.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height]);
  }, { passive: false });
  let from = null;
  map.addEventListener("pointerdown", ({ clientX, clientY }) => {
    dragged = false;
    from = { clientX, clientY, view };
  });
  addEventListener("pointermove", ({ clientX, clientY, buttons }) => {
    if (!buttons) from = null; // released outside the window
    if (!from || view[2] === WIDTH) return;
    const scale = view[2] / map.getBoundingClientRect().width;
    const [x, y] = [(from.clientX - clientX) * scale, (from.clientY - clientY) * scale];
    dragged ||= Math.hypot(x, y) > 5 * scale;
    if (dragged) look(from.view[0] + x, from.view[1] + y, view[2]);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (from = null));
  // The click that ends a drag selects no country. Every other click does, also the next one of a keyboard or a script.
  addEventListener("click", (event) => {
    if (dragged && map.contains(event.target)) event.stopPropagation();
    dragged = false;
  }, true);
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());

  fill(company, companies.map(({ id }) => [id, id]));
  const named = lines.map((it) => new Option(`${it.querySelector("td").textContent} (${it.dataset.code})`, it.dataset.code));
  country.replaceChildren(new Option("any", ""), ...named.sort((a, b) => a.text.localeCompare(b.text, "en")));
  let isReady = false;
  company.value = companies[data.first[0]].id;
  loadState();
  isReady = true;
  addEventListener("hashchange", loadState);
})();
