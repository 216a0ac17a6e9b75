/**
 * The cases of test/reference/parity.py: ten steps of every from-scratch model and method in plain PyTorch, in double; and
 * what runs one of them on a device and compares every field of the step event and the final weights. Dropout is 0.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type {
  NativeOptimizerOptions,
  NativeRegularizerOptions,
  NativeStepResult,
  NativeTrainerOptions,
  PackedBatch,
} from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";
import { learningRateAt, type Schedule } from "#dist/run/schedule.js";
import { readSafetensors } from "./safetensors.js";

export type ParityEvent = Omit<NativeStepResult, "skippedPerturbations" | "bregmanLoss"> & {
  learningRate: number;
  /** Where a case has it. */
  bregmanLoss?: number;
};

/** What a step or an optimizer does besides. */
export interface ParityFeature {
  labelSmoothing?: number;
  classWeights?: number[];
  layerDecay?: number;
  frozenDepths?: number;
}

export interface ParityCase {
  model: "bilstm" | "textcnn" | "texthan";
  kind: "classification" | "regression" | "multilabel";
  name: string;
  regularizer: Omit<NativeRegularizerOptions, "cleanDropout" | "forwardDropout">;
  optimizer: NativeOptimizerOptions;
  schedule: Omit<Schedule, "totalSteps">;
  feature?: ParityFeature;
  events: ParityEvent[];
  weights: Record<string, [number, number]>;
  /** Of label sets: those of each step, `[B, C]`; else the fixture's. */
  labels?: number[][];
}

interface Fixture {
  sizes: { vocabularySize: number; embeddingSize: number; hiddenSize: number; classes: number };
  batches: Record<"classification" | "regression", { texts: number[][]; labels: number[] }[]>;
  cases: ParityCase[];
}

const fixtures = join(import.meta.dirname, "../reference/fixtures");
const fixture = JSON.parse(readFileSync(join(fixtures, "parity.json"), "utf8")) as Fixture;

// relative to max(1, |expected|)
const TOLERANCE = { fp32: 1e-4, fp64: 1e-9 };
const FIELDS = [
  "loss",
  "cleanLoss",
  "adversarialLoss",
  "klLoss",
  "deltaNorm",
  "gradNorm",
  "learningRate",
] as const;

/** The first step's examples. */
export function firstBatch(kind: "classification" | "regression"): PackedBatch {
  const [{ texts, labels } = { texts: [], labels: [] }] = fixture.batches[kind];
  return pack(texts, labels, kind);
}

function pack(texts: number[][], labels: number[], kind: ParityCase["kind"]): PackedBatch {
  const sequenceStarts = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    sequenceStarts[i + 1] = (sequenceStarts[i] ?? 0) + text.length;
  });
  return {
    tokens: Int32Array.from(texts.flat()),
    sequenceStarts,
    labels: (kind === "classification" ? Int32Array : Float32Array).from(labels),
    exampleIds: Int32Array.from(texts.keys()),
  };
}

/** Of a case's trainer, whose initial weights are not loaded yet. */
export function trainerOptions(
  c: Pick<ParityCase, "model" | "kind" | "regularizer" | "optimizer" | "feature">,
  device: string,
  precision: "fp32" | "fp64",
): NativeTrainerOptions {
  const { vocabularySize, embeddingSize, hiddenSize, classes } = fixture.sizes;
  return {
    model: {
      type: c.model,
      vocabularySize,
      outputs: c.kind === "regression" ? 1 : classes,
      embeddingSize,
      hiddenSize,
      layers: c.model === "bilstm" ? 2 : 1,
      windows: [2, 3, 4],
      paddingId: 0,
      embeddingStd: 0.1,
    },
    kind: c.kind,
    regularizer: { ...c.regularizer, cleanDropout: 0, forwardDropout: [0], ...lossOf(c.feature) },
    optimizer: { ...c.optimizer, ...learningOf(c.feature) },
    seed: 1,
    device,
    precision,
    threads: 1,
  };
}

const lossOf = ({ labelSmoothing }: ParityFeature = {}) => (labelSmoothing ? { labelSmoothing } : {});
const learningOf = ({ layerDecay = 1, frozenDepths = 0 }: ParityFeature = {}) => ({
  layerDecay,
  frozenDepths,
});

function expectClose(
  actual: number | undefined,
  expected: number | undefined,
  tolerance: number,
  what: string,
) {
  if (actual === undefined || expected === undefined) throw new Error(`${what} is missing`);
  expect(Math.abs(actual - expected) / Math.max(1, Math.abs(expected)), what).toBeLessThan(tolerance);
}

/** The checksums of parity.py: every value counts, each with weights of its own. */
const checksums = (values: Float64Array) => [
  values.reduce((sum, value, i) => sum + value * Math.cos(i), 0),
  values.reduce((sum, value, i) => sum + value * Math.sin(3 * i + 1), 0),
];

/**
 * The cases of features.py, ascent.py or methods.py, whose rate is constant, each with a name for a test.
 *
 * @param file - Name of the fixture.
 */
export function fixtureCases(file: string): (readonly [string, ParityCase])[] {
  const { cases } = JSON.parse(readFileSync(join(fixtures, file), "utf8")) as {
    cases: Omit<ParityCase, "schedule">[];
  };
  return cases.map(constantRate);
}

/** The reference leaves out what a method does not read. */
function constantRate(c: Omit<ParityCase, "schedule">): readonly [string, ParityCase] {
  const learningRate = c.events[0]?.learningRate ?? Number.NaN;
  const { epsilon, sparedTokens: spared } = c.regularizer as unknown as {
    epsilon: number | readonly number[];
    sparedTokens?: readonly number[];
  };
  const regularizer = {
    ...{ forwards: 1, klWeight: 0, klReduction: "batch-mean" as const },
    ...c.regularizer,
    ...(spared && { sparedTokens: Int32Array.from(spared) }),
    epsilon: typeof epsilon === "number" ? [epsilon] : epsilon,
  };
  return [c.name, { ...c, regularizer, schedule: { type: "constant", warmupRatio: 0, learningRate } }];
}

/** The cases with a name for a test. */
export const parityCases = fixture.cases.map((c) => [c.name, c] as const);
/** File of the initial weights. */
export const parityWeights = (model: string, kind: string) =>
  join(fixtures, `parity-${model}-${kind}.safetensors`);
export const parityBatches = fixture.batches;
export const paritySizes = fixture.sizes;

/** A step event, or one of `log.jsonl`, beside the reference's. */
export function expectEvent(
  actual: Partial<ParityEvent>,
  expected: ParityEvent | undefined,
  precision: "fp32" | "fp64",
  what: string,
): void {
  for (const field of FIELDS)
    expectClose(actual[field], expected?.[field], TOLERANCE[precision], `${field} of ${what}`);
  if (expected?.bregmanLoss !== undefined)
    expectClose(actual.bregmanLoss, expected.bregmanLoss, TOLERANCE[precision], `bregmanLoss of ${what}`);
}

/**
 * The weights of a safetensors file beside the reference's.
 *
 * @param except - Names that are not compared.
 */
export function expectWeights(
  path: string,
  c: Pick<ParityCase, "weights">,
  precision: "fp32" | "fp64",
  except = /^$/,
): void {
  const weights = readSafetensors(path);
  expect([...weights.keys()].sort()).toEqual(Object.keys(c.weights).sort());
  for (const [name, values] of weights)
    if (!except.test(name))
      for (const [i, sum] of checksums(values).entries())
        expectClose(sum, c.weights[name]?.[i], TOLERANCE[precision] * 10, `checksum ${i} of ${name}`);
}

/** @param inParts - Gives each step in two micro-batches. */
export async function expectParity(
  c: ParityCase,
  device: string,
  precision: "fp32" | "fp64",
  inParts = false,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rat-parity-"));
  const trainer = new (native().Trainer)(trainerOptions(c, device, precision));
  try {
    const kind = c.kind === "regression" ? "regression" : "classification";
    await trainer.load("model", parityWeights(c.model, kind));
    if (c.feature?.classWeights) await trainer.setClassWeights(Float64Array.from(c.feature.classWeights));
    const totalSteps = c.events.length;
    for (const [i, { texts, labels: ofFixture }] of fixture.batches[kind].entries()) {
      const labels = c.labels?.[i] ?? ofFixture;
      const width = labels.length / texts.length;
      const learningRate = learningRateAt(i, { ...c.schedule, totalSteps });
      const half = Math.ceil(texts.length / 2);
      const bounds = inParts ? [0, half, texts.length] : [0, texts.length];
      const batches = bounds
        .slice(1)
        .map((end, part) => [bounds[part] ?? 0, end] as const)
        .map(([from, end]) => pack(texts.slice(from, end), labels.slice(from * width, end * width), c.kind));
      const event = await trainer.trainStep(batches, i + 1, learningRate);
      expectEvent({ ...event, learningRate }, c.events[i], precision, `step ${i + 1}`);
    }
    const path = join(folder, "model.safetensors");
    await trainer.save("model", path, {});
    expectWeights(path, c, precision);
  } finally {
    await trainer.dispose();
    rmSync(folder, { recursive: true });
  }
}
