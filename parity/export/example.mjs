// A float32 RMSprop in JavaScript, judged by the conformance set beside this file: node example.mjs .
//
// It implements the bare rule, momentum, centred, weight decay, and learning rates that change; what is of another rule is
// skipped, and said. A second argument makes a mistake on purpose: epsilon_outside, ones_init or rate_outside. Exit status: 0 every judged vector passed, 1 one
// failed, 2 the set cannot be read or held nothing to judge.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const f = Math.fround;
const CAN = new Set(["momentum", "centered", "learning_rate_change", "weight_decay"]);
const SLOTS = ["parameter", "second_moment", "first_moment", "momentum_buffer"];

// ---- the optimizer: one step of one tensor; arrays are Float32Array, first_moment and momentum_buffer may be absent

function rmsprop({ parameter: w, second_moment: v, first_moment: m, momentum_buffer: b }, g, rate, c, decayed, wrong) {
  const [rho, renew, epsilon, momentum] = [c.rho, c.one_minus_rho, c.epsilon, c.momentum].map(f);
  const [inside, outside] = wrong === "rate_outside" ? [1, rate] : [rate, 1];
  for (let i = 0; i < w.length; i++) {
    if (decayed) w[i] = w[i] - f(f(w[i] * f(c.weight_decay)) * rate);
    v[i] = f(rho * v[i]) + f(renew * f(g[i] * g[i]));
    let variance = v[i];
    if (m) {
      m[i] = f(rho * m[i]) + f(renew * g[i]);
      variance = f(variance - f(m[i] * m[i]));
    }
    const root = wrong === "epsilon_outside" ? f(f(Math.sqrt(variance)) + epsilon) : f(Math.sqrt(f(variance + epsilon)));
    let step = f(f(inside * g[i]) / root);
    if (b) step = b[i] = f(f(momentum * b[i]) + step);
    w[i] = w[i] - f(outside * step);
  }
}

// ---- the values: eight bytes of length, a JSON table, then the arrays

function readValues(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const table = JSON.parse(file.subarray(8, 8 + length).toString("utf8"));
  return (name) => {
    if (!(name in table)) return undefined;
    const { dtype, data_offsets: [from, to] } = table[name];
    const bytes = new Uint8Array(file.subarray(8 + length + from, 8 + length + to)).buffer;
    return dtype === "F64" ? new Float64Array(bytes) : new Float32Array(bytes);
  };
}

// ---- the judgement

const within = (obtained, expected, bound) =>
  Object.is(obtained, expected) || obtained === expected || Math.abs(obtained - expected) <= bound || bound === Infinity;

function judge(vector, values, name, way, wrong) {
  const gradient = values(`gradient/${name}`);
  const n = gradient.length / vector.steps;
  const row = (array, i) => array.slice(i * n, (i + 1) * n);
  const slots = SLOTS.filter((slot) => vector.slots.includes(slot));
  const expected = Object.fromEntries(slots.map((slot) => [slot, values(`expected/${slot}/${name}`)]));
  const bounds = Object.fromEntries(slots.map((slot) => [slot, values(`bound_${way}/${slot}/${name}`)]));
  let state = Object.fromEntries(slots.map((slot) => [slot, new Float32Array(n)]));
  state.parameter.set(row(expected.parameter, 0));
  if (wrong === "ones_init") state.second_moment.fill(1);
  const miss = (step, start) => {
    for (const slot of slots) {
      for (let i = 0; i < n; i++) {
        const [obtained, wanted] = [state[slot][i], expected[slot][(step + 1) * n + i]];
        const bound = start ? 0 : bounds[slot][step * n + i];
        if (!within(obtained, wanted, bound)) {
          return `  ${way}, step ${step}, ${slot} of ${name} [${i}]: obtained ${obtained}, expected ${wanted}, bound ${bound}`;
        }
      }
    }
    return "";
  };
  let found = way === "run" ? miss(-1, true) : "";
  for (let step = 0; step < vector.steps && !found; step++) {
    if (way === "step") state = Object.fromEntries(slots.map((slot) => [slot, row(expected[slot], step)]));
    const rate = f(vector.learning_rates[step]);
    rmsprop(state, row(gradient, step), rate, vector.constants, vector.decayed.includes(name), wrong);
    found = miss(step, false);
  }
  return found;
}

function judgeAll(folder, entry, wrong) {
  const vector = JSON.parse(readFileSync(join(folder, entry.vector), "utf8"));
  const values = readValues(join(folder, entry.values));
  for (const name of Object.keys(vector.tensors)) {
    for (const way of ["step", "run"]) {
      const found = judge(vector, values, name, way, wrong);
      if (found) return found;
    }
  }
  return "";
}

// ---- the set

function main([folder, wrong]) {
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8"));
  const judged = [];
  for (const entry of index.vectors) {
    const strange = [[entry.rule, "rmsprop"], [entry.dtype, "float32"]].find(([word, own]) => word !== own);
    const lack = strange ? strange[0] : entry.requires.find((word) => !CAN.has(word));
    if (lack) {
      console.log(`SKIP ${entry.id}: needs ${lack}`);
      continue;
    }
    const found = judgeAll(folder, entry, wrong);
    if (found) console.log(found);
    console.log(found ? `FAIL ${entry.id}: it exists to catch ${entry.flags.join(",") || "-"}` : `PASS ${entry.id}`);
    judged.push({ entry, failed: found !== "" });
  }
  const failed = judged.filter((one) => one.failed).length;
  // A mistake is like what fails if the vectors that catch it fail and the others pass.
  const alike = (mistake) => judged.filter((one) => one.entry.catches.includes(mistake) === one.failed).length;
  const mistakes = [...new Set(judged.flatMap((one) => one.entry.catches))];
  const best = Math.max(0, ...mistakes.map(alike));
  for (const mistake of failed ? mistakes.filter((name) => alike(name) === best) : []) {
    console.log(`most like ${mistake}: ${best} of ${judged.length} vectors pass or fail as with it`);
  }
  console.log(`${judged.length - failed} passed, ${failed} failed, ${index.vectors.length - judged.length} skipped`);
  return failed ? 1 : judged.length ? 0 : 2;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`example: ${error.message}`);
  process.exitCode = 2;
}
