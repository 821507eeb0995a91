/* Curves as small SVG drawings: decoded from base 64, drawn only when a pair is opened. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const decode = ([low, high, letters]) => {
  const found = [];
  for (let i = 0; i < letters.length; i += 2) {
    const code = LETTERS.indexOf(letters[i]) * 64 + LETTERS.indexOf(letters[i + 1]);
    found.push(code === 4093 ? -Infinity : code === 4094 ? Infinity : code === 4095 ? NaN : low + (high - low) * code / 4092);
  }
  return found;
};
/* A curve in buckets has two values a bucket, lowest and highest; a curve of few steps has one value a step. */
const sides = (encoded, buckets) => {
  const all = decode(encoded);
  const every = remainder => all.filter((_, i) => i % 2 === remainder);
  return buckets ? { low: every(0), high: every(1) } : { low: all, high: all };
};
const power = x => {
  if (x === 0) return "1";
  return x > 0 && x <= 3 ? `${10 ** x}` : `10${[...String(x)].map(c => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`;
};
const short = x => (Math.abs(x) >= 1e4 || (x && Math.abs(x) < 1e-3) ? x.toExponential(1) : String(+x.toPrecision(3)));

const W = 380, H = 170, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 22;

const chart = ({ heading, remark, bad, line, kind, first, legend }) => {
  const log = kind !== "loss";
  const own = sides(line.y, line.buckets);
  const other = line.limit && sides(line.limit, line.buckets);
  const everything = [own, other].filter(Boolean).flatMap(side => [...side.low, ...side.high]).filter(Number.isFinite);
  if (kind === "ratio") everything.push(-1.2, 0, 0.35);
  let low = Math.min(...everything), high = Math.max(...everything);
  const zero = log && own.low.some(y => y === -Infinity);
  const room = (high - low || 1) * 0.06;
  low = Math.max(low, high - 14) - room - (zero ? room * 2 : 0);
  high += room;
  const [from, to, count] = line.steps;
  const points = own.high.length;
  const place = i => {
    if (!line.buckets) return points > 1 ? i / (points - 1) : 0.5;
    const edge = k => Math.floor(k * count / line.buckets);
    return (edge(i) + edge(i + 1) - 1) / 2 / (count - 1);
  };
  const x = i => LEFT + place(i) * (W - LEFT - RIGHT);
  const y = value => {
    const inside = Math.min(high, Math.max(low, value));
    return +(TOP + (high - inside) / (high - low) * (H - TOP - BOTTOM)).toFixed(1);
  };
  const path = list => {
    let pen = "M";
    return list.map((value, i) => {
      if (Number.isNaN(value)) { pen = "M"; return ""; }
      const part = `${pen}${x(i).toFixed(1)} ${y(value)}`;
      pen = "L";
      return part;
    }).join("");
  };
  const marks = [];
  if (kind === "ratio") marks.push(svg("rect", { class: "beyond", x: LEFT, y: TOP, width: W - LEFT - RIGHT, height: Math.max(0, y(0) - TOP) }));
  marks.push(ticks(low, high, log, kind, y));
  marks.push(svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: H - BOTTOM, y2: H - BOTTOM }));
  marks.push(svg("text", { x: LEFT, y: H - 6 }, `${from < 0 ? "start" : `step ${from.toLocaleString("en")}`}`));
  if (to > from) marks.push(svg("text", { x: W - RIGHT, y: H - 6, "text-anchor": "end" }, to.toLocaleString("en")));
  if (first !== undefined && first >= from && first <= to && to > from) {
    const at = LEFT + (first - from) / (to - from) * (W - LEFT - RIGHT);
    marks.push(svg("line", { class: "first", x1: at, x2: at, y1: TOP, y2: H - BOTTOM }));
  }
  if (other) marks.push(svg("path", { class: kind === "envelope" ? "limit" : "other", d: path(other.high) }));
  if (line.buckets) {
    const back = own.low.map((value, i) => [x(i).toFixed(1), y(value)]).filter(p => !Number.isNaN(p[1])).reverse();
    marks.push(svg("path", { class: "band", d: `${path(own.high)}L${back.map(p => p.join(" ")).join("L")}Z` }));
  }
  marks.push(svg("path", { class: "curve", d: path(own.high) }));
  if (points === 1) marks.push(svg("circle", { class: "dot", cx: x(0), cy: y(own.high[0]), r: 3 }));
  for (const i of line.outside || []) {
    const [cx, cy] = [x(i), y(own.high[i])];
    marks.push(svg("path", { class: "out", d: `M${cx - 3} ${cy - 3}l6 6m0 -6l-6 6` }));
  }
  if (kind === "ratio") {
    marks.push(svg("line", { class: "limit", x1: LEFT, x2: W - RIGHT, y1: y(0), y2: y(0) }));
    marks.push(svg("text", { class: "limit-text", x: LEFT - 6, y: y(0) + 4, "text-anchor": "end" }, "bound"));
  }
  const readout = el("span", { class: bad ? "bad" : "" }, remark);
  const hair = svg("line", { class: "hair", y1: TOP, y2: H - BOTTOM, visibility: "hidden" });
  const drawing = svg("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${heading}: ${remark}` }, marks, hair);
  const show = value => (value === -Infinity ? "0" : Number.isFinite(value) ? short(log ? 10 ** value : value) : String(value));
  drawing.addEventListener("pointermove", event => {
    const box = drawing.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * W;
    let near = 0;
    for (let i = 1; i < points; i++) if (Math.abs(x(i) - at) < Math.abs(x(near) - at)) near = i;
    const step = Math.round(from + place(near) * (to - from));
    hair.setAttribute("x1", x(near)); hair.setAttribute("x2", x(near)); hair.setAttribute("visibility", "visible");
    readout.textContent = `step ${step}: ${show(own.high[near])}${other ? ` / ${show(other.high[near])}` : ""}`;
  });
  drawing.addEventListener("pointerleave", () => { readout.textContent = remark; hair.setAttribute("visibility", "hidden"); });
  return el("figure", {}, el("figcaption", {}, el("b", {}, heading), readout, legend && el("div", { class: "legend" }, legend)), drawing);
};

const ticks = (low, high, log, kind, y) => {
  const span = high - low, found = [];
  const magnitude = 10 ** Math.floor(Math.log10(span / 3));
  const nice = [1, 2, 5, 10].map(factor => factor * magnitude).find(step => span / step <= 4.5);
  const stride = log ? Math.max(1, Math.ceil(span / 5)) : nice;
  for (let at = Math.ceil(low / stride) * stride; at <= high; at += stride) found.push([at, log ? power(at) : short(at)]);
  if (found.length < 2 && kind !== "ratio") {
    found.length = 0;
    for (const at of [low + span * 0.1, high - span * 0.1]) found.push([at, short(log ? 10 ** at : at)]);
  }
  return found.filter(([at]) => !(kind === "ratio" && Math.abs(y(at) - y(0)) < 11)).map(([at, word]) => [
    svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(at), y2: y(at) }),
    svg("text", { x: LEFT - 6, y: y(at) + 4, "text-anchor": "end" }, kind === "ratio" && at > 0 ? `×${word}` : word),
  ]);
};

const slotCharts = (item, drawn) => {
  const first = item.first && item.first.step;
  return drawn.map(line => {
    const heading = line.slot.replaceAll("_", " ");
    if (line.equal) return el("figure", {}, el("figcaption", {}, el("b", {}, heading), el("span", { class: "equal" }, "✓ every bit equal")));
    if (line.measure === "max_abs") return chart({ heading, remark: "largest difference; no finite bound", line, kind: "absolute" });
    const peak = Math.max(...decode(line.y).filter(value => !Number.isNaN(value)));
    const reach = Number.isFinite(peak) ? `${short(10 ** peak)} × bound` : "infinite";
    const out = Boolean(line.outside);
    return chart({ heading, remark: out ? `outside, up to ${reach}` : `inside, at most ${reach}`, bad: out, line, kind: "ratio", first });
  });
};

const allCurves = item => {
  const drawn = item.curves || {};
  const parts = [], wide = [];
  if (drawn.losses) {
    const { equal, stretch } = drawn.losses;
    const remark = (equal ? "every bit equal" : "both sides") + (stretch > 1 ? `, mean of each ${stretch} steps` : "");
    wide.push(chart({ heading: "Loss", remark, line: drawn.losses, kind: "loss",
      legend: [el("span", {}, "obtained"), !equal && el("span", { class: "thick" }, "expected")] }));
  }
  if (drawn.envelope) {
    const bad = Boolean(drawn.envelope.outside);
    wide.push(chart({ heading: "Drift of the free run", remark: bad ? "leaves the envelope" : "inside the envelope", bad,
      line: drawn.envelope, kind: "envelope", first: item.first && item.first.step,
      legend: [el("span", {}, "drift"), el("span", { class: "dashed" }, "envelope of one last bit")] }));
  }
  if (wide.length) parts.push(el("div", { class: "charts" }, wide));
  if (drawn.slots) {
    parts.push(el("h4", {}, "Error against bound, per step"),
      drawn.slots.some(line => line.buckets) && el("p", { class: "quiet" }, "Shaded: from the smallest to the largest error of a stretch of steps."), el("div", { class: "charts" }, slotCharts(item, drawn.slots)));
  }
  if (!data.curves && item.compared > 0) parts.push(el("p", { class: "quiet" }, "This run is too large for curves here; steps.parquet has every step."));
  return parts;
};
