/**
 * Every option of a run, once: what it takes, its default, who reads it, and whether a run is another without it. Flags,
 * help, configuration files, the options of the TypeScript API, `config.json` and what `--resume` compares are all made
 * from these records.
 *
 * Only what works is listed: a name that is not here is refused with the names that are.
 */
import { z } from "zod";
import { METRIC_NAMES } from "../metrics/types.js";
import { REGULARIZER_TYPES } from "../regularizers/index.js";
import { TASK_KINDS } from "../targets/index.js";
import { choice, flag, integer, MAX_FORWARDS, number, numbers, TASK_NAMES, text } from "./fields.js";
import { PRESET_NAMES } from "./preset-names.js";

/** Headings of the help, in its order. */
export type Group = "Data" | "Model and tokens" | "Regularizer" | "Optimisation" | "Run";

/** Whose option it is: of `loadTask`, `trainTokenizer`, `RATTrainer.create` (three parts of it), `fit`, or of a run as a whole. */
export type Owner = "task" | "tokenizer" | "trainer" | "optimizer" | "regularizer" | "fit" | "run";

/** A default that depends on the kind of model: trained from scratch, or a pretrained encoder that is fine-tuned. */
export interface ByModel<T = unknown> {
  readonly fromScratch: T;
  /** undefined: the model has its own. */
  readonly fineTuning: T | undefined;
}

interface Facts {
  readonly group: Group;
  readonly owner: Owner;
  /** What happens when it is left out, for the help, where no default says it. */
  readonly otherwise?: string;
  /** In the help, where it says more than the kind of value does. */
  readonly argument?: string;
  /**
   * Whether the course of a run depends on it, so that it must be what it was for a run to be resumed. Left out: yes, for
   * what a trainer or `fit` reads.
   */
  readonly identity?: boolean;
  /** Whether it names a file or a folder: `config.json` has it whole, so that it holds from everywhere. */
  readonly isPath?: true;
}

/** One option. `flat` is its schema in a run's configuration, where it may be left out. */
export interface OptionRecord extends Facts {
  readonly schema: z.ZodType;
  readonly flat: z.ZodType;
  readonly default?: unknown;
  readonly byModel?: ByModel;
}

function required<S extends z.ZodType, const F extends Facts>(schema: S, facts: F) {
  return { schema, flat: schema, ...facts };
}

function optional<S extends z.ZodType, const F extends Facts>(schema: S, facts: F) {
  return { schema, flat: schema.optional(), ...facts };
}

function withDefault<S extends z.ZodType, const F extends Facts>(schema: S, value: z.output<S>, facts: F) {
  // Zod's type of a default is that of the input without undefined; ours are the same.
  return { schema, flat: schema.default(value as never), default: value, ...facts };
}

function byModel<S extends z.ZodType, const F extends Facts>(
  schema: S,
  defaults: ByModel<z.output<S>>,
  facts: F,
) {
  return { schema, flat: schema.optional(), byModel: defaults as ByModel<z.output<S>>, ...facts };
}

const ofTask = { group: "Data", owner: "task" } as const;
const ofTokenizer = { group: "Model and tokens", owner: "tokenizer" } as const;
const ofModel = { group: "Model and tokens", owner: "trainer" } as const;
const ofSizes = { group: "Model and tokens", owner: "run" } as const;
const ofRegularizer = { group: "Regularizer", owner: "regularizer" } as const;
const ofLoss = { group: "Optimisation", owner: "trainer" } as const;
const ofOptimizer = { group: "Optimisation", owner: "optimizer" } as const;
const ofFit = { group: "Optimisation", owner: "fit" } as const;
const ofRun = { group: "Run", owner: "fit", identity: false } as const;

const windowWidth = z.int().min(1).max(64);
/** As a list alone, for the TypeScript API. */
export const windows = z.array(windowWidth).min(1).max(16).readonly();

export const OPTIONS = {
  task: required(choice(TASK_NAMES, "name of the task"), { group: "Data", owner: "run" }),
  data: optional(text("folder of the task's files, or the one above it"), {
    ...ofTask,
    ...{ isPath: true, argument: "<folder>" },
  }),
  train: optional(text("training file instead of the task's"), {
    ...ofTask,
    ...{ isPath: true, argument: "<file>" },
  }),
  dev: optional(text("dev file, on which the best model is chosen; none: there is none"), {
    ...ofTask,
    ...{ isPath: true, argument: "<file|none>" },
  }),
  test: optional(text("test file instead of the task's"), {
    ...ofTask,
    ...{ isPath: true, argument: "<file>" },
  }),
  split: withDefault(
    choice(["official", "paper"], "official files, or the splits of the paper"),
    "official",
    ofTask,
  ),
  textColumn: optional(text("custom: column of the text, or several with commas between them"), {
    ...ofTask,
    argument: "<column>",
  }),
  pairColumn: optional(text("custom: column of the second text"), { ...ofTask, argument: "<column>" }),
  labelColumn: optional(text("custom: column of the label"), { ...ofTask, argument: "<column>" }),
  labels: optional(
    z.array(z.string().min(1)).min(2).meta({ description: "custom: class names in order", kind: "texts" }),
    { ...ofTask, otherwise: "found in the training data" },
  ),
  labelSeparator: optional(text("custom, multilabel: what stands between the labels of a row"), {
    ...ofTask,
    argument: "<text>",
    otherwise: "a JSON array",
  }),
  testShare: optional(
    number("custom: part of the training rows that is test where there is no test file", {
      above: 0,
      below: 1,
    }),
    { ...ofTask, otherwise: "none" },
  ),
  delimiter: optional(
    z
      .string()
      .regex(/^(auto|.)$/su, { error: "expected one character" })
      .meta({
        description: "custom: what stands between the fields of CSV files",
        kind: "text",
      }),
    { ...ofTask, argument: "<character>", otherwise: "found in the first row" },
  ),
  kind: optional(choice(TASK_KINDS, "custom: what the labels are"), ofTask),
  skipBadRows: withDefault(
    flag("leave out rows that cannot be read (and say which) instead of ending with the first"),
    false,
    ofTask,
  ),
  limitTrain: optional(integer("the first N training rows only", { min: 1 }), {
    ...ofTask,
    otherwise: "all",
  }),
  limitDev: optional(integer("the first N dev rows only", { min: 1 }), {
    ...ofTask,
    otherwise: "all",
  }),
  limitTest: optional(integer("the first N test rows only", { min: 1 }), { ...ofTask, otherwise: "all" }),

  model: required(text("bilstm, textcnn, texthan, or the folder of a trained or pretrained model"), {
    ...ofSizes,
    argument: "<name|folder>",
  }),
  // A checkpoint has the weights already: what they began with is no part of the identity.
  resetHead: withDefault(
    flag("start the folder's model with a new head, for the labels of this task"),
    false,
    { ...ofModel, identity: false },
  ),
  reinitLayers: withDefault(
    integer("layers of the folder's encoder, from the top, that start anew", { min: 0, max: 255 }),
    0,
    { ...ofModel, identity: false },
  ),
  embeddingSize: optional(integer("width of the word embeddings", { min: 1, max: 65_536 }), {
    ...ofSizes,
    otherwise: "300",
  }),
  hiddenSize: optional(
    integer("units a direction (bilstm, texthan), filters a width (textcnn)", { min: 1, max: 65_536 }),
    { ...ofSizes, otherwise: "128, textcnn 256" },
  ),
  layers: optional(integer("recurrent layers (bilstm, texthan)", { min: 1, max: 64 }), {
    ...ofSizes,
    otherwise: "bilstm 2, texthan 1",
  }),
  windows: optional(
    z.union([windowWidth, windows]).meta({
      description: "widths of the filters in tokens (textcnn)",
      kind: "numbers",
    }),
    { ...ofSizes, otherwise: "2,3,4" },
  ),
  vectors: optional(text("word vectors for a new model: GloVe or word2vec text, plain or .gz"), {
    ...ofModel,
    ...{ identity: false, isPath: true, otherwise: "random", argument: "<file>" },
  }),
  embeddingStd: withDefault(number("standard deviation of the initial word embeddings", { above: 0 }), 0.1, {
    ...ofModel,
    identity: false,
  }),
  vocabularySize: withDefault(
    integer("most tokens of the vocabulary, special ones included", { min: 4, max: 10_000_000 }),
    30_000,
    ofTokenizer,
  ),
  minimumCount: optional(integer("words seen less often are unknown", { min: 1 }), {
    ...ofTokenizer,
    otherwise: "2 from 1,000 training texts on, else 1",
  }),
  lowercase: withDefault(flag("lower-case the text"), true, ofTokenizer),
  segmenter: withDefault(
    choice(["default", "jieba"], "Chinese by characters (default) or by words (jieba)"),
    "default",
    ofTokenizer,
  ),
  maxLength: byModel(
    integer("most tokens of an example; longer ones are cut", { min: 1, max: 1_000_000 }),
    { fromScratch: 400, fineTuning: 128 },
    ofModel,
  ),
  dropout: byModel(
    numbers("dropout rate, or one for each forward; the clean pass takes the first", { min: 0, below: 1 }),
    { fromScratch: 0.5, fineTuning: undefined },
    ofModel,
  ),
  classifierDropout: optional(
    number("dropout rate before the classifier of an encoder, beside its own rates elsewhere", {
      min: 0,
      below: 1,
    }),
    { ...ofModel, otherwise: "the model's" },
  ),

  preset: optional(choice(PRESET_NAMES, "options under one name; what is given besides stands above it"), {
    group: "Regularizer",
    ...{ owner: "run", otherwise: "none", argument: "<name>" },
  }),
  regularizer: withDefault(choice(REGULARIZER_TYPES, "how training is regularized"), "r-at", {
    group: "Regularizer",
    owner: "run",
    identity: true,
  }),
  epsilon: byModel(
    numbers("L2 radius of the perturbation, or one for each forward of r-at", { min: 0 }),
    { fromScratch: 1, fineTuning: 0.1 },
    ofRegularizer,
  ),
  klWeight: withDefault(
    number("weight of the consistency loss (r-drop, r-at, r3f, smart)", { min: 0 }),
    0.5,
    ofRegularizer,
  ),
  forwards: optional(integer("forwards of the perturbed batch (r-at)", { min: 1, max: MAX_FORWARDS }), {
    ...ofRegularizer,
    otherwise: "2",
  }),
  consistency: withDefault(
    choice(["bi-kl", "kl", "ce", "js", "mae", "mse"], "consistency loss of two forwards"),
    "bi-kl",
    ofRegularizer,
  ),
  klReduction: withDefault(
    choice(["batch-mean", "sum", "element-mean"], "how the consistency loss is reduced"),
    "batch-mean",
    ofRegularizer,
  ),

  scope: optional(
    choice(
      ["matrix", "example"],
      "what has one norm: the embedding matrix, or each example's embedded tokens",
    ),
    { ...ofRegularizer, otherwise: "matrix; pgd, freelb, smart: example" },
  ),
  ascentSteps: optional(integer("steps of the ascent (pgd, freelb, smart)", { min: 1, max: 16 }), {
    ...ofRegularizer,
    otherwise: "3; smart 1",
  }),
  stepSize: optional(number("L2 norm of a step of the ascent (pgd, freelb, smart)", { above: 0 }), {
    ...ofRegularizer,
    otherwise: "epsilon",
  }),
  ascentInit: optional(choice(["zero", "uniform"], "where the ascent begins (pgd, freelb)"), {
    ...ofRegularizer,
    otherwise: "pgd zero, freelb uniform",
  }),
  sameMasks: withDefault(
    flag("freelb: keep the dropout masks of the first step of the ascent"),
    false,
    ofRegularizer,
  ),
  noise: withDefault(
    choice(["uniform", "normal"], "r3f: the distribution of the noise"),
    "uniform",
    ofRegularizer,
  ),
  bregmanWeight: withDefault(
    number("smart: weight of the divergence from what an average of the weights says", { min: 0 }),
    0,
    ofRegularizer,
  ),
  bregmanDecay: withDefault(
    number("smart: how much of that average stays in a step", { min: 0, below: 1 }),
    0.99,
    ofRegularizer,
  ),
  spareSpecialTokens: withDefault(
    flag("leave [CLS], [SEP] and their like out of the perturbation"),
    false,
    ofRegularizer,
  ),

  epochs: withDefault(integer("passes over the training data", { min: 0 }), 3, { ...ofFit, identity: false }),
  maxSteps: optional(
    integer("optimizer steps instead of epochs; 0 evaluates the initial model", { min: 0 }),
    { ...ofFit, identity: false },
  ),
  batchSize: withDefault(integer("examples of one optimizer step", { min: 1, max: 1_000_000 }), 32, ofFit),
  microBatchSize: optional(
    integer("examples through the model at once, to save memory; the step is the same", { min: 1 }),
    { ...ofFit, otherwise: "the batch size" },
  ),
  optimizer: withDefault(choice(["adamw", "bertadam", "sgd"], "optimizer"), "adamw", ofOptimizer),
  learningRate: byModel(
    number("peak learning rate", { min: 0 }),
    { fromScratch: 1e-3, fineTuning: 2e-5 },
    ofFit,
  ),
  schedule: byModel(
    choice(["linear", "cosine", "constant"], "learning rate after the warm-up"),
    { fromScratch: "constant", fineTuning: "linear" },
    ofFit,
  ),
  warmupRatio: byModel(
    number("part of the steps with a rising learning rate", { min: 0, max: 1 }),
    { fromScratch: 0, fineTuning: 0.06 },
    ofFit,
  ),
  weightDecay: byModel(number("weight decay", { min: 0 }), { fromScratch: 0, fineTuning: 0.01 }, ofOptimizer),
  clipNorm: withDefault(number("largest global gradient norm; 0 = no clipping", { min: 0 }), 1, ofOptimizer),
  layerDecay: withDefault(
    number("factor of the learning rate from each layer to the one below it", { above: 0, max: 1 }),
    1,
    ofLoss,
  ),
  freeze: optional(
    z.union([z.literal("embeddings"), z.int().min(0).max(255)]).meta({
      description: "what is not trained: embeddings, or those and the first N layers",
      kind: "words",
    }),
    { ...ofLoss, otherwise: "nothing", argument: "<embeddings|n>" },
  ),
  labelSmoothing: withDefault(
    number("part of each label that is spread over all classes", { min: 0, below: 1 }),
    0,
    ofLoss,
  ),
  temperature: withDefault(
    number("what the logits are divided by in training, and only there", { above: 0 }),
    1,
    ofLoss,
  ),
  classWeights: optional(
    z.union([z.literal("balanced"), z.array(z.number().min(0)).min(2).readonly()]).meta({
      description: "weights of the classes in the loss, in their order, or balanced",
      kind: "words",
    }),
    { ...ofLoss, otherwise: "all 1", argument: "<balanced|w,...>" },
  ),
  shuffle: withDefault(flag("shuffle the training data in every epoch"), true, ofFit),

  seed: withDefault(
    integer("seed of initialisation, order and dropout", { min: 0, max: Number.MAX_SAFE_INTEGER }),
    1,
    { group: "Run", owner: "trainer" },
  ),
  // Where it runs is compared apart from what it does: checkpoint/checkpoint.ts.
  device: withDefault(
    z
      .string()
      // A simulated device is named in the config.json of the project's own tests.
      .regex(/^(auto|cpu|cuda(-sim)?(:\d{1,3})?)$/, { error: "expected auto, cpu, cuda or cuda:N" })
      .meta({ description: "auto, cpu, cuda or cuda:N", kind: "text" }),
    "auto",
    { group: "Run", owner: "trainer", identity: false, argument: "<name>" },
  ),
  precision: optional(
    choice(
      ["fp32", "bf16", "tf32", "fp64"],
      "arithmetic; bf16: matrix products of an encoder, tf32: matrix products on a GPU",
    ),
    { group: "Run", owner: "trainer", otherwise: "fp32; bf16 for an encoder on a GPU that has it" },
  ),
  recompute: withDefault(
    flag(
      "keep only what each encoder layer begins with, and compute it again to go back: less memory, more time",
    ),
    false,
    { group: "Run", owner: "trainer", identity: false },
  ),
  attentionRng: withDefault(
    choice(
      ["counter", "torch"],
      "masks of an encoder's attention; torch: LibTorch's attention with its generator, on a GPU in bf16 or fp32",
    ),
    "counter",
    { group: "Run", owner: "trainer" },
  ),
  threads: optional(integer("compute threads", { min: 1, max: 1024 }), {
    ...{ group: "Run", owner: "trainer", identity: false },
    otherwise: "all cores / live trainers",
  }),
  logEvery: withDefault(integer("steps between two entries of log.jsonl", { min: 1 }), 10, ofRun),
  metric: optional(choice([...METRIC_NAMES, "loss"], "what chooses the best model on dev"), {
    ...ofRun,
    identity: true,
    otherwise: "the task's first",
  }),
  threshold: optional(number("multilabel: least probability of a label that is given", { min: 0, max: 1 }), {
    group: "Run",
    owner: "trainer",
    otherwise: "the model's, 0.5",
  }),
  diagnostics: optional(
    integer("steps between two measurements of the model on dev: flatness, consistency", { min: 1 }),
    {
      ...ofRun,
      otherwise: "off",
    },
  ),
  evalEvery: optional(integer("steps between two evaluations on dev", { min: 1 }), {
    ...ofRun,
    identity: true,
    otherwise: "at each epoch's end",
  }),
  checkpointEvery: optional(integer("steps between two checkpoints", { min: 1 }), {
    ...ofRun,
    otherwise: "off",
  }),
  keepCheckpoints: withDefault(
    integer("checkpoints of a run that are kept, the newest; 0: none when it is finished", { min: 0 }),
    2,
    ofRun,
  ),
  patience: optional(integer("stop after N evaluations without a better one", { min: 1 }), {
    ...ofRun,
    identity: true,
    otherwise: "off",
  }),
  output: optional(text("folder for the run: config.json, log.jsonl, summary.json, checkpoints, model"), {
    ...ofRun,
    ...{ isPath: true, argument: "<folder>" },
  }),
  resume: withDefault(flag("go on from the newest intact checkpoint of the output folder"), false, ofRun),
  overwrite: withDefault(flag("replace the run that the output folder holds"), false, ofRun),
  allowResumeElsewhere: withDefault(
    flag("resume although LibTorch, CPU, device or threads differ (not bit for bit)"),
    false,
    ofRun,
  ),
};

export type Options = typeof OPTIONS;
export type OptionName = keyof Options;
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** The record without the types of its own schema. */
export function optionRecord(name: OptionName): OptionRecord {
  return OPTIONS[name];
}

/** Whether a run is another if this option is. */
export function isIdentity(name: OptionName): boolean {
  const { identity, owner } = optionRecord(name);
  return identity ?? !["task", "tokenizer", "run"].includes(owner);
}
