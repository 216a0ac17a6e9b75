/** The encoders of test/reference/encoders.py: small random models as transformers saved them, with their outputs. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { loadFolderWeights } from "#dist/inference/load-weights.js";
import { nativeModel } from "#dist/models/config.js";
import { readModelFolder } from "#dist/models/folder.js";
import {
  type NativeOptimizerOptions,
  type NativeRegularizerOptions,
  type NativeTrainer,
  type NativeTrainerOptions,
  native,
  type PackedBatch,
} from "#dist/native/binding.js";
import { learningRateAt } from "#dist/run/schedule.js";
import { expectEvent, expectWeights, type ParityCase } from "./parity.js";
import { readSafetensors } from "./safetensors.js";

type Kind = ParityCase["kind"];

export interface EncoderCase extends Omit<ParityCase, "model"> {
  readonly family: string;
}

export interface EncoderModel {
  readonly family: string;
  readonly kind: Kind;
  /** Of all batches, one after the other. */
  readonly logits: number[][];
  /** Relative errors of PyTorch's own mixed precision. */
  readonly bf16: { readonly logits: number; readonly gradients: number };
}

export interface EncoderBatch {
  readonly texts: number[][];
  readonly types: number[][];
  readonly labels: number[];
}

export const encodersFolder = join(import.meta.dirname, "../reference/fixtures/encoders");
const fixture = JSON.parse(readFileSync(join(encodersFolder, "encoders.json"), "utf8")) as {
  batches: Record<Kind, EncoderBatch[]>;
  models: EncoderModel[];
  cases: EncoderCase[];
};
export const encoderBatches = fixture.batches;
export const encoderModels = fixture.models.map(
  (model) => [`${model.family}, ${model.kind}`, model] as const,
);
export const encoderCases = fixture.cases.map((c) => [c.name, c] as const);

export const folderOf = ({ family, kind }: { family: string; kind: Kind }) =>
  join(encodersFolder, `${family}-${kind}`);

/** All of a batch, or the examples `rows` of it. */
export function packEncoderBatch(
  { texts, types, labels }: EncoderBatch,
  family: string,
  kind: Kind,
  rows: readonly number[] = [...texts.keys()],
): PackedBatch {
  const chosen = <T>(values: readonly T[]) => rows.map((row) => values[row] as T);
  const starts = [0];
  for (const text of chosen(texts)) starts.push((starts.at(-1) ?? 0) + text.length);
  const hasTypes = !/roberta|camembert|distilbert/.test(family);
  return {
    tokens: Int32Array.from(chosen(texts).flat()),
    sequenceStarts: Int32Array.from(starts),
    ...(hasTypes && { tokenTypes: Uint8Array.from(chosen(types).flat()) }),
    labels: kind === "regression" ? Float32Array.from(chosen(labels)) : Int32Array.from(chosen(labels)),
    exampleIds: Int32Array.from(rows),
  };
}

export const plainRegularizer: NativeRegularizerOptions = {
  type: "none",
  forwards: 1,
  epsilon: [0],
  klWeight: 0,
  klReduction: "batch-mean",
  cleanDropout: 0,
  forwardDropout: [0],
};
export const plainOptimizer: NativeOptimizerOptions = { type: "sgd", weightDecay: 0, clipNorm: 0 };

/** A native trainer with a folder's weights, disposed of afterwards. */
export async function withEncoder<T>(
  folder: string,
  options: Partial<NativeTrainerOptions>,
  use: (trainer: NativeTrainer) => Promise<T>,
): Promise<T> {
  const model = await readModelFolder(folder);
  const trainer = new (native().Trainer)({
    model: nativeModel(model.config, 1),
    kind: model.config.kind,
    regularizer: plainRegularizer,
    optimizer: plainOptimizer,
    ...{ seed: 1, device: "cpu", precision: "fp64", threads: 1 },
    ...options,
  });
  try {
    await loadFolderWeights(trainer, model, { resetHead: false, newHead: false, logger: undefined });
    return await use(trainer);
  } finally {
    await trainer.dispose();
  }
}

/** Calls `use` with the path of the trainer's saved weights. */
export async function withSaved<T>(trainer: NativeTrainer, use: (path: string) => T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "rat-encoder-"));
  try {
    const path = join(folder, "model.safetensors");
    await trainer.save("model", path, {});
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Softmax does not change when all keys are shifted, so the gradient of a key's bias is zero: in fp32 what is left of it is
 * rounding, and AdamW divides it by itself.
 */
const KEY_BIAS = /(key|k_lin)\.bias$/;

/** Ten steps of a case beside transformers and PyTorch. */
export async function expectEncoderParity(
  c: EncoderCase,
  device: string,
  precision: "fp32" | "fp64",
): Promise<void> {
  const regularizer = { ...c.regularizer, cleanDropout: 0, forwardDropout: [0] };
  const options = { regularizer, optimizer: c.optimizer, device, precision };
  await withEncoder(folderOf(c), options, async (trainer) => {
    for (const [i, batch] of encoderBatches[c.kind].entries()) {
      const learningRate = learningRateAt(i, { ...c.schedule, totalSteps: c.events.length });
      const packed = packEncoderBatch(batch, c.family, c.kind);
      const event = await trainer.trainStep(packed, i + 1, learningRate);
      expectEvent({ ...event, learningRate }, c.events[i], precision, `step ${i + 1}`);
    }
    await withSaved(trainer, (path) =>
      expectWeights(path, c, precision, precision === "fp32" ? KEY_BIAS : undefined),
    );
  });
}

function firstBatch({ family, kind }: EncoderModel) {
  const batch = encoderBatches[kind][0];
  if (!batch) throw new Error("there is no batch");
  return packEncoderBatch(batch, family, kind);
}

/** Of all batches, one after the other. */
export function logitsOf(model: EncoderModel, options: Partial<NativeTrainerOptions>): Promise<number[]> {
  return withEncoder(folderOf(model), options, async (trainer) => {
    const logits: number[] = [];
    for (const batch of encoderBatches[model.kind])
      logits.push(...(await trainer.predict(packEncoderBatch(batch, model.family, model.kind))));
    return logits;
  });
}

/** ‖values − expected‖ / ‖expected‖ */
function relativeError(values: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += ((values[i] ?? Number.NaN) - (expected[i] ?? 0)) ** 2;
    norm += (expected[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** All gradients of the first batch, as a step of plain SGD at rate 1 leaves them in the weights. */
export async function gradientsOf(
  model: EncoderModel,
  options: Partial<NativeTrainerOptions>,
): Promise<Map<string, number[]>> {
  const before = readSafetensors(join(folderOf(model), "model.safetensors"));
  return withEncoder(folderOf(model), options, async (trainer) => {
    await trainer.trainStep(firstBatch(model), 1, 1);
    return withSaved(trainer, (path) => {
      const after = readSafetensors(path);
      return new Map(
        [...after].map(([name, values]) => [
          name,
          [...values].map((v, i) => (before.get(name)?.[i] ?? 0) - v),
        ]),
      );
    });
  });
}

/** Outputs and gradients in bf16 are off by no more than twice what PyTorch's own mixed precision is. */
export async function expectBf16(model: EncoderModel, device: string): Promise<void> {
  const options = { precision: "bf16", device } as const;
  const logits = await logitsOf(model, options);
  expect(relativeError(logits, model.logits.flat())).toBeLessThan(2 * model.bf16.logits);
  const expected = readSafetensors(join(folderOf(model), "gradients.safetensors"));
  const gradients = await gradientsOf(model, options);
  const names = [...expected.keys()];
  const error = relativeError(
    names.flatMap((name) => gradients.get(name) ?? []),
    names.flatMap((name) => [...(expected.get(name) ?? [])]),
  );
  expect(error).toBeGreaterThan(1e-5);
  // A unit of ReLU whose input rounds to the other side of zero has another gradient altogether, and the layers below too.
  const slack = model.family === "bert-relu" ? 8 : 2;
  expect(error).toBeLessThan(slack * model.bf16.gradients);
}
