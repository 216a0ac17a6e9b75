/** What a run is: the record that `config.json` keeps of it, and what must be the same for it to be resumed. */
import type { Checkpoint, RunEnvironment } from "../checkpoint/checkpoint.js";
import { hashArrays } from "../checkpoint/checksum.js";
import { RATError } from "../errors.js";
import type { EncodedDataset } from "./encoded-dataset.js";
import type { FitOptions } from "./options.js";
import type { Plan } from "./plan.js";
import type { TrainerParts } from "./setup.js";

/**
 * The run as a flat configuration with everything resolved; `resolveRunConfig` takes it back. What a run does with its
 * folder (`resume`, `overwrite`) is no part of it.
 */
export function runRecord(parts: TrainerParts, plan: Plan, options: FitOptions): Record<string, unknown> {
  const { resume: _, overwrite: __, allowResumeElsewhere: ___, ...given } = options.config ?? {};
  const { type: regularizer, ...method } = parts.method;
  const { sizes } = parts.config;
  const isNew = parts.modelName === sizes.type;
  const record = {
    ...given,
    task: parts.task.name,
    model: parts.modelName,
    resetHead: parts.resetHead,
    ...(isNew && { embeddingSize: sizes.embeddingSize, hiddenSize: sizes.hiddenSize }),
    ...(isNew && (sizes.type === "textcnn" ? { windows: sizes.windows } : { layers: sizes.layers })),
    vectors: parts.vectors,
    embeddingStd: parts.embeddingStd,
    maxLength: parts.maxLength,
    dropout: parts.dropout ?? undefined,
    regularizer,
    ...method,
    epochs: plan.epochs,
    maxSteps: plan.maxSteps,
    batchSize: plan.batchSize,
    optimizer: parts.optimizer.type,
    learningRate: plan.schedule.learningRate,
    schedule: plan.schedule.type,
    warmupRatio: plan.schedule.warmupRatio,
    weightDecay: parts.optimizer.weightDecay,
    clipNorm: parts.optimizer.clipNorm,
    shuffle: plan.shuffle,
    seed: parts.seed,
    device: parts.device,
    precision: parts.precision,
    threads: parts.threads,
    logEvery: plan.logEvery,
    evalEvery: plan.evalEvery,
    checkpointEvery: plan.checkpointEvery,
    patience: plan.patience,
    output: options.output,
  };
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
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
  const { type, learningRate, warmupRatio } = plan.schedule;
  const isEndless = type === "constant" && warmupRatio === 0;
  return {
    kind: parts.config.kind,
    labels: parts.config.labels,
    metric: parts.task.metrics[0] ?? null,
    model: {
      ...parts.config.sizes,
      ...(parts.config.encoder && { encoder: parts.config.encoder.shape.native }),
    },
    vocabularySize: parts.config.vocabularySize,
    maxLength: parts.maxLength,
    regularizer: parts.method,
    dropout: parts.dropout,
    optimizer: parts.optimizer,
    seed: parts.seed,
    precision: parts.precision,
    batchSize: plan.batchSize,
    shuffle: plan.shuffle,
    learningRate,
    schedule: type,
    warmupRatio,
    totalSteps: isEndless ? null : plan.totalSteps,
    evalEvery: plan.evalEvery ?? null,
    patience: plan.patience ?? null,
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
    readonly lastStep: number;
    readonly environment: RunEnvironment;
    readonly allowElsewhere: boolean;
  },
): void {
  const { identity, environment, endedAt } = checkpoint.state;
  const changed = differences(identity, now.identity);
  if (endedAt !== null && endedAt !== now.lastStep) {
    changed.push(`it had ended after ${endedAt} steps, now there are ${now.lastStep}`);
  }
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
      `The run in ${checkpoint.path} would not go on bit for bit: ${moved.join("; ")}. Use the same, or allowResumeElsewhere`,
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
