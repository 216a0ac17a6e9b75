/**
 * Dropout masks are a function of (seed, step, example, site, layer, pass) and of the element: the same example has the same
 * masks however it is batched. With dropout on, the loss of a batch is therefore the mean of the losses of its examples
 * alone; one mask bit that differed would show in the third digit.
 */
import { describe, expect, test } from "vitest";
import type { NativeRegularizerOptions, NativeStepResult } from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";
import { expectNear } from "../support/numbers.js";
import {
  examplesOf,
  modelNames,
  packTexts,
  type TinyOptions,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const RATE = 0.3;
const IDS = [3, 14, 15, 9, 26, 5];
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "gradNorm"] as const;

const plain = { type: "none", cleanDropout: RATE, forwardDropout: [RATE] } as const;
const ratDrop = {
  ...{ type: "r-at", forwards: 2, epsilon: [1], klWeight: 0.5 },
  ...{ cleanDropout: RATE, forwardDropout: [RATE, 0.5] },
} as const satisfies Partial<NativeRegularizerOptions>;

const TOLERANCES = { fp64: 1e-12, fp32: 1e-5 } as const;

function stepOf(
  name: string,
  ids: readonly number[],
  regularizer: Partial<NativeRegularizerOptions>,
  options: TinyOptions = {},
): Promise<NativeStepResult> {
  return withTiny(name, { ...options, regularizer }, (trainer) => trainer.trainStep(examplesOf(ids), 9, 0));
}

function expectSame(actual: NativeStepResult, expected: NativeStepResult, tolerance: number): void {
  for (const field of FIELDS)
    expect(Math.abs(actual[field] - expected[field]), field).toBeLessThan(
      tolerance * Math.max(1, expected[field]),
    );
}

/** The gradient of every parameter, as a step of plain SGD at rate 1 leaves it in the weights. */
function gradientsOf(name: string, ids: readonly number[], regularizer: Partial<NativeRegularizerOptions>) {
  return withTiny(name, { regularizer }, async (trainer) => {
    const before = await weightsOf(trainer);
    await trainer.trainStep(examplesOf(ids), 9, 1);
    const after = await weightsOf(trainer);
    return [...before].flatMap(([key, values]) =>
      [...values].map((value, i) => value - (after.get(key)?.[i] ?? Number.NaN)),
    );
  });
}

describe.each(modelNames)("%s with dropout", (name) => {
  test.each(["fp64", "fp32"] as const)(
    "loses the same on an example alone and in a batch in %s",
    async (precision) => {
      const together = await stepOf(name, IDS, plain, { precision });
      let sum = 0;
      for (const id of IDS) sum += (await stepOf(name, [id], plain, { precision })).loss;
      expect(Math.abs(together.loss - sum / IDS.length)).toBeLessThan(TOLERANCES[precision]);
    },
  );

  test.each(["fp64", "fp32"] as const)("loses the same in any order in %s", async (precision) => {
    const one = await stepOf(name, IDS, ratDrop, { precision });
    const other = await stepOf(name, [...IDS].reverse(), ratDrop, { precision });
    expectSame(other, one, TOLERANCES[precision]);
  });

  test("has the gradients of B + B in a batch of 2B", async () => {
    const halves = [IDS.slice(0, 3), IDS.slice(3)];
    const [one = [], other = []] = await Promise.all(halves.map((ids) => gradientsOf(name, ids, plain)));
    const both = await gradientsOf(name, IDS, plain);
    const halved = one.map((gradient, i) => (gradient + (other[i] ?? Number.NaN)) / 2);
    expectNear(both, halved, 1e-12, (i) => `gradient ${i}`);
  });

  test("loses the same on one thread and on two", async () => {
    const one = await stepOf(name, IDS, ratDrop, { threads: 1 });
    expectSame(await stepOf(name, IDS, ratDrop, { threads: 2 }), one, 1e-12);
  });

  test("has a divergence between passes that differ in nothing but their masks", async () => {
    const rDrop = { type: "r-drop", forwards: 2, klWeight: 0.5 } as const;
    const masked = await stepOf(name, IDS, { ...rDrop, forwardDropout: [RATE] });
    expect(masked.klLoss).toBeGreaterThan(1e-6);
    // A product may round a row by its place in the matrix (MKL's do): 0 but for the square of that.
    expect((await stepOf(name, IDS, { ...rDrop, forwardDropout: [0] })).klLoss).toBeLessThan(1e-28);
  });

  test.each(["fp64", "fp32"] as const)(
    "is the same run with the same seed, bit for bit, in %s",
    async (precision) => {
      const run = () =>
        withTiny(
          name,
          { regularizer: ratDrop, precision, optimizer: { type: "adamw", weightDecay: 0.1, clipNorm: 1 } },
          async (trainer) => {
            const events: NativeStepResult[] = [];
            for (let step = 1; step <= 10; step++)
              events.push(await trainer.trainStep(examplesOf(IDS.map((id) => id + step)), step, 0.01));
            return { events, weights: await weightsOf(trainer) };
          },
        );
      expect(await run()).toEqual(await run());
    },
  );

  test("has other masks with another seed, step or example id", async () => {
    const { loss } = await stepOf(name, IDS, plain);
    const other = (step: number, shift: number) =>
      withTiny(name, { regularizer: plain }, (trainer) => {
        const batch = examplesOf(IDS);
        return trainer.trainStep({ ...batch, exampleIds: batch.exampleIds.map((id) => id + shift) }, step, 0);
      });
    expect((await other(9, 0)).loss).toBe(loss);
    expect((await other(10, 0)).loss).not.toBe(loss);
    expect((await other(9, 1)).loss).not.toBe(loss);
  });
});

/**
 * BERT with dropout in a few lines, on all tokens of all layers, with the masks that the counter gives: shows which element
 * of which site each mask is for, and that computing the last layer for the first token alone changes nothing.
 */
describe("the places of an encoder's masks", () => {
  type Matrix = number[][];
  const step = 4;
  const exampleId = 12;
  const tokens = [3, 8, 2, 5, 7];
  const rate = 0.35;

  const mask = (site: number, layer: number, count: number) => {
    const kept = native().dropoutMask({
      seed: 5,
      step,
      exampleId,
      site,
      layer,
      pass: 0,
      probability: rate,
      count,
    });
    return Array.from(kept, (bit) => bit / (1 - rate));
  };
  const product = (x: Matrix, weight: Matrix, bias: number[]): Matrix =>
    x.map((row) => weight.map((out, o) => out.reduce((sum, w, i) => sum + w * (row[i] ?? 0), bias[o] ?? 0)));
  const add = (x: Matrix, y: Matrix): Matrix =>
    x.map((row, i) => row.map((value, j) => value + (y[i]?.[j] ?? 0)));
  const dropped = (x: Matrix, site: number, layer: number): Matrix => {
    const width = x[0]?.length ?? 0;
    const kept = mask(site, layer, x.length * width);
    return x.map((row, i) => row.map((value, j) => value * (kept[i * width + j] ?? 0)));
  };
  // tanh's form of erf would not do: 1e-12 is asked for. The series converges for every argument here.
  const erf = (x: number) => {
    let term = x;
    let sum = x;
    for (let n = 1; n < 200; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  };
  const gelu = (x: number) => 0.5 * x * (1 + erf(x / Math.SQRT2));
  const softmax = (row: number[]) => {
    const exps = row.map((value) => Math.exp(value - Math.max(...row)));
    const total = exps.reduce((a, b) => a + b, 0);
    return exps.map((value) => value / total);
  };

  test("are those of the counter", async () => {
    const regularizer = { type: "none", cleanDropout: rate } as const;
    const [loss, weights] = await withTiny("bert", { regularizer }, async (trainer) => {
      const batch = packTexts([tokens], Int32Array.of(1), [exampleId]);
      return [(await trainer.trainStep(batch, step, 0)).loss, await weightsOf(trainer)] as const;
    });
    const vector = (name: string) => [...(weights.get(name) ?? [])];
    const matrix = (name: string): Matrix => {
      const values = vector(`${name}.weight`);
      const rows = vector(`${name}.bias`).length;
      return Array.from({ length: rows }, (_, row) =>
        values.slice((row * values.length) / rows, ((row + 1) * values.length) / rows),
      );
    };
    const linear = (x: Matrix, name: string) => product(x, matrix(name), vector(`${name}.bias`));
    const normalized = (x: Matrix, name: string): Matrix =>
      x.map((row) => {
        const mean = row.reduce((a, b) => a + b, 0) / row.length;
        const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
        const [scale, shift] = [vector(`${name}.weight`), vector(`${name}.bias`)];
        return row.map(
          (value, i) => ((value - mean) / Math.sqrt(variance + 1e-12)) * (scale[i] ?? 0) + (shift[i] ?? 0),
        );
      });

    const width = 4;
    const [heads, headWidth] = [2, 2];
    const row = (name: string, index: number) => vector(name).slice(index * width, (index + 1) * width);
    const embeddings = "bert.embeddings";
    const embedded = tokens.map((token, position) =>
      row(`${embeddings}.word_embeddings.weight`, token).map(
        (value, i) =>
          value +
          (row(`${embeddings}.position_embeddings.weight`, position)[i] ?? 0) +
          (row(`${embeddings}.token_type_embeddings.weight`, 0)[i] ?? 0),
      ),
    );
    let h = dropped(normalized(embedded, `${embeddings}.LayerNorm`), 3, 0);
    for (const layer of [0, 1]) {
      const prefix = `bert.encoder.layer.${layer}`;
      const [q, k, v] = ["query", "key", "value"].map((name) =>
        linear(h, `${prefix}.attention.self.${name}`),
      );
      const kept = mask(4, layer, heads * tokens.length * tokens.length);
      const context: Matrix = tokens.map(() => new Array<number>(width).fill(0));
      for (let head = 0; head < heads; head++)
        for (const query of tokens.keys()) {
          const scores = [...tokens.keys()].map((key) => {
            let score = 0;
            for (let d = head * headWidth; d < (head + 1) * headWidth; d++)
              score += (q?.[query]?.[d] ?? 0) * (k?.[key]?.[d] ?? 0);
            return score / Math.sqrt(headWidth);
          });
          for (const [key, p] of softmax(scores).entries()) {
            const bit = kept[(head * tokens.length + query) * tokens.length + key] ?? 0;
            for (let d = head * headWidth; d < (head + 1) * headWidth; d++) {
              const out = context[query];
              if (out) out[d] = (out[d] ?? 0) + p * bit * (v?.[key]?.[d] ?? 0);
            }
          }
        }
      const attended = normalized(
        add(dropped(linear(context, `${prefix}.attention.output.dense`), 5, layer), h),
        `${prefix}.attention.output.LayerNorm`,
      );
      const inner = linear(attended, `${prefix}.intermediate.dense`).map((values) => values.map(gelu));
      h = normalized(
        add(dropped(linear(inner, `${prefix}.output.dense`), 6, layer), attended),
        `${prefix}.output.LayerNorm`,
      );
    }
    const pooled = linear(h.slice(0, 1), "bert.pooler.dense").map((values) => values.map(Math.tanh));
    const [logits = []] = linear(dropped(pooled, 2, 0), "classifier");
    expect(loss).toBeCloseTo(-Math.log(softmax(logits)[1] ?? 0), 11);
  });
});
