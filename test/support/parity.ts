/**
 * The cases of test/reference/parity.py: ten steps of every from-scratch model and method in plain PyTorch, in double; and
 * what runs one of them on a device and compares every field of the step event and the final weights. Dropout is 0.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type {
  NativeObjectiveOptions,
  NativeOptimizerOptions,
  NativeStepResult,
  NativeTrainerOptions,
  PackedBatch,
} from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";
import { readSafetensors } from "./safetensors.js";

export interface ParityCase {
  model: "bilstm" | "textcnn" | "texthan";
  kind: "classification" | "regression";
  name: string;
  objective: Pick<NativeObjectiveOptions, "type" | "forwards" | "epsilon" | "klWeight" | "klReduction">;
  optimizer: NativeOptimizerOptions;
  events: (Omit<NativeStepResult, "skippedPerturbations"> & { learningRate: number })[];
  weights: Record<string, number>;
}

interface Fixture {
  sizes: { vocabularySize: number; embeddingSize: number; hiddenSize: number; classes: number };
  batches: Record<ParityCase["kind"], { texts: number[][]; labels: number[] }[]>;
  cases: ParityCase[];
}

const fixtures = join(import.meta.dirname, "../reference/fixtures");
const fixture = JSON.parse(readFileSync(join(fixtures, "parity.json"), "utf8")) as Fixture;

// relative to max(1, |expected|)
const TOLERANCE = { fp32: 1e-4, fp64: 1e-9 };
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "deltaNorm", "gradNorm"] as const;

function pack(texts: number[][], labels: number[], kind: ParityCase["kind"]): PackedBatch {
  const sequenceStarts = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    sequenceStarts[i + 1] = (sequenceStarts[i] ?? 0) + text.length;
  });
  return {
    tokens: Int32Array.from(texts.flat()),
    sequenceStarts,
    labels: kind === "regression" ? Float32Array.from(labels) : Int32Array.from(labels),
    exampleIds: Int32Array.from(texts.keys()),
  };
}

function trainerOptions(c: ParityCase, device: string, precision: "fp32" | "fp64"): NativeTrainerOptions {
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
    objective: { ...c.objective, cleanDropout: 0, forwardDropout: [0] },
    optimizer: c.optimizer,
    seed: 1,
    device,
    precision,
    threads: 1,
  };
}

function expectClose(
  actual: number | undefined,
  expected: number | undefined,
  tolerance: number,
  what: string,
) {
  if (actual === undefined || expected === undefined) throw new Error(`${what} is missing`);
  expect(Math.abs(actual - expected) / Math.max(1, Math.abs(expected)), what).toBeLessThan(tolerance);
}

/** The checksum of parity.py: each value times the cosine of its index. */
const checksum = (values: Float64Array) => values.reduce((sum, value, i) => sum + value * Math.cos(i), 0);

/** The cases with a name for a test. */
export const parityCases = fixture.cases.map((c) => [`${c.model}, ${c.kind}, ${c.name}`, c] as const);

export async function expectParity(c: ParityCase, device: string, precision: "fp32" | "fp64"): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rat-parity-"));
  const trainer = new (native().Trainer)(trainerOptions(c, device, precision));
  try {
    await trainer.load("model", join(fixtures, `parity-${c.model}-${c.kind}.safetensors`));
    for (const [i, { texts, labels }] of fixture.batches[c.kind].entries()) {
      const expected = c.events[i];
      if (!expected) throw new Error("a step is missing");
      const actual = await trainer.trainStep(pack(texts, labels, c.kind), i + 1, expected.learningRate);
      for (const field of FIELDS)
        expectClose(actual[field], expected[field], TOLERANCE[precision], `${field} of step ${i + 1}`);
    }
    const path = join(folder, "model.safetensors");
    await trainer.save("model", path, {});
    const weights = readSafetensors(path);
    expect([...weights.keys()].sort()).toEqual(Object.keys(c.weights).sort());
    for (const [name, values] of weights)
      expectClose(checksum(values), c.weights[name], TOLERANCE[precision] * 10, name);
  } finally {
    await trainer.dispose();
    rmSync(folder, { recursive: true });
  }
}
