/* One pair as a panel: everything enters through text nodes and setAttribute, and is never parsed as HTML. */
const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.getElementById("pair");
const say = number => data.texts[number] || "";
const keyOf = pair => JSON.stringify([data.cases[pair.case].id, data.subjects[pair.subject]]);
const pairs = new Map(data.pairs.map(pair => [keyOf(pair), pair]));
const title = document.title;

const build = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat(9)) if (child !== "" && child != null && child !== false) node.append(child);
  return node;
};
const el = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const chip = verdict => {
  const look = data.verdicts[verdict];
  return el("span", { class: `chip ${verdict}` }, el("i", { "aria-hidden": "true" }, look.symbol), look.word);
};
const linked = text =>
  text.split(/(https?:\/\/[^\s<>"')\]]+)/).map((part, i) => (i % 2 ? el("a", { href: part, rel: "noreferrer noopener" }, part) : part));
const sentence = text => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
const index = place => (place.index.length ? `[${place.index.join(", ")}]` : "");
const moment = step => (step < 0 ? "Before the first step" : `At step ${step.toLocaleString("en")}`);
const definitions = rows =>
  el("dl", { class: "facts" }, rows.map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, value))));
const digits = (value, other) => {
  let same = 0;
  while (same < Math.min(value.length, other.length) && value[same] === other[same]) same++;
  return [value.slice(0, same), same < value.length && el("mark", {}, value.slice(same))];
};
const values = place =>
  el("dl", { class: "values" }, [
    ["obtained", digits(place.obtained, place.expected)], ["expected", digits(place.expected, place.obtained)],
    ["difference", place.difference], ["bound", place.bound], ["in exact arithmetic", place.exact],
  ].filter(row => row[1]).map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, value))));

const chain = ({ rule, chain: stages }, { stage: broken, hidden }) => {
  const formulas = data.formulas[rule], order = Object.keys(formulas);
  const known = stages.some(([stage]) => stage === broken) ? stages : [...stages, [broken, formulas[broken][1]]];
  known.sort((one, other) => order.indexOf(one[0]) - order.indexOf(other[0]));
  const at = known.findIndex(([stage]) => stage === broken);
  return el("ol", { class: "chain", "aria-label": "stages of one update" }, known.map(([stage, formula], i) => {
    const state = i < at ? "ok" : i === at ? "broken" : "after", unseen = state === "ok" && hidden && stage !== "gradient";
    const name = formulas[stage][0];
    const word = unseen ? "not shown" : { ok: "agrees", broken: "parts here", after: "follows" }[state];
    return el("li", { class: unseen ? "after" : state }, el("b", {}, name), el("code", {}, formula), el("em", {}, word));
  }));
};

const firstDivergence = (place, known) => [
  el("h4", {}, "First divergence"),
  el("p", { class: "sentence" }, `${moment(place.step)} the `, el("b", {}, place.slot), " of ", el("code", {}, place.tensor + index(place)),
    place.factor !== "NaN" ? [" differs by ", el("b", {}, `${place.factor} times`), " its bound."] : " is where they part."),
  data.formulas[known.rule][place.stage] ? chain(known, place) : el("p", {}, `Stage: ${place.stage}`),
  values(place),
  say(place.note) && el("p", { class: "sentence" }, linked(say(place.note))),
];
const worst = place => [
  el("h4", {}, "Nearest to, or farthest beyond, the bound"),
  el("p", { class: "sentence" }, `${moment(place.step)} the `, el("b", {}, place.slot), " of ", el("code", {}, place.tensor + index(place)),
    " reaches ", el("b", {}, `${place.ratio} times`), ` its bound`, place.ulp && ` (${place.ulp} ULP${place.steps ? `, ${place.steps} of a step` : ""})`, "."),
  values(place),
];
const caught = ({ sentence: words, weak, slots }) => [
  el("h4", {}, "What the bound would catch", weak && el("span", { class: "catch weak" }, "weak")),
  el("p", { class: "sentence" }, sentence(say(words))),
  el("dl", { class: "catches" }, slots.map(([slot, twofold, thousandth, unbounded, wide, fine, none]) => el("div", {}, el("dt", {}, say(slot)),
    el("dd", {}, el("div", { class: "share", "aria-hidden": "true" },
      el("span", { class: "twofold", style: `width:${wide}%` }), el("span", { class: "thousandth", style: `width:${fine}%` }), el("span", { class: "none", style: `width:${none}%` })),
      el("small", {}, say(twofold) ? [`2× ${say(twofold)} · 1.001× ${say(thousandth)}`, none > 0 && ` · no bound ${say(unbounded)}`] : "nothing moved"))))),
];
const comparison = (item, known) => {
  const look = data.verdicts[item.verdict];
  const count = item.compared.toLocaleString("en");
  return el("section", { class: "comparison" },
    el("h3", {}, item.mode === "lockstep" ? "Lockstep" : item.mode === "free" ? "Free run" : item.mode, chip(item.verdict),
      el("small", {}, `${item.gradients} gradients`)),
    item.verdict === "IDENTICAL"
      ? el("p", { class: "sentence equal" }, `✓ Every bit equal over ${count} element-steps.`)
      : el("p", { class: "sentence" }, sentence(look.sentence)),
    say(item.reason) && el("p", { class: "sentence reason" }, linked(sentence(say(item.reason)))),
    item.compared > 0 && item.verdict !== "IDENTICAL" && el("p", { class: "quiet" },
      `${item.differing.toLocaleString("en")} of ${count} element-steps differ in some bit.`),
    item.first && firstDivergence(item.first, known),
    item.notes && [el("h4", {}, "Why"), el("ul", { class: "notes" }, item.notes.map(note => el("li", {}, linked(say(note)))))],
    item.flips && [el("h4", {}, "Branch flips"), el("ul", { class: "notes" }, item.flips.map(([step, layer, unit, example, got, want, bound]) =>
      el("li", {}, `${moment(step)} (example ${example}) unit ${unit} of layer ${layer} is on at one side only: `, el("code", {}, `${got} / ${want}`), `, bound ${bound}`)))],
    item.worst && worst(item.worst),
    item.catch && caught(item.catch),
    allCurves(item));
};
const commandLine = text => {
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(button.previousSibling); button.textContent = "Selected"; }
  });
  return el("div", { class: "command" }, el("code", {}, text), button);
};
const content = pair => {
  const known = data.cases[pair.case];
  const hyper = known.hyper.length ? known.hyper : [["hyperparameters", "all as Keras' defaults"]];
  return el("div", { class: "inside" },
    el("div", {}, el("h2", { id: "pair-title", tabindex: "-1", autofocus: "" }, el("small", {}, known.id), data.subjects[pair.subject]), chip(pair.verdict)),
    el("p", { class: "lead" }, say(pair.summary)),
    pair.why && el("p", { class: "sentence" }, el("b", {}, "Why: "), say(pair.why)),
    known.setting && el("p", { class: "quiet" }, known.setting),
    pair.comparisons.length ? pair.comparisons.map(item => comparison(item, known)) : el("p", {}, "No comparison came back."),
    el("h3", {}, "Reproduce"), commandLine(pair.command),
    el("h3", {}, "Hyperparameters"), definitions(hyper),
    el("h3", {}, "Circumstances"),
    definitions([["resolved as", say(pair.resolved)], ...pair.around.map(([key, value]) => [say(key), say(value)]),
      ...(known.probes.length ? [["probes", known.probes.join(", ")]] : []), ["took", `${pair.seconds} s`]].filter(row => row[1])),
    pair.output !== undefined && [el("h3", {}, "What the subject printed"), el("pre", {}, say(pair.output))]);
};
