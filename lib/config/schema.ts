/**
 * The two shapes of a configuration, made of the same fields: flat, as flags and configuration files have it, and
 * nested, as the TypeScript API takes it.
 */
import { z } from "zod";
import * as field from "./fields.js";

/**
 * A run as flags or a configuration file describe it: keys are the flags in camel case. Defaults that hold for every
 * run stand here; those that depend on the method or the model are filled in by `resolveRunConfig`.
 */
export const runConfigSchema = z.strictObject({
  task: field.task,
  data: field.data.optional(),
  train: field.train.optional(),
  dev: field.dev.optional(),
  test: field.test.optional(),
  split: field.split.default("official"),
  textColumn: field.textColumn.optional(),
  pairColumn: field.pairColumn.optional(),
  labelColumn: field.labelColumn.optional(),
  labels: field.labels.optional(),
  kind: field.kind.optional(),
  limitTrain: field.limitTrain.optional(),
  limitTest: field.limitTest.optional(),

  model: field.model,
  resetHead: field.resetHead.default(false),
  embeddingSize: field.embeddingSize.optional(),
  hiddenSize: field.hiddenSize.optional(),
  layers: field.layers.optional(),
  windows: field.windowList.optional(),
  vectors: field.vectors.optional(),
  embeddingStd: field.embeddingStd.default(0.1),
  vocabularySize: field.vocabularySize.default(30_000),
  minimumCount: field.minimumCount.optional(),
  lowercase: field.lowercase.default(true),
  segmenter: field.segmenter.default("default"),
  maxLength: field.maxLength.optional(),
  dropout: field.dropout.optional(),

  regularizer: field.regularizer.default("r-at"),
  epsilon: field.epsilon.optional(),
  klWeight: field.klWeight.default(0.5),
  forwards: field.forwards.optional(),
  consistency: field.consistency.default("bi-kl"),
  klReduction: field.klReduction.default("batch-mean"),

  epochs: field.epochs.default(3),
  maxSteps: field.maxSteps.optional(),
  batchSize: field.batchSize.default(32),
  optimizer: field.optimizer.default("adamw"),
  learningRate: field.learningRate.optional(),
  schedule: field.schedule.optional(),
  warmupRatio: field.warmupRatio.optional(),
  weightDecay: field.weightDecay.optional(),
  clipNorm: field.clipNorm.default(1),
  shuffle: field.shuffle.default(true),

  seed: field.seed.default(1),
  device: field.device.default("auto"),
  precision: field.precision.default("fp32"),
  threads: field.threads.optional(),
  logEvery: field.logEvery.default(10),
  evalEvery: field.evalEvery.optional(),
  checkpointEvery: field.checkpointEvery.optional(),
  patience: field.patience.optional(),
  output: field.output.optional(),
  resume: field.resume.default(false),
  overwrite: field.overwrite.default(false),
  allowResumeElsewhere: field.allowResumeElsewhere.default(false),
});

/** What a caller writes: everything but `task` and `model` may be left out. */
export type RunConfig = z.input<typeof runConfigSchema>;
/** A name of {@link RunConfig}. */
export type RunConfigKey = keyof RunConfig;

/** The training method: R-AT and its relatives, each with the fields that it reads. */
export const regularizerSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  z.strictObject({ type: z.literal("fgm"), epsilon: field.epsilon.optional() }),
  z.strictObject({
    type: z.literal("r-drop"),
    klWeight: field.klWeight.optional(),
    consistency: field.consistency.optional(),
    klReduction: field.klReduction.optional(),
  }),
  z.strictObject({
    type: z.literal("r-at"),
    epsilon: field.epsilon.optional(),
    klWeight: field.klWeight.optional(),
    forwards: field.forwards.optional(),
    consistency: field.consistency.optional(),
    klReduction: field.klReduction.optional(),
  }),
]);

/**
 * Training method, told apart by `type`.
 *
 * - `none`: cross-entropy (or squared error) alone.
 * - `fgm`: adds the loss under one perturbation of norm `epsilon` (default 1).
 * - `r-drop`: two clean forwards and the divergence between them times `klWeight` (default 0.5).
 * - `r-at`: the clean loss, the mean loss of `forwards` (default 2) perturbed forwards, each with dropout masks of its
 *   own, and the divergence between these times `klWeight` (R-AT, Ni et al. 2022, equations 3 to 9).
 */
export type Regularizer = z.input<typeof regularizerSchema>;

const recurrentSizes = {
  embeddingSize: field.embeddingSize.optional(),
  hiddenSize: field.hiddenSize.optional(),
  layers: field.layers.optional(),
};

/** A new model, or the folder of a trained one. */
export const modelSchema = z.union([
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("bilstm"), ...recurrentSizes }),
    z.strictObject({ type: z.literal("texthan"), ...recurrentSizes }),
    z.strictObject({
      type: z.literal("textcnn"),
      embeddingSize: field.embeddingSize.optional(),
      hiddenSize: field.hiddenSize.optional(),
      windows: field.windows.optional(),
    }),
  ]),
  z.strictObject({ path: z.string().min(1) }),
]);

/**
 * `{ type }` with sizes: a new model (defaults: 300-wide embeddings; bilstm 2 layers and texthan 1 layer of 128 units a
 * direction; textcnn 256 filters of each width 2, 3, 4). `{ path }`: the folder of a trained one, which training goes on from.
 */
export type ModelOptions = z.input<typeof modelSchema>;

/** The part of the trainer's options that is plain data. */
export const trainerSettingsSchema = z.strictObject({
  model: modelSchema,
  resetHead: field.resetHead.optional(),
  regularizer: regularizerSchema.optional(),
  dropout: field.dropout.optional(),
  maxLength: field.maxLength.optional(),
  optimizer: z
    .strictObject({
      type: field.optimizer.optional(),
      weightDecay: field.weightDecay.optional(),
      clipNorm: field.clipNorm.optional(),
    })
    .optional(),
  seed: field.seed.optional(),
  device: field.device.optional(),
  precision: field.precision.optional(),
  threads: field.threads.optional(),
  vectors: field.vectors.optional(),
  embeddingStd: field.embeddingStd.optional(),
});
export type TrainerSettings = z.input<typeof trainerSettingsSchema>;

/** The part of `fit`'s options that is plain data. */
export const fitSettingsSchema = z.strictObject({
  epochs: field.epochs.optional(),
  maxSteps: field.maxSteps.optional(),
  batchSize: field.batchSize.optional(),
  learningRate: field.learningRate.optional(),
  schedule: field.schedule.optional(),
  warmupRatio: field.warmupRatio.optional(),
  shuffle: field.shuffle.optional(),
  logEvery: field.logEvery.optional(),
  evalEvery: field.evalEvery.optional(),
  checkpointEvery: field.checkpointEvery.optional(),
  patience: field.patience.optional(),
  output: field.output.optional(),
  resume: field.resume.optional(),
  overwrite: field.overwrite.optional(),
  allowResumeElsewhere: field.allowResumeElsewhere.optional(),
});
export type FitSettings = z.input<typeof fitSettingsSchema>;

/** How a model is loaded for use. */
export const classifierSettingsSchema = z.strictObject({
  device: field.device.optional(),
  precision: field.precision.optional(),
  threads: field.threads.optional(),
});
export type ClassifierSettings = z.input<typeof classifierSettingsSchema>;
