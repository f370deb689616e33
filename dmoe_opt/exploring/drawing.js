"use strict";
// Views: each takes plain data and fills one <svg>. Nothing here knows the sliders.

const SVG = "http://www.w3.org/2000/svg";
const NAMES = { exact: "exact", des: "DES", greedy: "greedy", topp: "Top-p", topk: "Top-k" };

function draw(parent, kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

// Room for a view in CSS pixels, so that letters keep their size on a phone.
function widthOf(id) {
  return Math.max(300, Math.round(document.getElementById(id).clientWidth));
}

function cleared(id, width, height, says) {
  const svg = document.getElementById(id);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", says);
  return svg;
}

// A number of joules with four digits and a unit that suits it.
function joules(value) {
  if (value === null || value === undefined) return "no answer";
  if (value === 0) return "0 J";
  for (const [unit, size] of [["J", 1], ["mJ", 1e-3], ["uJ", 1e-6], ["nJ", 1e-9], ["pJ", 1e-12]]) {
    if (value >= size) return `${Number((value / size).toPrecision(4))} ${unit}`;
  }
  return `${value.toPrecision(4)} J`;
}

// A number and its thing, in the plural unless it is one.
function counted(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

// Bars of the methods at one setting, and the proven bound as a line.
function drawBars(point) {
  const width = widthOf("bars"), row = 30, left = 62, right = 92;
  const spent = { exact: point.energy_j };
  for (const [name, answer] of Object.entries(point.baselines)) spent[name] = answer.energy_j;
  const names = Object.keys(NAMES);
  const most = Math.max(...names.map((name) => spent[name] ?? 0), point.bound_j ?? 0) || 1;
  const scale = (width - left - right) / most;
  const words = names.map((name) => `${NAMES[name]} ${joules(spent[name])}`).join(", ");
  const svg = cleared("bars", width, row * names.length + 22, `Energy: ${words}`);
  names.forEach((name, k) => {
    const y = k * row + 4, value = spent[name];
    draw(svg, "text", { x: left - 8, y: y + 15, "text-anchor": "end" }, NAMES[name]);
    const length = value ? value * scale : 0;
    draw(svg, "rect", { x: left, y, width: length, height: row - 10, fill: `var(--${name})` });
    draw(svg, "text", { x: left + length + 6, y: y + 15 }, joules(value));
  });
  if (point.bound_j === null) return;
  const x = left + point.bound_j * scale, bottom = row * names.length;
  draw(svg, "line", { x1: x, x2: x, y1: 0, y2: bottom, stroke: "var(--bound)", "stroke-width": 2, "stroke-dasharray": "4 3" });
  const anchor = x > width / 2 ? "end" : "start";
  draw(svg, "text", { x, y: bottom + 16, "text-anchor": anchor }, `bound ${joules(point.bound_j)}`);
}

// Nodes on a circle; an arrow for each link in use, bent so that both directions can be seen.
function drawNetwork(data, point) {
  const size = 420, middle = size / 2, radius = 158, own = 17;
  const nodes = data.num_nodes, links = point.links ?? [];
  const svg = cleared("network", size, size, `${counted(links.length, "link")} in use between ${counted(nodes, "node")}`);
  const at = (n) => {
    const angle = -Math.PI / 2 + (2 * Math.PI * n) / nodes;
    return [middle + radius * Math.cos(angle), middle + radius * Math.sin(angle)];
  };
  const heads = draw(svg, "defs", {});
  const head = draw(heads, "marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" });
  draw(head, "path", { d: "M0,0 L8,4 L0,8 z", fill: "var(--chosen)" });
  const most = Math.max(1, ...links.map((link) => link[2]));
  const list = document.getElementById("links");
  list.replaceChildren();
  for (const [i, n, load, m, each] of links) {
    const [x1, y1] = at(i), [x2, y2] = at(n);
    const dx = x2 - x1, dy = y2 - y1, length = Math.hypot(dx, dy);
    const bx = (x1 + x2) / 2 + 0.13 * dy, by = (y1 + y2) / 2 - 0.13 * dx;
    const stop = (own + 4) / length;
    const ex = x2 + (bx - x2) * stop * 2, ey = y2 + (by - y2) * stop * 2;
    const path = draw(svg, "path", { d: `M${x1},${y1} Q${bx},${by} ${ex},${ey}`, fill: "none", stroke: "var(--chosen)", "stroke-opacity": 0.65, "stroke-width": 1 + (6 * load) / most, "marker-end": "url(#head)" });
    const words = `${i} to ${n}: ${counted(load, "token")} on ${m.length > 1 ? "subcarriers" : "subcarrier"} ${m.join(", ")}, ${joules(each)} each`;
    draw(path, "title", {}, words);
    list.appendChild(document.createElement("li")).textContent = words;
  }
  for (let n = 0; n < nodes; n++) {
    const [x, y] = at(n);
    draw(svg, "circle", { cx: x, cy: y, r: own, fill: "var(--page)", stroke: "var(--ink)", "stroke-width": 1.5 });
    draw(svg, "text", { x, y: y + 5, "text-anchor": "middle" }, n);
    const tokens = data.source.filter((node) => node === n).length;
    const out = 1 + 32 / radius;
    draw(svg, "text", { x: middle + (x - middle) * out, y: middle + (y - middle) * out + 5, "text-anchor": "middle", class: "quiet" }, tokens);
  }
  draw(svg, "text", { x: 4, y: size - 6, class: "quiet" }, "outside: tokens of the node");
}

// Axes of a small diagram: a frame, three ticks a side, and names.
function axes(svg, box, x, y, names) {
  draw(svg, "path", { d: `M${box.left},${box.top} V${box.bottom} H${box.right}`, fill: "none", stroke: "var(--line)" });
  for (const [share, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
    const px = box.left + share * (box.right - box.left), py = box.bottom - share * (box.bottom - box.top);
    draw(svg, "text", { x: px, y: box.bottom + 16, "text-anchor": anchor, class: "quiet" }, x.format(x.low + share * (x.high - x.low)));
    draw(svg, "text", { x: box.left - 6, y: py + 4, "text-anchor": "end", class: "quiet" }, y.format(y.low + share * (y.high - y.low)));
  }
  draw(svg, "text", { x: (box.left + box.right) / 2, y: box.bottom + 34, "text-anchor": "middle" }, names[0]);
  draw(svg, "text", { x: box.left, y: box.top - 8 }, names[1]);
}

function placing(box, x, y) {
  const across = (box.right - box.left) / (x.high - x.low || 1);
  const up = (box.bottom - box.top) / (y.high - y.low || 1);
  return (a, b) => [box.left + (a - x.low) * across, box.bottom - (b - y.low) * up];
}

// Energy against kept gate weight along the thresholds; `here` is the point of the sliders.
// Top-k has one answer whatever the threshold, so it is one square.
function drawFront(points, here) {
  const width = widthOf("front"), height = 300;
  const box = { left: 76, right: width - 24, top: 34, bottom: 250 };
  const lines = { exact: points, topp: points.map((point) => point.baselines.topp) };
  const topk = here.baselines.topk;
  const answers = [...lines.exact, ...lines.topp, topk].filter((answer) => answer.energy_j !== null);
  const svg = cleared("front", width, height, `Front of ${counted(points.length, "threshold")}`);
  if (!answers.length) return;
  const x = {
    low: Math.min(...answers.map((answer) => answer.kept)),
    high: Math.max(...answers.map((answer) => answer.kept)),
    format: (share) => `${(100 * share).toFixed(0)} %`,
  };
  const y = { low: 0, high: Math.max(...answers.map((answer) => answer.energy_j), 1e-12), format: joules };
  axes(svg, box, x, y, ["gate weight kept", "energy"]);
  const place = placing(box, x, y);
  const dashes = { exact: "none", topp: "2 3" };
  for (const name of Object.keys(lines)) {
    const solved = lines[name].filter((answer) => answer.energy_j !== null);
    const spots = solved.map((answer) => place(answer.kept, answer.energy_j));
    draw(svg, "polyline", { points: spots.map((spot) => spot.join()).join(" "), fill: "none", stroke: `var(--${name})`, "stroke-width": 2, "stroke-dasharray": dashes[name] });
    for (const [cx, cy] of spots) draw(svg, "circle", { cx, cy, r: name === "exact" ? 3.5 : 2.5, fill: `var(--${name})` });
  }
  if (topk.energy_j !== null) {
    const [cx, cy] = place(topk.kept, topk.energy_j);
    draw(svg, "rect", { x: cx - 5, y: cy - 5, width: 10, height: 10, fill: "var(--topk)" });
  }
  ["exact", "topp", "topk"].forEach((name, k) => {
    const left = width - 216 + 74 * k;
    if (name === "topk") draw(svg, "rect", { x: left + 8, y: 7, width: 10, height: 10, fill: "var(--topk)" });
    else draw(svg, "line", { x1: left, x2: left + 20, y1: 12, y2: 12, stroke: `var(--${name})`, "stroke-width": 2, "stroke-dasharray": dashes[name] });
    draw(svg, "text", { x: left + 24, y: 16 }, NAMES[name]);
  });
  if (here.energy_j === null) return;
  const [cx, cy] = place(here.kept, here.energy_j);
  draw(svg, "circle", { cx, cy, r: 8, fill: "none", stroke: "var(--mark)", "stroke-width": 3 });
}

// Columns are tokens, rows experts; `choose` is called with the token under the pointer.
function drawMatrix(data, point, choose) {
  const tokens = data.scores.length, experts = data.scores[0].length;
  const width = widthOf("matrix"), left = 30, cell = (width - left) / tokens;
  const tall = Math.max(6, Math.min(18, 260 / experts)), bottom = experts * tall;
  const svg = cleared("matrix", width, bottom + 20, `Experts chosen for ${counted(tokens, "token")}`);
  const most = Math.max(...data.scores.flat()) || 1;
  const seam = Math.min(1, cell / 8);
  for (let t = 0; t < tokens; t++) {
    const chosen = new Set(point.experts ? point.experts[t] : []);
    for (let j = 0; j < experts; j++) {
      const strength = (0.04 + (0.4 * data.scores[t][j]) / most).toFixed(3);
      const fill = chosen.has(j) ? "var(--chosen)" : `rgba(var(--shade), ${strength})`;
      draw(svg, "rect", { x: left + t * cell, y: j * tall, width: cell, height: tall, fill, stroke: "var(--card)", "stroke-width": seam });
    }
  }
  const step = experts > 16 ? 8 : 1;
  for (let j = 0; j < experts; j += step) draw(svg, "text", { x: left - 6, y: j * tall + Math.max(tall / 2 + 4, 10), "text-anchor": "end", class: "quiet" }, j);
  draw(svg, "rect", { id: "mark", y: 0, width: Math.max(cell, 3), height: bottom, fill: "none", stroke: "var(--mark)", "stroke-width": 2.5 });
  draw(svg, "text", { id: "marked", y: bottom + 16, "text-anchor": "middle" });
  svg.onpointermove = svg.onclick = (event) => {
    const frame = svg.getBoundingClientRect();
    const t = Math.floor(((event.clientX - frame.left) * (width / frame.width) - left) / cell);
    if (t >= 0 && t < tokens) choose(t);
  };
  return (token) => markToken(token, left + token * cell, cell, left, width);
}

function markToken(token, x, cell, left, width) {
  document.getElementById("mark").setAttribute("x", x);
  const text = document.getElementById("marked");
  text.setAttribute("x", Math.min(Math.max(x + cell / 2, left + 10), width - 14));
  text.textContent = token;
}

// Best multipliers of a token's linear relaxation: mu J per unit of relevance, nu J per expert.
// The dual is concave and piecewise linear in mu, so one of the crossings is best.
function prices(items, need, cap) {
  const values = [0];
  items.forEach((a, k) => {
    if (a.g > 0) values.push(a.e / a.g);
    for (const b of items.slice(0, k)) if (a.g !== b.g) values.push((a.e - b.e) / (a.g - b.g));
  });
  let best = { mu: 0, nu: 0, bound: 0 };
  for (const mu of values) {
    if (!(mu >= 0)) continue;
    const reduced = items.map((item) => item.e - mu * item.g).sort((a, b) => a - b);
    const bound = reduced.slice(0, cap).reduce((sum, r) => sum + Math.min(r, 0), mu * need);
    if (bound > best.bound) best = { mu, nu: Math.max(0, -(reduced[cap - 1] ?? 0)), bound };
  }
  return best;
}

// Experts of one token by score and energy, and the line below which the relaxation buys them.
function drawCovering(items, chosen, price) {
  const width = widthOf("covering"), height = 330;
  const box = { left: 76, right: width - 24, top: 26, bottom: 282 };
  const svg = cleared("covering", width, height, `${counted(items.length, "expert")} by score and energy, ${chosen.size} chosen`);
  const x = { low: 0, high: Math.max(...items.map((item) => item.g), 1e-9) * 1.05, format: (v) => v.toFixed(2) };
  const y = { low: 0, high: Math.max(...items.map((item) => item.e), 1e-12) * 1.08, format: joules };
  axes(svg, box, x, y, ["gate score", "energy of this expert for the token"]);
  const place = placing(box, x, y);
  if (price.mu > 0) {
    const from = price.nu / price.mu, to = Math.min(x.high, (y.high + price.nu) / price.mu);
    const [x1, y1] = place(from, 0), [x2, y2] = place(to, price.mu * to - price.nu);
    if (from < x.high) draw(svg, "line", { x1, y1, x2, y2, stroke: "var(--mark)", "stroke-width": 2, "stroke-dasharray": "7 4" });
  }
  items.forEach((item) => {
    const [cx, cy] = place(item.g, item.e), taken = chosen.has(item.j);
    const spot = draw(svg, "circle", { cx, cy, r: taken ? 8 : 6, fill: taken ? "var(--chosen)" : "var(--card)", stroke: taken ? "var(--chosen)" : "var(--ink)", "stroke-width": 1.5 });
    draw(spot, "title", {}, `expert ${item.j}: score ${item.g.toPrecision(3)}, ${joules(item.e)}`);
    if (items.length <= 16 || taken) draw(svg, "text", { x: cx + 11, y: cy + 4 }, item.j);
  });
}
