/**
 * The `config.json` of a model folder: the one place where its snake-case keys meet the library's names. Keys that other
 * tools wrote beside ours are ignored.
 */
import { z } from "zod";
import { MODEL_TYPES } from "../config/fields.js";
import { parseOptions } from "../config/parse.js";
import { RATError } from "../errors.js";
import { METRIC_NAMES, type MetricName } from "../metrics/types.js";
import type { NativeModelOptions } from "../native/binding.js";
import { kindOfProblem, PROBLEM_TYPES, type TaskKind, targetOf } from "../targets/index.js";
import {
  type EncoderConfig,
  encoderFamily,
  encoderFile,
  outputNames,
  parseEncoderConfig,
} from "./encoder-config.js";
import { ENCODER_FAMILIES } from "./families/index.js";
import type { ModelSizes } from "./sizes.js";

/** A model without its weights. */
export interface ModelConfig {
  readonly sizes: ModelSizes;
  readonly vocabularySize: number;
  readonly paddingId: number;
  readonly kind: TaskKind;
  /** Class names in index order; empty for regression. */
  readonly labels: readonly string[];
  /** Dropout rate that the model is trained with unless another is asked for; null = an encoder's own rates. */
  readonly dropout: number | null;
  /** Most tokens of an example. */
  readonly maxLength: number;
  /** Name of the task it was trained on. */
  readonly task: string;
  readonly metrics: readonly MetricName[];
  /** Least probability of a label that is given, of a multi-label model. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** Of a Transformer encoder; undefined for a word model. */
  readonly encoder?: EncoderConfig;
}

/** Of a multi-label model that says nothing else. */
export const DEFAULT_THRESHOLD = 0.5;

const size = z.int().min(1);
const sizeFields = { embedding_size: size.max(65_536), hidden_size: size.max(65_536) };
const recurrent = { ...sizeFields, num_layers: size.max(64) };
const common = {
  vocab_size: size,
  pad_token_id: z.int().min(0),
  problem_type: z.enum(PROBLEM_TYPES),
  num_labels: size,
  id2label: z.record(z.string(), z.string()),
  dropout: z.number().min(0).lt(1),
  max_length: size,
  task: z.string().default("custom"),
  metrics: z.array(z.enum(METRIC_NAMES)).default([]),
  threshold: z.number().min(0).max(1).optional(),
};

const fileSchema = z.discriminatedUnion("model_type", [
  z.object({ model_type: z.literal("bilstm"), ...recurrent, ...common }),
  z.object({ model_type: z.literal("texthan"), ...recurrent, ...common }),
  z.object({
    model_type: z.literal("textcnn"),
    ...sizeFields,
    window_sizes: z.array(z.int().min(1).max(64)).min(1).max(16),
    ...common,
  }),
]);

/** The text of `config.json`. */
export function formatModelConfig(config: ModelConfig): string {
  const { sizes } = config;
  if (config.encoder) return `${JSON.stringify(encoderFile(config.encoder, config), null, 2)}\n`;
  const target = targetOf(config.kind);
  const outputs = outputNames(config);
  const file = {
    model_type: sizes.type,
    vocab_size: config.vocabularySize,
    embedding_size: sizes.embeddingSize,
    hidden_size: sizes.hiddenSize,
    ...(sizes.type === "textcnn" ? { window_sizes: sizes.windows } : { num_layers: sizes.layers }),
    pad_token_id: config.paddingId,
    problem_type: target.problemType,
    num_labels: outputs.length,
    id2label: Object.fromEntries(outputs.map((label, index) => [String(index), label])),
    label2id: Object.fromEntries(outputs.map((label, index) => [label, index])),
    dropout: config.dropout,
    max_length: config.maxLength,
    task: config.task,
    metrics: config.metrics,
    threshold: config.threshold,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Reads the text of a `config.json`.
 *
 * @param file - Its path, for messages.
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` when it is not JSON, lacks a key, contradicts itself or describes an
 *   architecture that is not supported.
 */
export function parseModelConfig(text: string, file: string): ModelConfig {
  const json = parseJson(text, file);
  const type: unknown =
    typeof json === "object" && json !== null ? Reflect.get(json, "model_type") : undefined;
  const family = encoderFamily(type);
  if (family) {
    const { encoder, head } = check(
      () => parseEncoderConfig(family, json as Record<string, unknown>, file),
      file,
    );
    const { vocabularySize, embeddingSize, hiddenSize, layers, paddingId } = encoder.shape;
    checkPadding(paddingId, vocabularySize, file);
    const sizes = { type: "encoder" as const, embeddingSize, hiddenSize, layers, windows: [] };
    return { sizes, vocabularySize, paddingId, dropout: null, ...head, encoder };
  }
  if (!MODEL_TYPES.some((name) => name === type)) {
    const supported = [...ENCODER_FAMILIES.keys(), ...MODEL_TYPES].join(", ");
    throw mismatch(file, `model_type ${JSON.stringify(type)} is not supported; supported: ${supported}`);
  }
  const parsed = check(() => parseOptions(fileSchema, json, file), file);
  const kind = kindOfProblem(parsed.problem_type);
  const { fewestLabels } = targetOf(kind);
  const labels = Array.from({ length: parsed.num_labels }, (_, index) => parsed.id2label[String(index)]);
  const known = labels.filter((label) => label !== undefined);
  if (known.length !== parsed.num_labels || Object.keys(parsed.id2label).length !== parsed.num_labels) {
    throw mismatch(file, `id2label must name the classes 0 to ${parsed.num_labels - 1}`);
  }
  if (new Set(known).size !== known.length) throw mismatch(file, "id2label gives two classes the same name");
  if (fewestLabels === 0 && parsed.num_labels !== 1) throw mismatch(file, `a ${kind} model has num_labels 1`);
  checkPadding(parsed.pad_token_id, parsed.vocab_size, file);
  return {
    sizes: {
      type: parsed.model_type,
      embeddingSize: parsed.embedding_size,
      hiddenSize: parsed.hidden_size,
      layers: parsed.model_type === "textcnn" ? 1 : parsed.num_layers,
      windows: parsed.model_type === "textcnn" ? parsed.window_sizes : [],
    },
    vocabularySize: parsed.vocab_size,
    paddingId: parsed.pad_token_id,
    kind,
    labels: fewestLabels === 0 ? [] : known,
    dropout: parsed.dropout,
    maxLength: parsed.max_length,
    task: parsed.task,
    metrics: parsed.metrics,
    ...(parsed.threshold !== undefined && { threshold: parsed.threshold }),
  };
}

/**
 * A model as the native side builds it.
 *
 * @param embeddingStd - Of a new word model's embeddings.
 * @param freshLayers - How many layers of an encoder, from the top, start anew.
 */
export function nativeModel(config: ModelConfig, embeddingStd: number, freshLayers = 0): NativeModelOptions {
  return {
    ...config.sizes,
    vocabularySize: config.vocabularySize,
    outputs: targetOf(config.kind).outputs(config.labels),
    paddingId: config.paddingId,
    embeddingStd,
    ...(config.encoder && { encoder: { ...config.encoder.shape.native, pretrained: true, freshLayers } }),
  };
}

function checkPadding(paddingId: number, vocabularySize: number, file: string): void {
  if (paddingId < vocabularySize) return;
  throw mismatch(file, `pad_token_id ${paddingId} is outside the vocabulary of ${vocabularySize}`);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw mismatch(file, `it is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
}

/** What is wrong with a model's file is a mismatch, not a mistake in the user's options. */
function check<T>(parse: () => T, file: string): T {
  try {
    return parse();
  } catch (cause) {
    throw mismatch(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function mismatch(file: string, message: string, cause?: unknown): RATError {
  return new RATError("ERR_RAT_MODEL_MISMATCH", `${file}: ${message}`, { cause, details: { file } });
}
