/** The smallest models that still have everything in them, drawn from a seed, and batches for them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENCODER_FAMILIES } from "#dist/models/families/index.js";
import {
  type NativeModelOptions,
  type NativeRegularizerOptions,
  type NativeTrainer,
  type NativeTrainerOptions,
  native,
  type PackedBatch,
} from "#dist/native/binding.js";
import type { TaskKind } from "#dist/targets/index.js";
import { readSafetensors } from "./safetensors.js";

export const VOCABULARY = 9;
export const CLASSES = 3;
/** Most tokens of a text that every model takes. */
export const LONGEST = 6;

const wordModel = {
  vocabularySize: VOCABULARY,
  outputs: CLASSES,
  embeddingSize: 3,
  hiddenSize: 2,
  layers: 1,
  windows: [1, 2],
  paddingId: 0,
  embeddingStd: 1,
} as const;

const encoderFiles: Record<string, object> = {
  bert: { hidden_size: 4, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 5 },
  roberta: {
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 5,
    type_vocab_size: 1,
  },
  albert: {
    ...{ embedding_size: 3, hidden_size: 4, num_attention_heads: 2, intermediate_size: 5 },
    ...{
      num_hidden_layers: 3,
      num_hidden_groups: 2,
      hidden_dropout_prob: 0.2,
      attention_probs_dropout_prob: 0.2,
    },
  },
  distilbert: { dim: 4, n_layers: 2, n_heads: 2, hidden_dim: 5 },
  electra: {
    ...{ embedding_size: 3, hidden_size: 4, num_attention_heads: 2, intermediate_size: 5 },
    num_hidden_layers: 1,
  },
};

function encoder(type: string): NativeModelOptions {
  const family = ENCODER_FAMILIES.get(type);
  if (!family) throw new Error(`there is no family ${type}`);
  const file = {
    ...encoderFiles[type],
    vocab_size: VOCABULARY,
    max_position_embeddings: LONGEST + 3,
    initializer_range: 0.5,
  };
  const { native: options, layers, embeddingSize, hiddenSize, paddingId } = family.parse(file, type);
  return {
    ...{
      type: "encoder",
      vocabularySize: VOCABULARY,
      outputs: CLASSES,
      embeddingSize,
      hiddenSize,
      layers,
      paddingId,
    },
    ...{ windows: [], embeddingStd: 1, encoder: { ...options, pretrained: false } },
  };
}

export const tinyModels: Readonly<Record<string, NativeModelOptions>> = {
  textcnn: { ...wordModel, type: "textcnn" },
  bilstm: { ...wordModel, type: "bilstm", layers: 2 },
  texthan: { ...wordModel, type: "texthan" },
  bert: encoder("bert"),
  roberta: encoder("roberta"),
  albert: encoder("albert"),
  distilbert: encoder("distilbert"),
  electra: encoder("electra"),
};
export const modelNames = Object.keys(tinyModels);

export const NONE: NativeRegularizerOptions = {
  type: "none",
  forwards: 1,
  epsilon: [0],
  klWeight: 0,
  klReduction: "batch-mean",
  cleanDropout: 0,
  forwardDropout: [0],
};

export interface TinyOptions extends Partial<Omit<NativeTrainerOptions, "model" | "regularizer">> {
  /** What differs from the tiny model. */
  readonly model?: Partial<NativeModelOptions>;
  readonly regularizer?: Partial<NativeRegularizerOptions>;
}

/**
 * On the CPU in double, with plain SGD, unless `options` say otherwise. On one thread: test files run side by side, and teams
 * of threads that share cores wait for each other. lanes.test.ts compares several threads with one.
 */
export function tinyTrainer(
  name: string,
  { model: changed, regularizer, ...options }: TinyOptions = {},
): NativeTrainer {
  const tiny = tinyModels[name];
  if (!tiny) throw new Error(`there is no model ${name}`);
  const model = { ...tiny, ...changed };
  const kind = options.kind ?? "classification";
  return new (native().Trainer)({
    model: { ...model, outputs: kind === "regression" ? 1 : CLASSES },
    kind,
    regularizer: { ...NONE, ...regularizer },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 },
    ...{ seed: 5, device: "cpu", precision: "fp64", threads: 1 },
    ...options,
  });
}

/** Calls `use` with a trainer that is disposed of afterwards. */
export async function withTiny<T>(
  name: string,
  options: TinyOptions,
  use: (trainer: NativeTrainer) => Promise<T>,
): Promise<T> {
  const trainer = tinyTrainer(name, options);
  try {
    return await use(trainer);
  } finally {
    await trainer.dispose();
  }
}

/** Texts as a batch; `ids` name the examples. Token types: the second half is 1, for models that read them. */
export function packTexts(
  texts: readonly (readonly number[])[],
  labels?: Int32Array | Float32Array,
  ids: readonly number[] = [...texts.keys()],
  withTypes = false,
): PackedBatch {
  const starts = [0];
  for (const text of texts) starts.push((starts.at(-1) ?? 0) + text.length);
  const types = texts.flatMap((text) => text.map((_, i) => Number(i >= text.length / 2)));
  return {
    tokens: Int32Array.from(texts.flat()),
    sequenceStarts: Int32Array.from(starts),
    exampleIds: Int32Array.from(ids),
    ...(labels && { labels }),
    ...(withTypes && { tokenTypes: Uint8Array.from(types) }),
  };
}

function labelsOf(ids: readonly number[], kind: TaskKind): Int32Array | Float32Array {
  if (kind === "regression") return Float32Array.from(ids, (id) => Math.sin(id));
  if (kind === "classification") return Int32Array.from(ids, (id) => id % CLASSES);
  // Bits of the id: no label, one, two or all.
  return Float32Array.from(ids.flatMap((id) => Array.from({ length: CLASSES }, (_, c) => (id >> c) & 1)));
}

/** Example `id` is always the same text with the same label. */
export function examplesOf(ids: readonly number[], kind: TaskKind = "classification"): PackedBatch {
  const texts = ids.map((id) =>
    Array.from({ length: 1 + (id % LONGEST) }, (_, i) => 2 + ((id * 5 + i * 3) % (VOCABULARY - 2))),
  );
  return packTexts(texts, labelsOf(ids, kind), ids);
}

/** The trainer's weights as they are now. */
export function weightsOf(trainer: NativeTrainer): Promise<Map<string, Float64Array>> {
  return savedBy(trainer, "model");
}

/** The weights, and what an optimizer of this type keeps. */
export async function stateOf(trainer: NativeTrainer, type: string): Promise<Map<string, Float64Array>[]> {
  const weights = await weightsOf(trainer);
  return type === "sgd" ? [weights] : [weights, await savedBy(trainer, "optimizer")];
}

async function savedBy(
  trainer: NativeTrainer,
  what: "model" | "optimizer",
): Promise<Map<string, Float64Array>> {
  const folder = mkdtempSync(join(tmpdir(), "rat-tiny-"));
  try {
    const path = join(folder, "saved.safetensors");
    await trainer.save(what, path, {});
    return readSafetensors(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
