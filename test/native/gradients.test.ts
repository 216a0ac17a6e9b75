/**
 * Every gradient of every model against central differences, in double and with dropout: masks depend on the step alone, so
 * the loss of a step is a function of the weights. At ε = 0 all terms of R-AT's loss are there and δ, which is a constant of
 * the step, moves with nothing. At δ ≠ 0 there are those methods whose δ is random and so moves with nothing either; that
 * the gradient is right at a δ that follows one is parity's to show.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { NativeRegularizerOptions } from "#dist/native/binding.js";
import { writeSafetensors } from "../support/safetensors.js";
import {
  examplesOf,
  modelNames,
  type TinyOptions,
  tinyModels,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const H = 3e-6;
/** All weights are moved along so many directions of +1 and -1: each has every number of the gradient in it. */
const DIRECTIONS = 5;
const TOLERANCE = 5e-7;
const STEP = 3;
const IDS = [2, 5, 7, 10];
const RATE = 0.3;

const two = { forwards: 2, cleanDropout: RATE, forwardDropout: [RATE, 0.5], klWeight: 0.7 } as const;
const regularizers: Record<string, Partial<NativeRegularizerOptions>> = {
  none: { type: "none", cleanDropout: RATE },
  fgm: { type: "fgm", cleanDropout: RATE, forwardDropout: [0.5] },
  "r-drop": { ...two, type: "r-drop" },
  "r-at": { ...two, type: "r-at" },
  "r-at, three forwards, KL summed": {
    ...two,
    type: "r-at",
    forwards: 3,
    forwardDropout: [RATE, 0.5, 0],
    klReduction: "sum",
  },
  "r-drop, JS, smoothed": { ...two, type: "r-drop", consistency: "js", labelSmoothing: 0.1 },
  "r-at, CE, temperature": { ...two, type: "r-at", consistency: "ce", temperature: 2.5 },
  "r3f, uniform": { ...two, type: "r3f", forwards: 1, forwardDropout: [0.5], epsilon: [0.3] },
  "r3f, normal": { ...two, type: "r3f", forwards: 1, forwardDropout: [0.5], epsilon: [0.3], noise: "normal" },
  "freelb, one step from a uniform start": {
    ...{ type: "freelb", cleanDropout: RATE, forwardDropout: [0.5], epsilon: [0.3], scope: "example" },
    ...{ ascentSteps: 1, stepSize: 0.1, ascentInit: "uniform" },
  },
  "r-at, KL by element": { ...two, type: "r-at", klReduction: "element-mean" },
};

async function compare(model: string, options: TinyOptions): Promise<void> {
  const batch = examplesOf(IDS, options.kind);
  const [before, shapes, after] = await withTiny(model, options, async (trainer) => {
    const weights = await weightsOf(trainer);
    await trainer.trainStep(batch, STEP, 1);
    const named = (await trainer.parameters()).map(({ name, shape }) => [name, shape] as const);
    return [weights, new Map(named), await weightsOf(trainer)] as const;
  });
  const folder = mkdtempSync(join(tmpdir(), "rat-gradients-"));
  const path = join(folder, "weights.safetensors");
  try {
    await withTiny(model, options, async (trainer) => {
      const set = (weights: ReadonlyMap<string, Float64Array>) => {
        writeSafetensors(path, weights, shapes);
        return trainer.loadTensors(path, Object.fromEntries([...weights.keys()].map((name) => [name, name])));
      };
      /** Along +1 and -1 in some of the weights, the others as they are. */
      const expectSlope = async (moved: ReadonlyMap<string, readonly number[]>) => {
        const h = H / Math.hypot(...[...moved.values()].flat());
        let slope = 0;
        for (const [name, direction] of moved)
          for (const [i, sign] of direction.entries())
            slope += sign * ((before.get(name)?.[i] ?? Number.NaN) - (after.get(name)?.[i] ?? Number.NaN));
        const lossAt = async (by: number) => {
          const at = (name: string, values: Float64Array) =>
            values.map((value, i) => value + by * (moved.get(name)?.[i] ?? 0));
          await set(new Map([...before].map(([name, values]) => [name, at(name, values)])));
          return (await trainer.trainStep(batch, STEP, 0)).loss;
        };
        const difference = (await lossAt(h)) - (await lossAt(-h));
        expect(Math.abs(slope - difference / (2 * h)), [...moved.keys()].join()).toBeLessThan(
          (TOLERANCE * Math.max(1, Math.abs(slope)) * H) / h,
        );
      };
      for (const [name, values] of before) {
        await expectSlope(new Map([[name, signs(values.length)]]));
        // Softmax does not change when all keys are shifted.
        const largest = Math.max(...values.map((value, i) => Math.abs(value - (after.get(name)?.[i] ?? 0))));
        if (!/(key|k_lin)\.bias$/.test(name)) expect(largest, `${name} has a gradient`).toBeGreaterThan(1e-8);
      }
      for (let direction = 0; direction < DIRECTIONS; direction++)
        await expectSlope(new Map([...before].map(([name, values]) => [name, signs(values.length)])));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let state = 1;
/** Drawn, always the same. */
function signs(size: number): number[] {
  return Array.from({ length: size }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state < 2 ** 31 ? -1 : 1;
  });
}

// Losses know nothing of models, so the encoders, which take long, need not be tried with each.
const ofEncoders = new Set(["r-drop", "r-at", "r3f, uniform"]);

describe.each(modelNames)("%s", (model) => {
  const isEncoder = tinyModels[model]?.type === "encoder";
  const chosen = Object.entries(regularizers).filter(([name]) => !isEncoder || ofEncoders.has(name));
  test.each(chosen)("%s", (_, regularizer) => compare(model, { regularizer }));
  test("r-at, label sets", () =>
    compare(model, { kind: "multilabel", regularizer: { ...two, type: "r-at" } }));
  test("r-at, regression", () =>
    compare(model, { kind: "regression", regularizer: { ...two, type: "r-at" } }));
});
