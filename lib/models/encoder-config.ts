/**
 * The `config.json` of a Transformer encoder, as `transformers` writes it. What the library adds stands under one key of
 * its own, and what it does not know is kept as it is.
 */
import { z } from "zod";
import { parseOptions } from "../config/parse.js";
import { METRIC_NAMES, type MetricName } from "../metrics/types.js";
import { kindOfProblem, PROBLEM_TYPES, type TaskKind, targetOf } from "../targets/index.js";
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
  /** Least probability of a label that is given, of a multi-label model. Default: 0.5. */
  readonly threshold?: number | undefined;
}

/** Most tokens of an example unless a model was saved with another limit. */
const DEFAULT_MAX_LENGTH = 128;

const headSchema = z.object({
  problem_type: z.enum(PROBLEM_TYPES, { error: `expected ${PROBLEM_TYPES.join(" or ")}` }).nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  r_at: z
    .object({
      task: z.string(),
      metrics: z.array(z.enum(METRIC_NAMES)),
      max_length: z.int().min(1),
      threshold: z.number().min(0).max(1).optional(),
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
  const named = kindOfProblem(problem_type ?? "");
  const kind = names.length < targetOf(named).fewestLabels ? "regression" : named;
  return {
    encoder: { family, shape, file: json },
    head: {
      kind,
      labels: targetOf(kind).fewestLabels === 0 ? [] : names,
      maxLength: Math.min(r_at?.max_length ?? DEFAULT_MAX_LENGTH, longestInput(shape)),
      task: r_at?.task ?? "custom",
      metrics: r_at?.metrics ?? [],
      ...(r_at?.threshold !== undefined && { threshold: r_at.threshold }),
    },
  };
}

/** How the names of the weights begin that the top layers have, and of the layer between them and the classifier. */
export function topPrefixes({ native }: EncoderShape, layers: number): string[] {
  if (layers === 0) return [];
  const sets = new Set(native.layerOrder.slice(-layers));
  return [...[...sets].map((set) => native.layerPrefixes[set] ?? ""), `${native.names.dense}.`];
}

/** Whether labels are those that `transformers` gives a model that was not told any. */
export function areGenericLabels(labels: readonly string[]): boolean {
  return labels.every((label, index) => label === `LABEL_${index}`);
}

/** Names of a model's outputs, as `transformers` wants one for each. */
export function outputNames({ labels }: Pick<HeadConfig, "labels">): readonly string[] {
  return labels.length === 0 ? ["LABEL_0"] : labels;
}

/** The keys of `config.json` for a fine-tuned model: those it was read with, and a head of its own. */
export function encoderFile({ family, file }: EncoderConfig, head: HeadConfig): Record<string, unknown> {
  const { torch_dtype: _, num_labels: __, ...kept } = file;
  const labels = outputNames(head);
  return {
    ...kept,
    architectures: [family.architecture],
    dtype: "float32",
    problem_type: targetOf(head.kind).problemType,
    id2label: Object.fromEntries(labels.map((label, index) => [String(index), label])),
    label2id: Object.fromEntries(labels.map((label, index) => [label, index])),
    r_at: { task: head.task, metrics: head.metrics, max_length: head.maxLength, threshold: head.threshold },
  };
}

/** The family that a `config.json` names, or undefined. */
export function encoderFamily(modelType: unknown): EncoderFamily | undefined {
  return typeof modelType === "string" ? ENCODER_FAMILIES.get(modelType) : undefined;
}
