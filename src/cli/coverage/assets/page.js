"use strict";
// Colors the map and fills the table for the selected company, OU and channel.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.querySelector(".choose");
  if (!form) return;
  const { company, ou, channel, country } = form.elements;
  const decisionText = document.getElementById("decision");
  const hint = decisionText.textContent;
  const lines = [...document.querySelectorAll("tbody tr")];
  const buttons = [...document.querySelectorAll(".legend button")];
  const companies = data.companies.filter((it) => it.ous.length && it.channels.length);
  // The elements of each country, by its code: on the map, in the list and in the table.
  const shows = new Map(lines.map((line) => [line.dataset.code, []]));
  for (const it of document.querySelectorAll("[data-code]")) shows.get(it.dataset.code).push(it);
  const RULES = buttons.map((button) => button.dataset.rule);
  const decided = new Map();
  let only = null;

  const fill = (select, names) => {
    const before = select.value;
    select.replaceChildren(...names.map((name) => new Option(name)));
    if (names.includes(before)) select.value = before;
  };
  const place = (letter) => {
    const at = data.letters.indexOf(letter);
    return at < 0 ? letter.charCodeAt(0) - 0x100 : at;
  };
  const classOf = ([rule]) => (RULES.includes(rule) ? rule : "none");

  function choose() {
    const { ous, channels } = companies[company.selectedIndex];
    const [, rows] = ous[ou.selectedIndex];
    const [distinct, letters] = data.rows[rows[channels.indexOf(channel.value)]];
    lines.forEach((line, at) => decided.set(line.dataset.code, data.decisions[distinct[place(letters[at])]]));
    show();
  }

  function show() {
    const counts = Object.fromEntries(RULES.map((rule) => [rule, 0]));
    for (const [code, decision] of decided) {
      const [rule, climbed, pool] = decision;
      const name = classOf(decision);
      counts[name] += 1;
      for (const it of shows.get(code)) {
        const classes = [name, climbed > 0 && "climbed", only && only !== name && "dim", code === country.value && "selected"];
        it.setAttribute("class", classes.filter(Boolean).join(" "));
        // The selected country is drawn last, so that its outline covers its neighbors.
        if (it.tagName === "path" && code === country.value) it.parentElement.append(it);
        if (it.tagName !== "TR") continue;
        const [, key, up, from] = it.querySelectorAll("td");
        key.firstChild.className = `key ${name}`;
        key.lastChild.textContent = rule;
        up.textContent = climbed ?? "";
        from.textContent = pool ?? "";
      }
    }
    for (const button of buttons) button.querySelector("b").textContent = counts[button.dataset.rule];
    describe(country.value);
  }

  function describe(code) {
    if (!code) { decisionText.textContent = hint; return; }
    const [rule, climbed, pool] = decided.get(code);
    const name = shows.get(code).find((it) => it.tagName === "TR").querySelector("td").textContent;
    const how = pool == null ? `no account: ${rule}`
      : `${rule}, from ${pool}, ${climbed === 0 ? "at the OU itself" : `${climbed} level${climbed > 1 ? "s" : ""} up`}`;
    decisionText.textContent = `${name} (${code}): ${how}`;
  }

  function pick(code) {
    country.value = country.value === code ? "" : code;
    show();
  }

  company.addEventListener("change", () => {
    const { ous, channels } = companies[company.selectedIndex];
    fill(ou, ous.map(([id]) => id));
    fill(channel, channels);
    choose();
  });
  ou.addEventListener("change", choose);
  channel.addEventListener("change", choose);
  country.addEventListener("change", () => {
    show();
    const line = lines.find((it) => it.dataset.code === country.value);
    line?.parentElement.closest(".wide").scrollTo({ top: line.offsetTop - 60 });
  });
  for (const button of buttons) {
    button.addEventListener("click", () => {
      only = only === button.dataset.rule ? null : button.dataset.rule;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other.dataset.rule === only));
      show();
    });
  }
  for (const [code, all] of shows) {
    for (const it of all) {
      it.addEventListener("pointerenter", () => describe(code));
      it.addEventListener("pointerleave", () => describe(country.value));
      it.addEventListener("click", () => pick(code));
    }
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  const named = lines.map((it) => new Option(`${it.querySelector("td").textContent} (${it.dataset.code})`, it.dataset.code));
  country.replaceChildren(new Option("any", ""), ...named.sort((a, b) => a.text.localeCompare(b.text, "en")));
  choose();
})();
