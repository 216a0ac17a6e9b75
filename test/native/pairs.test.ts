/**
 * Every regularizer with every other option of a step: each pair of values of two options is in some case. A step must be
 * finite, add up to its loss, move what may move and nothing else, and be the same bits when it is made again.
 */
import { expect, test } from "vitest";
import { REGULARIZER_TYPES } from "#dist/regularizers/index.js";
import { TASK_KINDS } from "#dist/targets/index.js";
import {
  examplesOf,
  modelNames,
  type TinyOptions,
  tinyModels,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const OPTIONS = {
  regularizer: REGULARIZER_TYPES,
  model: modelNames,
  kind: TASK_KINDS,
  precision: ["fp64", "fp32", "bf16"],
  optimizer: ["sgd", "adamw", "bertadam"],
  consistency: ["bi-kl", "kl", "ce", "js", "mae", "mse"],
  klReduction: ["batch-mean", "sum", "element-mean"],
  scope: ["matrix", "example"],
  ascentInit: ["zero", "uniform"],
  spares: [false, true],
  bregmanWeight: [0, 0.5],
  parts: [1, 3],
  clipNorm: [0, 0.5],
  frozen: [0, 1, 2],
  layerDecay: [1, 0.7],
  smoothing: [0, 0.1],
  classWeights: [false, true],
  temperature: [1, 2],
} as const;
type Case = { [Name in keyof typeof OPTIONS]: (typeof OPTIONS)[Name][number] };
const names = Object.keys(OPTIONS) as (keyof Case)[];

/** What cannot be: the library refuses it, by name, elsewhere. */
function isPossible(c: Partial<Case>): boolean {
  const isEncoder = c.model === undefined || tinyModels[c.model]?.type === "encoder";
  if (c.precision === "bf16" && !isEncoder) return false;
  return c.kind === undefined || c.kind === "classification" || !(c.smoothing || c.classWeights);
}

/** Cases in which every possible pair of values occurs. Always the same ones. */
function allPairs(): Case[] {
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const keyOf = (a: keyof Case, b: keyof Case, c: Case) => `${a}=${c[a]} ${b}=${c[b]}`;
  const covered = new Set<string>();
  const cases: Case[] = [];
  for (const [i, a] of names.entries())
    for (const b of names.slice(i + 1))
      for (const first of OPTIONS[a])
        for (const second of OPTIONS[b]) {
          const fixed = { [a]: first, [b]: second } as Partial<Case>;
          if (!isPossible(fixed) || covered.has(`${a}=${first} ${b}=${second}`)) continue;
          let c: Case;
          do {
            const drawn = names.map((name) => [name, OPTIONS[name][random(OPTIONS[name].length)]]);
            c = { ...(Object.fromEntries(drawn) as unknown as Case), ...fixed };
          } while (!isPossible(c));
          cases.push(c);
          for (const [j, one] of names.entries())
            for (const other of names.slice(j + 1)) covered.add(keyOf(one, other, c));
        }
  return cases;
}

function optionsOf(c: Case): TinyOptions {
  const forwards = c.regularizer === "r-at" || c.regularizer === "r-drop" ? 2 : 1;
  return {
    kind: c.kind,
    precision: c.precision,
    regularizer: {
      ...{ type: c.regularizer, forwards, epsilon: [0.3], klWeight: 0.5, klReduction: c.klReduction },
      ...{
        consistency: c.consistency,
        scope: c.scope,
        ascentInit: c.ascentInit,
        ascentSteps: 2,
        stepSize: 0.2,
      },
      ...{ bregmanWeight: c.bregmanWeight, bregmanDecay: 0.5 },
      ...{
        labelSmoothing: c.smoothing,
        temperature: c.temperature,
        cleanDropout: 0.2,
        forwardDropout: [0.2],
      },
      ...(c.spares && { sparedTokens: Int32Array.of(2, 7) }),
    },
    optimizer: {
      ...{ type: c.optimizer, weightDecay: 0.01, clipNorm: c.clipNorm },
      ...{ layerDecay: c.layerDecay, frozenDepths: c.frozen },
    },
  };
}

const IDS = [3, 14, 15, 9, 26, 5];

function train(c: Case) {
  return withTiny(c.model, optionsOf(c), async (trainer) => {
    if (c.classWeights) await trainer.setClassWeights(Float64Array.of(0.5, 2, 1));
    const before = await weightsOf(trainer);
    const size = IDS.length / c.parts;
    const parts = Array.from({ length: c.parts }, (_, i) =>
      examplesOf(IDS.slice(i * size, (i + 1) * size), c.kind),
    );
    const result = await trainer.trainStep(parts, 1, 0.01);
    return { before, result, after: await weightsOf(trainer) };
  });
}

const cases = allPairs();

test("there are cases for every pair of values", () => {
  for (const type of REGULARIZER_TYPES)
    for (const model of modelNames)
      expect(
        cases.some((c) => c.regularizer === type && c.model === model),
        `${type} with ${model}`,
      ).toBe(true);
});

test.each(cases.map((c) => [names.map((name) => c[name]).join(" "), c] as const))("%s", async (_, c) => {
  const { before, result, after } = await train(c);
  const { loss, cleanLoss, adversarialLoss, klLoss, bregmanLoss, deltaNorm, gradNorm } = result;
  for (const value of [loss, cleanLoss, adversarialLoss, klLoss, bregmanLoss, deltaNorm, gradNorm])
    expect(value).toBeGreaterThanOrEqual(-1e-12);
  const sum = cleanLoss + adversarialLoss + 0.5 * klLoss + c.bregmanWeight * bregmanLoss;
  expect(Math.abs(loss - sum)).toBeLessThan(1e-6 * Math.max(1, loss));
  expect(bregmanLoss > 0).toBe(c.regularizer === "smart" && c.bregmanWeight > 0);
  expect(gradNorm).toBeGreaterThan(0);
  const perturbs = !["none", "r-drop"].includes(c.regularizer);
  if (perturbs) expect(deltaNorm).toBeGreaterThan(0);
  else expect(deltaNorm).toBe(0);
  const moved = [...after].filter(([name, values]) =>
    values.some((value, i) => value !== before.get(name)?.[i]),
  );
  expect(moved.some(([name]) => name.startsWith("classifier"))).toBe(true);
  expect(moved.some(([name]) => /(word_embeddings|^embedding)\.weight$/.test(name))).toBe(c.frozen === 0);
  for (const values of after.values()) expect(values.every(Number.isFinite)).toBe(true);
  expect(await train(c)).toEqual({ before, result, after });
});
