// Makes world.tsv of the map in the npm package @svg-maps/world, as small as a page can show it:
//
//   npm pack @svg-maps/world@2.0.0 && tar xzf svg-maps-world-2.0.0.tgz
//   node world.mjs package/world.svg > world.tsv
//
// One line a country: its code, its name, and its outlines, in tenths of the map's own units. Countries that
// are too small to be seen have no outlines. Coastlines are simplified by Douglas and Peucker's rule.
import { readFileSync } from "node:fs";

const TOLERANCE = 0.35;   // units of the map, which is 1010 wide
const SPECK = 0.7;        // square units: smaller islands of a country that is seen are left out
const SEEN = 4;           // square units: smaller countries are not seen

// What the map has no outlines of.
const NAMES = { AC: "Ascension Island", AQ: "Antarctica", TA: "Tristan da Cunha", UM: "U.S. Minor Outlying Islands" };
// What it calls otherwise than they are called now, or oddly spaced.
const RENAMED = { MK: "North Macedonia", SZ: "Eswatini", CZ: "Czechia", XK: "Kosovo", PS: "Palestinian Territories" };

function rings(d) {
  const words = d.match(/-?[0-9.]+(?:e[-+]?[0-9]+)?|[a-zA-Z]/g);
  const all = []; let ring = [], x = 0, y = 0, command = "", at = 0, start = [0, 0];
  const number = () => Number(words[at++]);
  const put = () => ring.push([x, y]);
  while (at < words.length) {
    if (/^[a-zA-Z]$/.test(words[at])) command = words[at++];
    switch (command) {
      case "m": case "M": {
        const [a, b] = [number(), number()];
        [x, y] = command === "m" ? [x + a, y + b] : [a, b];
        ring = []; start = [x, y]; put(); command = command === "m" ? "l" : "L"; break;
      }
      case "l": x += number(); y += number(); put(); break;
      case "L": x = number(); y = number(); put(); break;
      case "h": x += number(); put(); break;
      case "H": x = number(); put(); break;
      case "v": y += number(); put(); break;
      case "V": y = number(); put(); break;
      case "z": case "Z": all.push(ring); [x, y] = start; ring = [start]; break;
      default: throw new Error(`a path with ${command}`);
    }
  }
  return all;
}

const area = (ring) => Math.abs(ring.reduce((sum, [x, y], i) => {
  const [u, v] = ring[(i + 1) % ring.length];
  return sum + x * v - u * y;
}, 0)) / 2;

function simplified(points) {
  if (points.length < 3) return points;
  const [[x1, y1], [x2, y2]] = [points[0], points.at(-1)];
  const length = Math.hypot(x2 - x1, y2 - y1);
  let far = 0, most = -1;
  points.forEach(([x, y], i) => {
    const off = length === 0 ? Math.hypot(x - x1, y - y1) : Math.abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length;
    if (i > 0 && i < points.length - 1 && off > most) [far, most] = [i, off];
  });
  if (most <= TOLERANCE) return [points[0], points.at(-1)];
  return [...simplified(points.slice(0, far + 1)).slice(0, -1), ...simplified(points.slice(far))];
}

function drawn(ring) {
  const half = ring.length >> 1;
  const points = [...simplified(ring.slice(0, half + 1)).slice(0, -1), ...simplified([...ring.slice(half), ring[0]])];
  let text = "", last = null;
  for (const point of points) {
    const [x, y] = point.map((value) => Math.round(value * 10));
    if (last && x === last[0] && y === last[1]) continue;
    text += last ? `${text.endsWith("l") ? "" : " "}${x - last[0]} ${y - last[1]}` : `M${x} ${y}l`;
    last = [x, y];
  }
  return text.replaceAll(" -", "-") + "z";
}

const svg = readFileSync(process.argv[2], "utf8");
const lines = new Map(Object.entries(NAMES).map(([code, name]) => [code, `${code}\t${name}\t`]));
for (const [, d, label, id] of svg.matchAll(/<path\s+d="([^"]*)"\s+aria-label="([^"]*)"\s+id="([a-z]{2})"/g)) {
  const code = id.toUpperCase();
  if (code === "GO" || code === "JU") continue; // islands of TF, no codes of ISO 3166-1
  const all = rings(d);
  const seen = all.reduce((sum, ring) => sum + area(ring), 0) >= SEEN;
  const kept = all.filter((ring) => area(ring) >= SPECK);
  const name = RENAMED[code] ?? label.replace(/\s+/g, " ").trim();
  lines.set(code, `${code}\t${name}\t${seen ? kept.map(drawn).join("") : ""}`);
}
console.log([...lines.keys()].sort().map((code) => lines.get(code)).join("\n"));
