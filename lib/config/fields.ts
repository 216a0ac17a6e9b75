/**
 * Every option of a run, once: its schema, its default and its one-line description. `schema.ts` composes them into the
 * flat object of a command line or a configuration file and into the nested options of the TypeScript API.
 *
 * Only what works is listed: a name that is not here is refused with the names that are.
 */
import { z } from "zod";

/** How a field is written on a command line. */
export type FieldKind = "text" | "texts" | "choice" | "integer" | "number" | "numbers" | "flag";

declare module "zod" {
  interface GlobalMeta {
    /** How the field is written on a command line; only run fields carry it. */
    kind?: FieldKind;
    /** The accepted values of a `choice`. */
    choices?: readonly string[];
    /** What happens when the field is left out, for help texts, where no fixed default says it. */
    otherwise?: string;
  }
}

/** Names that `--task` takes. */
export const TASK_NAMES = [
  ...["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"],
  ...["imdb", "agnews", "tnews", "iflytek", "custom"],
] as const;

/** Architectures that are trained from scratch. */
export const MODEL_TYPES = ["bilstm", "textcnn", "texthan"] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

/** Training methods. */
export const REGULARIZER_TYPES = ["none", "fgm", "r-drop", "r-at"] as const;
export type RegularizerType = (typeof REGULARIZER_TYPES)[number];

/** Most forwards of a perturbed batch. */
export const MAX_FORWARDS = 8;

function text(description: string, otherwise?: string) {
  const meta = { description, kind: "text" as const };
  return z
    .string()
    .min(1)
    .meta(otherwise === undefined ? meta : { ...meta, otherwise });
}

function choice<const T extends readonly [string, ...string[]]>(values: T, description: string) {
  return z.enum(values).meta({ description, kind: "choice", choices: values });
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly otherwise?: string;
}

function bounded<S extends z.ZodNumber>(schema: S, { min, max, above, below }: Range): S {
  let result: z.ZodNumber = schema;
  if (min !== undefined) result = result.min(min);
  if (max !== undefined) result = result.max(max);
  if (above !== undefined) result = result.gt(above);
  if (below !== undefined) result = result.lt(below);
  return result as S;
}

function number(description: string, range: Range = {}) {
  const meta = { description, kind: "number" as const };
  return bounded(z.number(), range).meta(range.otherwise ? { ...meta, otherwise: range.otherwise } : meta);
}

function integer(description: string, range: Range = {}) {
  const meta = { description, kind: "integer" as const };
  return bounded(z.int(), range).meta(range.otherwise ? { ...meta, otherwise: range.otherwise } : meta);
}

/** One number, or a list with one for each forward. */
function numbers(description: string, range: Range) {
  const one = bounded(z.number(), range);
  const meta = { description, kind: "numbers" as const };
  return z
    .union([one, z.array(one).min(1).max(MAX_FORWARDS).readonly()])
    .meta(range.otherwise ? { ...meta, otherwise: range.otherwise } : meta);
}

function flag(description: string) {
  return z.boolean().meta({ description, kind: "flag" });
}

// Data

export const task = choice(TASK_NAMES, "what to train on");
export const data = text("folder of the task's files, or the one above it");
export const train = text("file to train on instead of the task's");
export const dev = text("file to choose the best model on; none: train without one");
export const test = text("file to test on instead of the task's");
export const split = choice(["official", "paper"], "official files, or the splits of the paper");
export const textColumn = text("custom: column of the text");
export const pairColumn = text("custom: column of the second text");
export const labelColumn = text("custom: column of the label");
export const labels = z.array(z.string().min(1)).min(2).meta({
  description: "custom: class names in order",
  kind: "texts",
  otherwise: "found in the training data",
});
export const kind = choice(["classification", "regression"], "custom: what the labels are");
export const limitTrain = integer("train on the first N rows only", { min: 1, otherwise: "all" });
export const limitTest = integer("test on the first N rows only", { min: 1, otherwise: "all" });

// Tokens

export const maxLength = integer("most tokens of an example; longer ones are cut", {
  min: 1,
  max: 1_000_000,
  otherwise: "400",
});
export const vocabularySize = integer("most tokens of the vocabulary, special ones included", {
  min: 4,
  max: 10_000_000,
});
export const minimumCount = integer("words seen less often are unknown", {
  min: 1,
  otherwise: "2 from 1,000 training texts on, else 1",
});
export const lowercase = flag("lower-case the text");
export const segmenter = choice(["default", "jieba"], "Chinese by characters (default) or by words (jieba)");

// Model

export const model = text("bilstm, textcnn, texthan, or the folder of a trained or pretrained model");
export const resetHead = flag("start the folder's model with a new head, for the labels of this task");
export const dropout = numbers("dropout rate, or one for each forward; the clean pass takes the first", {
  min: 0,
  below: 1,
  otherwise: "the model's, 0.5 from scratch",
});
export const embeddingStd = number("standard deviation of the initial word embeddings", { above: 0 });
export const vectors = text("word vectors for a new model: GloVe or word2vec text, plain or .gz", "random");
export const embeddingSize = integer("width of the word embeddings", {
  min: 1,
  max: 65_536,
  otherwise: "300",
});
export const hiddenSize = integer("units a direction (bilstm, texthan), filters a width (textcnn)", {
  min: 1,
  max: 65_536,
  otherwise: "128, textcnn 256",
});
export const layers = integer("recurrent layers (bilstm, texthan)", {
  min: 1,
  max: 64,
  otherwise: "bilstm 2, texthan 1",
});
const windowWidth = z.int().min(1).max(64);
export const windows = z.array(windowWidth).min(1).max(16).readonly();
/** The same on a command line, where one number is no list. */
export const windowList = z.union([windowWidth, windows]).meta({
  description: "widths of the filters in tokens (textcnn)",
  kind: "numbers",
  otherwise: "2,3,4",
});

// Method

export const regularizer = choice(REGULARIZER_TYPES, "training method");
export const epsilon = numbers("L2 radius of the perturbation, or one for each forward (fgm, r-at)", {
  min: 0,
  otherwise: "0.1, from scratch 1",
});
export const klWeight = number("weight of the consistency loss (r-drop, r-at)", { min: 0 });
export const forwards = integer("forwards of the perturbed batch (r-at)", {
  min: 1,
  max: MAX_FORWARDS,
  otherwise: "2",
});
export const consistency = choice(["bi-kl"], "divergence between the forwards");
export const klReduction = choice(["batch-mean", "sum", "element-mean"], "how the divergence is reduced");

// Optimisation

export const epochs = integer("passes over the training data", { min: 0 });
export const maxSteps = integer("optimizer steps instead of epochs; 0 evaluates the initial model", {
  min: 0,
});
export const batchSize = integer("examples of one optimizer step", { min: 1, max: 1_000_000 });
export const optimizer = choice(["adamw", "bertadam", "sgd"], "optimizer");
export const learningRate = number("peak learning rate", { min: 0, otherwise: "2e-5, from scratch 1e-3" });
export const schedule = choice(["linear", "cosine", "constant"], "learning rate after the warm-up").meta({
  otherwise: "linear, from scratch constant",
});
export const warmupRatio = number("part of the steps with a rising learning rate", {
  min: 0,
  max: 1,
  otherwise: "0.06, from scratch 0",
});
export const weightDecay = number("weight decay", { min: 0, otherwise: "0.01, from scratch 0" });
export const clipNorm = number("largest global gradient norm; 0 = no clipping", { min: 0 });
export const shuffle = flag("shuffle the training data in every epoch");

// Run

export const seed = integer("seed of initialisation, order and dropout", {
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
});
export const device = z
  .string()
  // A simulated device is named in the config.json of the project's own tests.
  .regex(/^(auto|cpu|cuda(-sim)?(:\d{1,3})?)$/, { error: "expected auto, cpu, cuda or cuda:N" })
  .meta({ description: "auto, cpu, cuda or cuda:N", kind: "text" });
export const precision = choice(["fp32", "bf16", "fp64"], "arithmetic; bf16: matrix products of an encoder");
export const threads = integer("compute threads", {
  min: 1,
  max: 1024,
  otherwise: "all cores / live trainers",
});
export const logEvery = integer("steps between two entries of log.jsonl", { min: 1 });
export const evalEvery = integer("steps between two evaluations on dev", {
  min: 1,
  otherwise: "at each epoch's end",
});
export const checkpointEvery = integer("steps between two checkpoints", { min: 1, otherwise: "off" });
export const patience = integer("stop after N evaluations without a better one", {
  min: 1,
  otherwise: "off",
});
export const output = text("folder for the run: config.json, log.jsonl, summary.json, checkpoints, model");
export const resume = flag("go on from the newest intact checkpoint of the output folder");
export const overwrite = flag("replace the run that the output folder holds");
export const allowResumeElsewhere = flag(
  "resume although LibTorch, CPU, device or threads differ (not bit for bit)",
);
