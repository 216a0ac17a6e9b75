/**
 * Dropout masks are a function of (seed, step, example, site, layer, pass): the same example has the same masks however it
 * is batched, so with dropout on the loss of a batch is the mean of the losses of its examples alone.
 */
import { describe, expect, test } from "vitest";
import type { NativeTrainerOptions, PackedBatch } from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";

const RATE = 0.3;

function newTrainer(
  type: NativeTrainerOptions["model"]["type"],
  objective: Partial<NativeTrainerOptions["objective"]> = {},
) {
  return new (native().Trainer)({
    model: {
      type,
      vocabularySize: 50,
      outputs: 3,
      embeddingSize: 10,
      hiddenSize: 7,
      layers: type === "bilstm" ? 2 : 1,
      windows: [2, 3],
      paddingId: 0,
      embeddingStd: 0.5,
    },
    kind: "classification",
    objective: {
      type: "none",
      forwards: 1,
      epsilon: [0],
      klWeight: 0.5,
      klReduction: "batch-mean",
      cleanDropout: RATE,
      forwardDropout: [RATE],
      ...objective,
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 },
    seed: 5,
    device: "cpu",
    precision: "fp64",
    threads: 2,
  });
}

/** Example `id` is always the same text. */
function batchOf(ids: readonly number[]): PackedBatch {
  const texts = ids.map((id) => Array.from({ length: 1 + (id % 6) }, (_, i) => 1 + ((id * 7 + i * 11) % 49)));
  return {
    tokens: Int32Array.from(texts.flat()),
    sequenceStarts: Int32Array.from([0, ...texts.map((_, i) => texts.slice(0, i + 1).flat().length)]),
    labels: Int32Array.from(ids, (id) => id % 3),
    exampleIds: Int32Array.from(ids),
  };
}

async function stepOf(ids: readonly number[], ...trainer: Parameters<typeof newTrainer>) {
  const model = newTrainer(...trainer);
  try {
    return await model.trainStep(batchOf(ids), 9, 0);
  } finally {
    await model.dispose();
  }
}

describe.each(["textcnn", "bilstm", "texthan"] as const)("%s with dropout", (type) => {
  const ids = [3, 14, 15, 9, 26, 5];

  test("loses the same on an example alone and in a batch", async () => {
    const together = await stepOf(ids, type);
    let sum = 0;
    for (const id of ids) sum += (await stepOf([id], type)).loss;
    expect(together.loss).toBeCloseTo(sum / ids.length, 12);
  });

  test("loses the same in any order", async () => {
    const objective = { type: "r-at", forwards: 2, epsilon: [1], forwardDropout: [RATE] } as const;
    const one = await stepOf(ids, type, objective);
    const other = await stepOf([...ids].reverse(), type, objective);
    for (const field of ["loss", "cleanLoss", "adversarialLoss", "klLoss", "gradNorm"] as const)
      expect(other[field]).toBeCloseTo(one[field], 12);
  });

  test("has a divergence between passes that differ in nothing but their masks", async () => {
    const rDrop = { type: "r-drop", forwards: 2 } as const;
    expect((await stepOf(ids, type, rDrop)).klLoss).toBeGreaterThan(1e-6);
    const undropped = { ...rDrop, cleanDropout: 0, forwardDropout: [0] };
    expect((await stepOf(ids, type, undropped)).klLoss).toBe(0);
  });

  test("is the same run with the same seed, bit for bit", async () => {
    expect(await stepOf(ids, type)).toEqual(await stepOf(ids, type));
  });

  test("loses twice the cross-entropy at epsilon 0 without dropout", async () => {
    const objective = {
      type: "r-at",
      forwards: 2,
      epsilon: [0],
      cleanDropout: 0,
      forwardDropout: [0],
    } as const;
    const { loss, cleanLoss } = await stepOf(ids, type, objective);
    expect(loss).toBeCloseTo(2 * cleanLoss, 12);
  });
});

describe("masks", () => {
  const mask = (more: object) =>
    native().dropoutMask({
      ...{ seed: 1, step: 1, exampleId: 0, site: 2, layer: 0, pass: 0, probability: RATE, count: 100_000 },
      ...more,
    });
  const kept = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test("keep as many as the rate says", () => {
    // Six standard deviations of 100,000 draws.
    for (const probability of [0.1, 0.5, 0.9])
      expect(Math.abs(kept(mask({ probability })) - (1 - probability))).toBeLessThan(0.01);
    expect(kept(mask({ probability: 0 }))).toBe(1);
  });

  test.each(["seed", "step", "exampleId", "site", "layer", "pass"])("differ by %s", (name) => {
    const one = mask({ [name]: 3 });
    const other = mask({ [name]: 4 });
    const agreement = one.reduce((sum, value, i) => sum + Number(value === other[i]), 0) / one.length;
    // Independent masks agree with probability p^2 + (1 - p)^2.
    expect(Math.abs(agreement - (RATE ** 2 + (1 - RATE) ** 2))).toBeLessThan(0.01);
  });
});
