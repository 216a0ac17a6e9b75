/** What a run is: the record that `config.json` keeps of it, and what must be the same for it to be resumed. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { isModelType } from "../config/fields.js";
import { isIdentity, OPTION_NAMES, type OptionName, optionRecord } from "../config/options.js";
import { RATError } from "../errors.js";
import { hashArrays } from "../files/checksum.js";
import type { EncodedDataset } from "../inference/encoded-dataset.js";
import type { Checkpoint, RunEnvironment } from "./checkpoint.js";
import type { FitOptions } from "./options.js";
import type { TrainerParts } from "./parts.js";
import type { Plan } from "./plan.js";
import type { Provenance } from "./provenance.js";

/**
 * The run as a flat configuration with everything resolved and absolute paths; `resolveRunConfig` takes it back. What a run does
 * with its folder (`resume`, `overwrite`) is no part of it.
 */
export function runRecord(
  parts: TrainerParts,
  plan: Plan,
  options: FitOptions,
  provenance: Provenance,
): Record<string, unknown> {
  const { type: regularizer, ...ofRegularizer } = parts.regularizer;
  const { sizes } = parts.config;
  const record: Record<string, unknown> = {
    ...parts.task.source?.options,
    ...options.config,
    task: parts.task.name,
    model: parts.isNew ? parts.modelName : placeOf(parts.modelName),
    ...(parts.isNew && { embeddingSize: sizes.embeddingSize, hiddenSize: sizes.hiddenSize }),
    ...(parts.isNew && (sizes.type === "textcnn" ? { windows: sizes.windows } : { layers: sizes.layers })),
    ...parts.settings,
    regularizer,
    ...ofRegularizer,
    ...plan.settings,
    output: options.output,
  };
  for (const name of ["resume", "overwrite", "allowResumeElsewhere"]) delete record[name];
  for (const name of OPTION_NAMES) {
    const value = record[name];
    if (optionRecord(name).isPath && typeof value === "string" && value !== "none")
      record[name] = resolve(value);
  }
  const known = Object.entries(record).filter(([, value]) => value !== undefined && value !== null);
  return { ...Object.fromEntries(known), provenance };
}

/** A folder, which may be called as an architecture is; what is none here is a model of the hub. */
function placeOf(model: string): string {
  return isModelType(model) || existsSync(model) ? resolve(model) : model;
}

/**
 * Everything that the course of a run depends on. The number of steps is part of it only where the learning rate depends
 * on it, so that a run at a constant rate can be resumed to go on for longer.
 */
export async function runIdentity(
  parts: TrainerParts,
  plan: Plan,
  data: { readonly train: EncodedDataset; readonly dev: EncodedDataset | null },
): Promise<Record<string, unknown>> {
  const { type, warmupRatio } = plan.schedule;
  const isEndless = type === "constant" && warmupRatio === 0;
  const { type: regularizer, ...ofRegularizer } = parts.regularizer;
  const options: Partial<Record<OptionName, unknown>> = {
    ...parts.settings,
    regularizer,
    ...ofRegularizer,
    ...plan.settings,
    metric: plan.settings.metric ?? parts.task.metrics[0],
  };
  const names = OPTION_NAMES.filter((name) => isIdentity(name));
  return {
    kind: parts.config.kind,
    labels: parts.config.labels,
    model: {
      ...parts.config.sizes,
      ...(parts.config.encoder && { encoder: parts.config.encoder.shape.native }),
    },
    vocabulary: parts.config.vocabularySize,
    ...Object.fromEntries(names.map((name) => [name, options[name] ?? null])),
    totalSteps: isEndless ? null : plan.totalSteps,
    trainingData: await fingerprint(data.train),
    devData: data.dev && (await fingerprint(data.dev)),
  };
}

function fingerprint({ texts, labels }: EncodedDataset): Promise<string> {
  return hashArrays(texts.tokens, texts.starts, labels);
}

/**
 * Whether a run may go on from `checkpoint`.
 *
 * @throws RATError `ERR_RAT_RESUME_CONFIG` when anything that alters the run has changed; `ERR_RAT_RESUME_ENV` when
 *   LibTorch, the addon, the CPU's instructions, the device or the threads have, unless `allowElsewhere`.
 */
export function checkResume(
  checkpoint: Checkpoint,
  now: {
    readonly identity: Readonly<Record<string, unknown>>;
    /** As it is planned now. */
    readonly lastStep: number;
    readonly environment: RunEnvironment;
    readonly allowElsewhere: boolean;
  },
): void {
  const { identity, environment, step, lastStep } = checkpoint.state;
  // A run at its end may be made longer, whatever its schedule: no step of it is taken with another learning rate.
  const { totalSteps } = now.identity;
  const isLengthened = step >= lastStep && now.lastStep > step;
  const changed = differences(isLengthened ? { ...identity, totalSteps } : identity, now.identity);
  if (changed.length > 0) {
    throw new RATError(
      "ERR_RAT_RESUME_CONFIG",
      `The run in ${checkpoint.path} was another: ${changed.join("; ")}. Resume with what it had, or use another output folder`,
      { details: { file: checkpoint.path } },
    );
  }
  // A checkpoint from before something was kept says nothing of it.
  const known = Object.entries(now.environment).filter(([key]) => Object.hasOwn(environment, key));
  const moved = differences({ ...environment }, Object.fromEntries(known));
  if (moved.length > 0 && !now.allowElsewhere) {
    throw new RATError(
      "ERR_RAT_RESUME_ENV",
      `The run in ${checkpoint.path} would not go on bit for bit: ${moved.join("; ")}. Use the same, or \`allowResumeElsewhere\``,
      { details: { file: checkpoint.path } },
    );
  }
}

function differences(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): string[] {
  return Object.keys(now)
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]))
    .map((key) => `${key} was ${shorten(before[key])}, now ${shorten(now[key])}`);
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
