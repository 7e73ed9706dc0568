// Shows the map from the decisions that the page holds. `mount` is above, in the same module.
const data = JSON.parse(document.querySelector("#data").textContent);
const companies = data.companies.filter((it) => it.ous.length && it.channels.length);
const lettersOf = (letter) => {
  const at = data.letters.indexOf(letter);
  return at < 0 ? letter.charCodeAt(0) - 0x100 : at;
};
const codes = [...document.querySelectorAll(".countries tr[data-code]")].map((line) => line.dataset.code);
const channelOf = ([channel, role]) => ({ channel, role });

// For each row of decisions: the number of countries by rule.
const counts = data.rows.map(([distinct, letters]) => {
  const count = { country: 0, calling_code: 0, geography: 0, default_region: 0, none: 0 };
  for (const letter of letters) {
    const [rule] = data.decisions[distinct[lettersOf(letter)]];
    count[rule in count ? rule : "none"] += 1;
  }
  return count;
});

function companyOf(id) {
  const found = companies.find((it) => it.id === (id ?? companies[0].id));
  if (found) return found;
  throw Object.assign(new Error("The page has no company with this id."), { title: "Unknown company", code: "unknown_company" });
}

// The same answers as those of the route /v1/coverage.
const source = {
  async overview({ company, find = "", offset, limit }) {
    const { id, channels, ous } = companyOf(company);
    const gaps = (rows) => rows.reduce((sum, row) => sum + counts[row].none, 0);
    const found = ous.filter(([ou]) => ou.toLowerCase().includes(find.toLowerCase()));
    found.sort(([a, x], [b, y]) => gaps(y) - gaps(x) || (a < b ? -1 : 1));
    return {
      companies: companies.map((it) => it.id),
      company: id,
      countries: codes.length,
      channels: channels.map(channelOf),
      units: ous.length,
      found: found.length,
      ous: found.slice(offset, offset + limit).map(([ou, rows]) => ({ ou, cells: rows.map((row) => counts[row]) })),
    };
  },
  async row({ company, ou, channel, role }) {
    const { channels, ous } = companyOf(company);
    const at = channels.map(channelOf).findIndex((it) => it.channel === channel && it.role === (role ?? it.role));
    const rows = ous.find(([id]) => id === ou)?.[1];
    if (!rows || at < 0) throw Object.assign(new Error("The page has no such OU or channel. Choose a cell above."), { title: "Unknown OU or channel" });
    const [distinct, letters] = data.rows[rows[at]];
    const decisions = distinct.map((number) => {
      const [rule, climbed, pool, ou, group] = data.decisions[number];
      if (group == null) return { rule };
      const [accounts, more] = data.groups[group];
      return { rule, climbed, pool, ou, accounts, more };
    });
    const countries = Object.fromEntries([...letters].map((letter, country) => [codes[country], lettersOf(letter)]));
    return { ou, ...channelOf(channels[at]), decisions, countries };
  },
};

const fragment = {
  read: () => new URLSearchParams(location.hash.slice(1)),
  write(fields) {
    const text = `#${new URLSearchParams(fields)}`;
    if (text !== location.hash) history.replaceState(null, "", text);
  },
};

if (data.first) {
  const [company, ou, channel] = data.first;
  const map = mount(document.querySelector(".coverage"), source, fragment, { company: companies[company].id, ou, ...channelOf(channel) });
  addEventListener("hashchange", map.load);
}
