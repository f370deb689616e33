// Sliders, and what stands in words. The state is where the sliders stand, nothing else.

const data = JSON.parse(document.getElementById("data").textContent);
const round = "source" in data;
const once = round ? data.send_once : "node_cost" in data;
const { powers, caps, subcarriers, deadlines, scales, layers, step } = data.axes;
const LABELS = {
  scale: (k) => `x ${(step ** scales[k]).toFixed(2)}`,
  layer: (k) => `x ${(step ** layers[k]).toFixed(2)}`,
  cap: (k) => `D = ${caps[k]}`,
  subcarriers: (k) => `M = ${subcarriers[k]}`,
  deadline: (k) => (deadlines.length ? `${(1000 * deadlines[k]).toPrecision(3)} ms` : "none"),
  token: (k) => `${k} (0 to ${data.scores.length - 1})`,
};
const STARTS = {
  scale: scales.indexOf(0),
  layer: 0,
  cap: Math.max(0, caps.findIndex((cap) => cap >= Math.min(data.max_experts, data.scores[0].length))),
  subcarriers: Math.max(0, subcarriers.length - 1),
  deadline: Math.max(0, deadlines.indexOf(data.air_deadline_s)),
  token: 0,
};
const ENDS = { scale: scales.length, layer: layers.length, cap: caps.length, subcarriers: subcarriers.length, deadline: deadlines.length, token: data.scores.length };

const slider = (name) => document.getElementById(name);
const stand = (name) => Number(slider(name).value);

// Place in the list of points: thresholds run fastest, then caps, then subcarriers or deadlines.
function pointAt(power) {
  const spectrum = stand(deadlines.length ? "deadline" : "subcarriers");
  return data.points[(spectrum * caps.length + stand("cap")) * powers.length + power];
}

function powerNow() {
  return powers.indexOf(scales[stand("scale")] + layers[stand("layer")]);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function against(point) {
  const topk = point.baselines.topk.energy_j;
  return topk ? `; ${(100 * (1 - point.energy_j / topk)).toFixed(1)} % below Top-k` : "";
}

function answerInWords(point) {
  if (point.energy_j === null) return `No answer: ${point.message || point.status}.`;
  const proven = point.status === "optimal";
  const gap = point.bound_j === null ? "no bound" : `gap ${(100 * (1 - point.bound_j / point.energy_j)).toPrecision(2)} %`;
  const each = sum(point.experts.map((list) => list.length)) / point.experts.length;
  const lowered = point.lowered ? `; ${counted(point.lowered, "token")} cannot reach the threshold with D experts, so it is lower there` : "";
  const saved = against(point);
  return `${joules(point.energy_j)}, ${proven ? "proven optimal" : gap}${saved}; ${(100 * point.kept).toFixed(1)} % of the gate weight kept; ${each.toFixed(2)} experts per token${lowered}.`;
}

// J from a token to a node, at the prices that hold at this setting; null without a link.
function wayOf(token, point) {
  if (!round) return (node) => (once ? data.node_cost[token][node] : 0);
  const source = data.source[token];
  const best = data.best_link_energy[subcarriers[stand("subcarriers")]][source];
  const paid = new Map((point.links ?? []).filter((link) => link[0] === source).map((link) => [link[1], link[4]]));
  return (node) => (node === source ? 0 : paid.get(node) ?? best[node]);
}

// Experts of a token that can be used. Where a token pays a node once, the experts that it may take
// there share that, and each is drawn with its least share: so the relaxation bounds every choice.
function itemsOf(token, point) {
  const way = wayOf(token, point);
  const sharing = (node) => Math.min(caps[stand("cap")], data.node_of.filter((n) => n === node).length);
  const all = data.scores[token].map((g, j) => {
    const node = data.node_of ? data.node_of[j] : j;
    const item = { j, g, node, own: round ? data.compute_energy[j] : data.cost[token][j], way: way(node) };
    return { ...item, e: item.own + item.way / (once ? sharing(node) : 1) };
  });
  return all.filter((item) => item.own !== null && item.way !== null);
}

function spent(items) {
  const ways = new Map(items.map((item) => [once ? item.node : item.j, item.way]));
  return sum(items.map((item) => item.own)) + sum([...ways.values()]);
}

function drawToken(point) {
  const token = stand("token"), cap = caps[stand("cap")];
  const usable = itemsOf(token, point);
  const reach = sum(usable.map((item) => item.g).sort((a, b) => b - a).slice(0, cap));
  const wanted = data.threshold[token] * step ** powers[powerNow()];
  const need = data.lowers ? Math.min(wanted, reach) : wanted;
  const chosen = new Set(point.experts ? point.experts[token] : []);
  const price = prices(usable, need, cap);
  const sets = usable.filter((item) => chosen.has(item.j));
  const place = round ? ` on node ${data.source[token]}` : "";
  const idle = round ? " Links in use are priced on their subcarrier, others on their best." : "";
  const shared = once ? " A node is paid once: an expert is drawn with its least share of that." : "";
  const short = need < wanted ? ` (wanted ${wanted.toFixed(3)})` : "";
  const words = sets.length ? `${sets.length > 1 ? "experts" : "expert"} ${sets.map((item) => item.j).join(", ")} ${sets.length > 1 ? "reach" : "reaches"} ${sum(sets.map((item) => item.g)).toFixed(3)} for ${joules(spent(sets))}` : "no expert is chosen";
  document.getElementById("covering-says").textContent =
    `Token ${token}${place} needs ${need.toFixed(3)}${short} from at most ${counted(cap, "expert")}: ${words}. ` +
    `The relaxation pays ${joules(price.mu)} for a unit of relevance and buys below the line; its bound is ${joules(price.bound)}.${idle}${shared}`;
  drawCovering(usable, chosen, price);
}

let mark = null; // moves the frame in the matrix

function showToken(token) {
  if (token === stand("token")) return;
  slider("token").value = token;
  tell("token");
  mark(token);
  drawToken(pointAt(powerNow()));
}

function tell(name) {
  const text = LABELS[name](stand(name));
  document.querySelector(`output[for=${name}]`).textContent = text;
  slider(name).setAttribute("aria-valuetext", text);
}

function show() {
  Object.keys(LABELS).forEach(tell);
  const point = pointAt(powerNow());
  const answer = document.getElementById("answer");
  answer.textContent = answerInWords(point);
  answer.dataset.energyJ = point.energy_j;
  answer.dataset.boundJ = point.bound_j;
  answer.dataset.status = point.status;
  drawBars(point);
  if (round) drawNetwork(data, point);
  drawFront(powers.map((_, k) => pointAt(k)), point);
  mark = drawMatrix(data, point, showToken);
  mark(stand("token"));
  drawToken(point);
}

function begin() {
  for (const name of Object.keys(LABELS)) {
    Object.assign(slider(name), { min: 0, max: Math.max(0, ENDS[name] - 1), step: 1, value: STARTS[name] });
    slider(name).addEventListener("input", show);
  }
  for (const row of document.querySelectorAll("[data-axis]")) row.hidden = ENDS[row.dataset.axis] < 2;
  document.getElementById("network-card").hidden = !round;
  const nodes = round ? ` on ${counted(data.num_nodes, "node")}` : "";
  document.getElementById("size").textContent = `${counted(data.scores.length, "token")}, ${counted(data.scores[0].length, "expert")}${nodes}`;
  document.getElementById("bars-says").textContent = round
    ? "exact chooses experts and subcarriers together; the others choose experts first."
    : "exact is DES, proven by its bound.";
  const proven = data.points.filter((point) => point.status === "optimal" || point.status === "infeasible").length;
  document.getElementById("note").textContent =
    `${data.points.length} exact solves by dmoe-opt stand behind this page, ${proven} of them proven. ` +
    `It needs no network. The importance of layer l is ${step} to the power of l, a factor on the threshold.`;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--page").trim() !== "#ffffff";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  window.addEventListener("resize", show);
  show();
}

begin();
