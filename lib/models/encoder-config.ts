/**
 * The `config.json` of a Transformer encoder, as `transformers` writes it. What the library adds stands under one key of
 * its own, and what it does not know is kept as it is.
 */
import { z } from "zod";
import { parseOptions } from "../config/parse.js";
import type { MetricName, TaskKind } from "../datasets/types.js";
import { ENCODER_FAMILIES, type EncoderFamily, type EncoderShape } from "./families/index.js";

/** An encoder and the file it comes from. */
export interface EncoderConfig {
  readonly family: EncoderFamily;
  readonly shape: EncoderShape;
  /** `config.json` as it was read. */
  readonly file: Readonly<Record<string, unknown>>;
}

/** What a `config.json` says of a model's head. */
export interface HeadConfig {
  readonly kind: TaskKind;
  /** Class names in index order; empty for regression. */
  readonly labels: readonly string[];
  readonly maxLength: number;
  readonly task: string;
  readonly metrics: readonly MetricName[];
}

/** Most tokens of an example unless a model was saved with another limit. */
const DEFAULT_MAX_LENGTH = 128;

const headSchema = z.object({
  problem_type: z
    .enum(["single_label_classification", "regression"], {
      error: "expected single_label_classification or regression",
    })
    .nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  r_at: z
    .object({
      task: z.string(),
      metrics: z.array(z.enum(["accuracy", "f1", "matthews", "pearson", "spearman"])),
      max_length: z.int().min(1),
    })
    .optional(),
});

/** Most tokens that an encoder has positions for. */
export function longestInput({ native }: EncoderShape): number {
  return native.maxPositions - native.positionOffset;
}

/**
 * @throws RATError `ERR_RAT_CONFIG` when a key is missing or impossible; the caller says which model it was about.
 */
export function parseEncoderConfig(
  family: EncoderFamily,
  json: Readonly<Record<string, unknown>>,
  file: string,
): { readonly encoder: EncoderConfig; readonly head: HeadConfig } {
  const shape = family.parse(json, file);
  const { problem_type, id2label, r_at } = parseOptions(headSchema, json, file);
  // As in transformers: two classes unless the file says otherwise, and one output is a regression.
  const names = Object.entries(id2label ?? { 0: "LABEL_0", 1: "LABEL_1" })
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, label]) => label);
  const isRegression = problem_type === "regression" || names.length === 1;
  return {
    encoder: { family, shape, file: json },
    head: {
      kind: isRegression ? "regression" : "classification",
      labels: isRegression ? [] : names,
      maxLength: Math.min(r_at?.max_length ?? DEFAULT_MAX_LENGTH, longestInput(shape)),
      task: r_at?.task ?? "custom",
      metrics: r_at?.metrics ?? [],
    },
  };
}

/** Whether labels are those that `transformers` gives a model that was not told any. */
export function areGenericLabels(labels: readonly string[]): boolean {
  return labels.every((label, index) => label === `LABEL_${index}`);
}

/** The keys of `config.json` for a fine-tuned model: those it was read with, and a head of its own. */
export function encoderFile({ family, file }: EncoderConfig, head: HeadConfig): Record<string, unknown> {
  const { torch_dtype: _, num_labels: __, ...kept } = file;
  const labels = head.kind === "regression" ? ["LABEL_0"] : head.labels;
  return {
    ...kept,
    architectures: [family.architecture],
    dtype: "float32",
    problem_type: head.kind === "regression" ? "regression" : "single_label_classification",
    id2label: Object.fromEntries(labels.map((label, index) => [String(index), label])),
    label2id: Object.fromEntries(labels.map((label, index) => [label, index])),
    r_at: { task: head.task, metrics: head.metrics, max_length: head.maxLength },
  };
}

/** The family that a `config.json` names, or undefined. */
export function encoderFamily(modelType: unknown): EncoderFamily | undefined {
  return typeof modelType === "string" ? ENCODER_FAMILIES.get(modelType) : undefined;
}
