/** The benchmark's own arithmetic, on made-up times and shapes. */

import { describe, expect, it } from "vitest";
import { passesOf } from "#dist/config/regularizer.js";
import { limits } from "../../benchmarks/host.js";
import { gateOf } from "../../benchmarks/measure.js";
import {
  isNoisy,
  mean,
  median,
  percentile,
  ratioOf,
  spreadOf,
  utilisation,
} from "../../benchmarks/statistics.js";
import { BATCH_SIZE, casesOf } from "../../benchmarks/suites.js";
import {
  lengthsOf,
  paddingFactor,
  tokenBatches,
  tokensOf,
  workloadTasks,
} from "../../benchmarks/workloads/batches.js";
import { benchmarkModel, benchmarkModels, forwardFlop, passFlop } from "../../benchmarks/workloads/models.js";
import { realBatches } from "../../benchmarks/workloads/real-text.js";

describe("statistics", () => {
  it("percentiles are linear between neighbours", () => {
    expect(percentile([4, 1, 3, 2], 0)).toBe(1);
    expect(percentile([4, 1, 3, 2], 1)).toBe(4);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(percentile([0, 10], 0.1)).toBe(1);
    expect(spreadOf([5, 1, 3])).toEqual({ median: 3, minimum: 1, p10: 1.4, p90: 4.6 });
    expect(mean([1, 2, 6])).toBe(3);
    expect(() => median([])).toThrow();
  });

  it("a ratio is that of all blocks, each by its median, and its interval is of the pairs", () => {
    const ours = [10, 20, 40, 10, 20, 40];
    const slower = ours.map((time) => time * 2.5);
    const { ratio, interval } = ratioOf(ours, slower, 2);
    expect(ratio).toBe(2.5);
    // Blocks differ by four times, but each is 2.5 times its partner.
    expect(interval[0]).toBeCloseTo(2.5, 12);
    expect(interval[1]).toBeCloseTo(2.5, 12);
    // One block in three takes most of the time; one disturbed round of three does not count.
    expect(
      ratioOf([10, 10, 10, 10, 10, 10, 10, 10, 10], [20, 20, 80, 20, 20, 80, 20, 900, 80], 3).ratio,
    ).toBe(4);
    const wide = ratioOf([10, 10, 10, 10], [20, 30, 40, 10], 4);
    expect(wide.interval[0]).toBeLessThan(wide.ratio);
    expect(wide.interval[1]).toBeGreaterThan(wide.ratio);
    expect(() => ratioOf([1, 2], [1], 1)).toThrow();
    expect(() => ratioOf([1, 2, 3], [1, 2, 3], 2)).toThrow();
  });

  it("times are noisy when the same block takes 1.3 times as long, not when blocks differ", () => {
    expect(isNoisy([10, 50, 11, 52], 2)).toBe(false);
    expect(isNoisy([10, 50, 11, 70], 2)).toBe(true);
  });

  it("utilisation is of the operations that the machine could have done", () => {
    expect(utilisation(5e9, 100, 1e11)).toBeCloseTo(0.5, 12);
  });
});

describe("work", () => {
  it("passes of a step", () => {
    expect(passesOf({ type: "none" })).toBe(1);
    expect(passesOf({ type: "fgm" })).toBe(2);
    expect(passesOf({ type: "r-drop" })).toBe(2);
    expect(passesOf({ type: "r-at" })).toBe(3);
    expect(passesOf({ type: "r-at", forwards: 3 })).toBe(4);
    expect(passesOf({ type: "freelb", ascentSteps: 3 })).toBe(3);
    expect(passesOf({ type: "pgd", ascentSteps: 3 })).toBe(4);
    expect(passesOf({ type: "pgd", ascentSteps: 3, ascentInit: "uniform" })).toBe(5);
    expect(passesOf({ type: "smart", ascentSteps: 1 })).toBe(4);
  });

  it("operations of bert-base are those of its weights", () => {
    const model = benchmarkModel("bert-base");
    const batch = { texts: [new Array(100).fill(5)], labels: [0] };
    const layer = 4 * 768 ** 2 + 2 * 768 * 3072;
    const attention = 4 * 768 * 100 ** 2;
    const last = 2 * 100 * 2 * 768 ** 2 + 2 * (2 * 768 ** 2 + 2 * 768 * 3072) + 4 * 768 * 100;
    expect(forwardFlop(model, batch)).toBe(
      11 * (2 * 100 * layer + attention) + last + 2 * (768 ** 2 + 768 * 2),
    );
    expect(passFlop(model, batch)).toBe(3 * forwardFlop(model, batch));
    // Its weights in products.
    expect(12 * layer).toBe(84_934_656);
  });

  it("operations of the word models", () => {
    const batch = { texts: [[3, 4, 5], [3]], labels: [0, 1] };
    expect(forwardFlop(benchmarkModel("textcnn"), batch)).toBe(2 * 4 * 300 * 9 * 256 + 2 * 2 * 3 * 256 * 2);
    // Two texts, 256 filters of nine taps in all, forwards to x and to the weights.
    expect(passFlop(benchmarkModel("textcnn"), batch)).toBe(
      forwardFlop(benchmarkModel("textcnn"), batch) + 2 * 2 * 2 * 256 * 9 * 300,
    );
    const lstm = 2 * 2 * 4 * 512 * (300 + 128) + 2 * 2 * 4 * 512 * (256 + 128);
    expect(forwardFlop(benchmarkModel("bilstm"), batch)).toBe(lstm + 2 * 2 * 256 * 2);
    const gru = 2 * 2 * 4 * 384 * (300 + 128);
    expect(forwardFlop(benchmarkModel("texthan"), batch)).toBe(gru + 2 * 4 * 256 ** 2 + 2 * 2 * 256 * 2);
  });

  it("the padding factor is what padding to the longest adds", () => {
    const batch = { texts: [[1], [1, 1, 1]], labels: [0, 0] };
    expect(tokensOf(batch)).toBe(4);
    expect(paddingFactor([batch])).toBe(6 / 4);
  });

  // Means of the real rows, with bert-base-uncased.
  it.each([
    ["cola", 11.3],
    ["sst2", 13.3],
    ["stsb", 27.8],
    ["mnli", 39.1],
    ["rte", 66.6],
    ["imdb", 206],
  ] as const)("texts of %s have %d tokens in the mean", (task, expected) => {
    expect(mean(lengthsOf([task], 20_000)) / expected).toBeCloseTo(1, 1);
  });

  it("a longer list of batches begins with the same, ids are words of the vocabulary", () => {
    const options = { batchSize: 4, vocabularySize: 1000, classes: 2, seed: 1 };
    const [few, many] = [2, 5].map((count) => tokenBatches("cola", { ...options, count }));
    expect(many?.slice(0, 2)).toEqual(few);
    const ids = many?.flatMap(({ texts }) => texts.flat()) ?? [];
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...ids)).toBeLessThan(1000);
    expect(() => tokenBatches("nothing", { ...options, count: 1 })).toThrow(/cola/);
  });
});

describe("batches of real texts", () => {
  const texts = Array.from({ length: 7 }, (_, i) => [i, i]);
  const all = { texts, labels: texts.map((_, i) => i % 2) };

  it("have every text once an epoch but the rest, with its label, and begin with the same", () => {
    const [few, many] = [2, 6].map((count) => realBatches(all, { batchSize: 3, count, seed: 1 }));
    expect(many?.slice(0, 2)).toEqual(few);
    for (const from of [0, 2, 4]) {
      const ids = many?.slice(from, from + 2).flatMap((batch) => batch.texts.map(([id]) => id));
      expect(new Set(ids).size).toBe(6);
    }
    for (const batch of many ?? [])
      expect(batch.labels).toEqual(batch.texts.map(([id]) => (id ?? Number.NaN) % 2));
  });

  it("are refused where the texts do not fill one", () => {
    expect(() => realBatches(all, { batchSize: 8, count: 1, seed: 1 })).toThrow(/7 texts/);
  });
});

describe("the gate", () => {
  const step = { cleanLoss: 0.7, adversarialLoss: 0.8, klLoss: 1e-9, gradNorm: 2 };

  it("passes what agrees to rounding, a divergence of nearly nothing too", () => {
    expect(gateOf([step], [{ ...step, klLoss: 3e-9, gradNorm: 2.00001 }], 1e-5)).toMatchObject({
      passed: true,
    });
  });

  it.each([
    ["another loss", { cleanLoss: 0.701 }],
    ["another gradient", { gradNorm: 2.1 }],
    ["another divergence", { klLoss: 0.01 }],
    ["NaN", { adversarialLoss: Number.NaN }],
  ])("refuses %s", (_, changed) => {
    expect(gateOf([step], [{ ...step, ...changed }], 1e-5).passed).toBe(false);
  });

  it("refuses a missing step", () => {
    expect(gateOf([step, step], [step], 1e-5).passed).toBe(false);
  });
});

describe("suites", () => {
  it.each(["smoke", "default", "full"] as const)("%s names models and tasks that there are", (suite) => {
    for (const onGpu of [false, true])
      for (const { model, task, precision } of casesOf(suite, onGpu, {})) {
        expect(benchmarkModels).toContain(model);
        expect(workloadTasks).toContain(task);
        // bf16 is for encoders.
        if (precision === "bf16") expect(benchmarkModel(model).kind).toBe("encoder");
      }
  });

  it("the default suite compares every kind of model in fp32, and encoders in bf16", () => {
    const compared = casesOf("default", false, {}).filter(({ baselines }) => baselines.length > 0);
    const kinds = (precision: string) =>
      new Set(
        compared.filter((one) => one.precision === precision).map(({ model }) => benchmarkModel(model).kind),
      );
    expect(kinds("fp32")).toEqual(new Set(["encoder", "textcnn", "bilstm", "texthan"]));
    expect(kinds("bf16")).toEqual(new Set(["encoder"]));
  });

  it("where bf16 is imitated, the default suite takes the smallest encoder for it", () => {
    const models = (hasBf16: boolean) =>
      casesOf("default", false, { precision: "bf16" }, hasBf16).map(({ model }) => model);
    expect(models(true)).toEqual(["minilm"]);
    expect(models(false)).toEqual(["bert-tiny"]);
  });

  it("flags narrow a suite, or make a case that it lacks", () => {
    expect(casesOf("default", false, { model: "minilm", precision: "bf16" })).toHaveLength(1);
    expect(casesOf("default", false, { model: "bert-base", task: "rte", compare: [] })).toEqual([
      {
        ...{ model: "bert-base", task: "rte", regularizer: "r-at", precision: "fp32" },
        ...{ batchSize: BATCH_SIZE, baselines: [] },
      },
    ]);
    expect(casesOf("smoke", false, { batchSize: 5 }).every(({ batchSize }) => batchSize === 5)).toBe(true);
  });
});

it("a GPU is held back by power, heat and hardware, not by being idle", () => {
  expect(["0x0000000000000004", "0x0000000000000020", "0x0000000000000040"].map(limits)).toEqual([
    true,
    true,
    true,
  ]);
  expect(["0x0000000000000000", "0x0000000000000001", "N/A"].map(limits)).toEqual([false, false, false]);
});
