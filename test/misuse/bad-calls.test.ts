/** Bad calls of the TypeScript API: class, code, and a message that says what was wrong with what and what to give instead. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadTask } from "#dist/datasets/load-task.js";
import { RATError, type RATErrorCode } from "#dist/errors.js";
import { Classifier } from "#dist/inference/classifier.js";
import { type NativeModelOptions, native } from "#dist/native/binding.js";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { examplesOf, NONE, tinyModels } from "../support/tiny-models.js";
import {
  failureOf,
  temporaryFolder,
  tinyTextCnn,
  toyTask,
  toyTokenizer,
  toyTrainer,
} from "../trainer/toy.js";

/** Whatever a caller without types may hand over. */
// biome-ignore lint/suspicious/noExplicitAny: wrong types are what this file is about.
type Anything = any;

let folder: string;
let model: string;
let trainer: RATTrainer;
let classifier: Classifier;

beforeAll(async () => {
  folder = await temporaryFolder();
  model = join(folder, "model");
  trainer = await toyTrainer();
  await trainer.save(model);
  classifier = await Classifier.load(model, { threads: 1, device: "cpu" });
  mkdirSync(join(folder, "empty"));
  writeFileSync(join(folder, "file"), "not a folder");
  return async () => {
    await Promise.all([trainer.dispose(), classifier.dispose()]);
  };
});

const create = async (options: Anything) => {
  const made = await RATTrainer.create({
    ...{ model: tinyTextCnn, task: toyTask, tokenizer: await toyTokenizer(), threads: 1, device: "cpu" },
    ...options,
  });
  await made.dispose();
};
const start = (options: Anything) => trainer.fit(options);
const predict = (texts: Anything, options?: Anything) => classifier.predict(texts, options);

const tiny = (name: string): NativeModelOptions => {
  const model = tinyModels[name];
  if (!model) throw new Error(`there is no ${name}`);
  return model;
};
const nativeOptions = (changes: Anything = {}): Anything => ({
  model: tiny("textcnn"),
  kind: "classification",
  regularizer: NONE,
  optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 },
  ...{ seed: 1, device: "cpu", precision: "fp32", threads: 1 },
  ...changes,
});
/** What is wrong with a model comes up when it is made, which its first command waits for. */
async function nativeTrainer(changes: Anything) {
  const made = new (native().Trainer)(nativeOptions(changes));
  await made.parameters().finally(() => made.dispose());
}
async function nativeStep(changes: Anything, step: Anything = 1, rate: Anything = 0.1) {
  const made = new (native().Trainer)(nativeOptions());
  try {
    await made.trainStep({ ...examplesOf([1, 2]), ...changes }, step, rate);
  } finally {
    await made.dispose();
  }
}

type Row = readonly [name: string, call: () => unknown, code: RATErrorCode, message: RegExp];

const CONFIG = "ERR_RAT_CONFIG";
const ARGUMENT = "ERR_RAT_INVALID_ARG";

const createRows: Row[] = [
  [
    "no options",
    () => RATTrainer.create(undefined as Anything),
    ARGUMENT,
    /an object for options.*undefined/,
  ],
  ["null for options", () => RATTrainer.create(null as Anything), ARGUMENT, /an object for options.*null/],
  ["no model", () => create({ model: undefined }), CONFIG, /model/],
  ["an unknown model", () => create({ model: { type: "gpt" } }), CONFIG, /bilstm.*textcnn|type/],
  ["a model's name in place of an object", () => create({ model: "textcnn" }), CONFIG, /an object|model/],
  [
    "a size that is no number",
    () => create({ model: { ...tinyTextCnn, hiddenSize: "16" } }),
    CONFIG,
    /hiddenSize/,
  ],
  ["a size of 0", () => create({ model: { ...tinyTextCnn, embeddingSize: 0 } }), CONFIG, /embeddingSize/],
  ["layers of a TextCNN", () => create({ model: { ...tinyTextCnn, layers: 2 } }), CONFIG, /layers/],
  ["windows that are none", () => create({ model: { ...tinyTextCnn, windows: [] } }), CONFIG, /windows/],
  [
    "an option with a typo",
    () => create({ regulariser: { type: "r-at" } }),
    CONFIG,
    /regulariser.*did you mean regularizer\?/,
  ],
  ["an unknown method", () => create({ regularizer: { type: "rat" } }), CONFIG, /none.*fgm.*r-drop.*r-at/],
  [
    "an option the method does not read",
    () => create({ regularizer: { type: "none", epsilon: 1 } }),
    CONFIG,
    /epsilon/,
  ],
  ["a negative ε", () => create({ regularizer: { type: "fgm", epsilon: -1 } }), CONFIG, /epsilon.*-1/],
  [
    "an ε that is NaN",
    () => create({ regularizer: { type: "fgm", epsilon: Number.NaN } }),
    CONFIG,
    /epsilon/,
  ],
  ["an infinite ε", () => create({ regularizer: { type: "fgm", epsilon: 1 / 0 } }), CONFIG, /epsilon/],
  [
    "three ε for two forwards",
    () => create({ regularizer: { type: "r-at", epsilon: [1, 2, 3] } }),
    CONFIG,
    /list of 2.*epsilon.*3/,
  ],
  ["nine forwards", () => create({ regularizer: { type: "r-at", forwards: 9 } }), CONFIG, /forwards.*9/],
  [
    "an unknown reduction",
    () => create({ regularizer: { type: "r-drop", klReduction: "mean" } }),
    CONFIG,
    /batch-mean.*sum.*element-mean/,
  ],
  ["a dropout rate of 1", () => create({ dropout: 1 }), CONFIG, /dropout/],
  [
    "two dropout rates for one forward",
    () => create({ dropout: [0.1, 0.2], regularizer: { type: "fgm" } }),
    CONFIG,
    /list of 1.*dropout/,
  ],
  ["a seed that is no whole number", () => create({ seed: 1.5 }), CONFIG, /seed.*1\.5/],
  ["a seed beyond 2^53", () => create({ seed: 2 ** 53 }), CONFIG, /seed/],
  ["an unknown device", () => create({ device: "gpu" }), CONFIG, /auto, cpu, cuda/],
  ["a GPU that is not there", () => create({ device: "cuda:99" }), "ERR_RAT_DEVICE", /cuda:99.*r-at doctor/],
  ["bf16 for a word model", () => create({ precision: "bf16" }), CONFIG, /bf16 is for encoders.*fp32/],
  [
    "LibTorch's attention in a word model",
    () => create({ attentionRng: "torch" }),
    CONFIG,
    /attentionRng torch is for encoders/,
  ],
  ["layers of a word model", () => create({ recompute: true }), CONFIG, /recompute is for encoders/],
  [
    "tf32 without a GPU",
    () => create({ precision: "tf32", device: "cpu" }),
    CONFIG,
    /tf32 is not there on cpu/,
  ],
  ["no threads", () => create({ threads: 0 }), CONFIG, /threads.*0/],
  ["an optimizer's name in place of an object", () => create({ optimizer: "adamw" }), CONFIG, /optimizer/],
  ["an unknown optimizer", () => create({ optimizer: { type: "adam" } }), CONFIG, /adamw.*bertadam.*sgd/],
  ["a new head for a new model", () => create({ resetHead: true }), CONFIG, /resetHead.*new/],
  ["no task", () => create({ task: undefined }), ARGUMENT, /loadTask.*undefined/],
  ["a task's name in place of a task", () => create({ task: "imdb" }), ARGUMENT, /loadTask.*"imdb"/],
  [
    "a task of one class",
    () => create({ task: { ...toyTask, labels: ["only"] } }),
    ARGUMENT,
    /at least two class names/,
  ],
  [
    "a class that occurs twice",
    () => create({ task: { ...toyTask, labels: ["a", "a"] } }),
    ARGUMENT,
    /different class names/,
  ],
  [
    "a metric of another kind of task",
    () => create({ task: { ...toyTask, metrics: ["pearson"] } }),
    ARGUMENT,
    /accuracy, f1, matthews/,
  ],
  [
    "an unknown kind",
    () => create({ task: { ...toyTask, kind: "ranking" } }),
    ARGUMENT,
    /classification or regression/,
  ],
  ["no tokenizer", () => create({ tokenizer: undefined }), ARGUMENT, /trainTokenizer/],
  [
    "a folder that is not there",
    () => create({ model: { path: join(folder, "none") } }),
    "ERR_RAT_PATH",
    /no folder.*give/,
  ],
  [
    "an empty folder",
    () => create({ model: { path: join(folder, "empty") } }),
    "ERR_RAT_PATH",
    /not a model folder: config\.json/,
  ],
  [
    "a file in place of a folder",
    () => create({ model: { path: join(folder, "file") } }),
    "ERR_RAT_PATH",
    /is not a folder.*give/,
  ],
  ["a signal that is none", () => create({ signal: {} }), ARGUMENT, /AbortSignal/],
];

const fitRows: Row[] = [
  ["options that are none", () => start(3), ARGUMENT, /object/],
  ["an option with a typo", () => start({ epoch: 3 }), CONFIG, /did you mean epochs\?/],
  ["epochs as text", () => start({ epochs: "3" }), CONFIG, /epochs.*"3"/],
  ["half an epoch", () => start({ epochs: 0.5 }), CONFIG, /epochs.*0\.5/],
  ["steps below 0", () => start({ maxSteps: -1 }), CONFIG, /maxSteps.*-1/],
  ["a batch of nothing", () => start({ batchSize: 0 }), CONFIG, /batchSize/],
  ["a negative rate", () => start({ learningRate: -1 }), CONFIG, /learningRate/],
  ["a rate that is NaN", () => start({ learningRate: Number.NaN }), CONFIG, /learningRate/],
  ["an unknown schedule", () => start({ schedule: "polynomial" }), CONFIG, /linear, cosine, constant/],
  ["more warm-up than steps", () => start({ warmupRatio: 1.5 }), CONFIG, /warmupRatio/],
  ["resume without output", () => start({ resume: true }), CONFIG, /output/],
  ["checkpoints without output", () => start({ checkpointEvery: 1 }), CONFIG, /output/],
  ["resume and overwrite", () => start({ output: "x", resume: true, overwrite: true }), CONFIG, /exclude/],
  ["an output that is a file", () => start({ output: join(folder, "file") }), "ERR_RAT_PATH", /file/],
  ["an output folder of other things", () => start({ output: model }), "ERR_RAT_PATH", /holds|run/],
  ["a signal that is none", () => start({ signal: "stop" }), ARGUMENT, /AbortSignal/],
  ["an aborted signal", () => start({ signal: AbortSignal.abort() }), "ERR_RAT_ABORTED", /aborted/],
  [
    "data that are not there",
    () => trainer.evaluate("validation" as Anything),
    ARGUMENT,
    /train, dev, dev-mismatched, test or examples/,
  ],
  ["examples without text", () => trainer.evaluate([{ label: "bad" }] as Anything), ARGUMENT, /\[0\]\.text/],
  [
    "an example of no class",
    () => trainer.evaluate([{ text: "a", label: "ugly" }]),
    "ERR_RAT_LABEL",
    /bad, good.*\[0\].*"ugly"/,
  ],
  ["no examples", () => trainer.evaluate([]), "ERR_RAT_DATA_FORMAT", /at least one/],
  ["a number in place of examples", () => trainer.evaluate(5 as Anything), ARGUMENT, /iterable/],
  ["saving nowhere", () => trainer.save("" as Anything), ARGUMENT, /a path/],
  ["saving into a folder of other things", () => trainer.save(folder), "ERR_RAT_PATH", /new or empty folder/],
  ["saving over a file", () => trainer.save(join(folder, "file")), "ERR_RAT_PATH", /give a folder/],
];

const useRows: Row[] = [
  ["loading nothing", () => Classifier.load(undefined as Anything), ARGUMENT, /a path/],
  ["loading what is not there", () => Classifier.load(join(folder, "none")), "ERR_RAT_PATH", /give/],
  ["loading with an unknown option", () => Classifier.load(model, { gpu: true } as Anything), CONFIG, /gpu/],
  ["loading with null for options", () => Classifier.load(model, null as Anything), ARGUMENT, /an object/],
  ["predicting nothing", () => predict(undefined), ARGUMENT, /texts/],
  ["predicting a number", () => predict([5]), ARGUMENT, /\[0\]/],
  ["predicting a text that is none", () => predict([{ text: 5 }]), ARGUMENT, /text/],
  ["predicting a pair that is none", () => predict([{ text: "a", pair: 5 }]), ARGUMENT, /pair/],
  [
    "predicting with an aborted signal",
    () => predict("a", { signal: AbortSignal.abort() }),
    "ERR_RAT_ABORTED",
    /aborted/,
  ],
  [
    "an unknown task",
    () => loadTask("imbd" as Anything, { data: folder }),
    ARGUMENT,
    /did you mean imdb\?|imdb/,
  ],
  ["a task without data", () => loadTask("imdb", {}), ARGUMENT, /data/],
  [
    "a task's folder that is not there",
    () => loadTask("imdb", { data: join(folder, "none") }),
    "ERR_RAT_PATH",
    /none/,
  ],
  [
    "a task's folder without its files",
    () => loadTask("agnews", { data: join(folder, "empty") }),
    "ERR_RAT_PATH",
    /train\.csv/,
  ],
  ["a limit below 1", () => loadTask("imdb", { data: folder, limitTrain: 0 }), ARGUMENT, /limitTrain/],
  [
    "a tokenizer's folder that is not there",
    () => loadTokenizer(join(folder, "none")),
    "ERR_RAT_PATH",
    /none/,
  ],
  [
    "a tokenizer's folder without files",
    () => loadTokenizer(join(folder, "empty")),
    "ERR_RAT_PATH",
    /tokenizer\.json.*give/,
  ],
  ["a tokenizer of no folder", () => loadTokenizer(5 as Anything), ARGUMENT, /a path/],
  ["a vocabulary of nothing", () => trainTokenizer(5 as Anything), ARGUMENT, /iterable/],
  ["a vocabulary of texts without text", () => trainTokenizer([{}] as Anything), ARGUMENT, /text/],
  [
    "a vocabulary that is too small",
    () => trainTokenizer(toyTask.train, { vocabularySize: 3 }),
    ARGUMENT,
    /vocabularySize/,
  ],
  ["encoding a number", async () => (await toyTokenizer()).encode(5 as Anything), ARGUMENT, /text/],
];

const nativeRows: Row[] = [
  ["no options", () => new (native().Trainer)(undefined as Anything), ARGUMENT, /an object for options/],
  [
    "an unknown model",
    () => nativeTrainer({ model: { ...tiny("textcnn"), type: "gpt" } }),
    "ERR_RAT_MODEL_MISMATCH",
    /supported: bilstm, encoder/,
  ],
  [
    "sizes as text",
    () => nativeTrainer({ model: { ...tiny("textcnn"), hiddenSize: "4" } }),
    ARGUMENT,
    /a number for hiddenSize/,
  ],
  [
    "heads that do not divide the width",
    () => nativeTrainer({ model: { ...tiny("bert"), encoder: { ...tiny("bert").encoder, heads: 3 } } }),
    "ERR_RAT_MODEL_MISMATCH",
    /multiple of 3 heads/,
  ],
  [
    "an encoder without its options",
    () => nativeTrainer({ model: { ...tiny("bert"), encoder: undefined } }),
    ARGUMENT,
    /encoder/,
  ],
  [
    "dropout that a word model does not have",
    () => nativeTrainer({ regularizer: { ...NONE, cleanDropout: null } }),
    ARGUMENT,
    /no dropout rates of its own/,
  ],
  ["an unknown kind", () => nativeTrainer({ kind: "ranking" }), ARGUMENT, /classification, regression/],
  ["a regression with two outputs", () => nativeTrainer({ kind: "regression" }), ARGUMENT, /1 output/],
  [
    "a device that is none",
    () => nativeTrainer({ device: "cuda:x" }),
    "ERR_RAT_DEVICE",
    /cpu, cuda or cuda:N/,
  ],
  ["tokens of another type", () => nativeStep({ tokens: [1, 2] }), ARGUMENT, /Int32Array for tokens/],
  [
    "tokens of another width",
    () => nativeStep({ tokens: new Int16Array(4) }),
    ARGUMENT,
    /Int32Array for tokens/,
  ],
  [
    "starts that do not cover the tokens",
    () => nativeStep({ sequenceStarts: Int32Array.of(0, 1, 2) }),
    ARGUMENT,
    /sequenceStarts/,
  ],
  [
    "starts that go back",
    () => nativeStep({ sequenceStarts: Int32Array.of(0, 9, 5) }),
    ARGUMENT,
    /sequenceStarts|no tokens/,
  ],
  [
    "an empty example",
    () => nativeStep({ sequenceStarts: Int32Array.of(0, 5, 5) }),
    ARGUMENT,
    /no tokens.*\[UNK\]/,
  ],
  [
    "a batch of nothing",
    () =>
      nativeStep({
        tokens: new Int32Array(),
        sequenceStarts: Int32Array.of(0),
        labels: new Int32Array(),
        exampleIds: new Int32Array(),
      }),
    ARGUMENT,
    /at least one example/,
  ],
  [
    "fewer labels than examples",
    () => nativeStep({ labels: Int32Array.of(0) }),
    "ERR_RAT_LABEL",
    /2 class indices/,
  ],
  [
    "scores for a classification",
    () => nativeStep({ labels: Float32Array.of(0, 1) }),
    "ERR_RAT_LABEL",
    /class indices/,
  ],
  ["no labels", () => nativeStep({ labels: undefined }), "ERR_RAT_LABEL", /class indices/],
  ["a negative example id", () => nativeStep({ exampleIds: Int32Array.of(-1, 0) }), ARGUMENT, /exampleIds/],
  [
    "token types of another length",
    () => nativeStep({ tokenTypes: Uint8Array.of(0) }),
    ARGUMENT,
    /tokenTypes/,
  ],
  [
    "a detached buffer",
    () => {
      const tokens = Int32Array.from(examplesOf([1, 2]).tokens);
      structuredClone(tokens, { transfer: [tokens.buffer] });
      return nativeStep({ tokens });
    },
    ARGUMENT,
    /tokens|cover/,
  ],
  ["a step of 0", () => nativeStep({}, 0), ARGUMENT, /step/],
  ["a step that is no whole number", () => nativeStep({}, 1.5), ARGUMENT, /step.*1\.5/],
  ["a rate as text", () => nativeStep({}, 1, "0.1"), ARGUMENT, /learningRate/],
  ["a rate that is NaN", () => nativeStep({}, 1, Number.NaN), ARGUMENT, /learningRate/],
  [
    "a step of a model that only predicts",
    async () => {
      const { regularizer: _, optimizer: __, ...predicting } = nativeOptions();
      const made = new (native().Trainer)(predicting);
      await made.predict(examplesOf([1, 2]));
      await made.trainStep(examplesOf([1, 2]), 1, 1).finally(() => made.dispose());
    },
    ARGUMENT,
    /only predicts/,
  ],
  [
    "a batch that is none",
    async () => {
      const made = new (native().Trainer)(nativeOptions());
      await made.trainStep(5 as Anything, 1, 1).finally(() => made.dispose());
    },
    ARGUMENT,
    /an object for batch/,
  ],
];

const tables = { create: createRows, "fit, evaluate and save": fitRows, use: useRows, native: nativeRows };

describe.each(Object.entries(tables))("%s", (_, rows) => {
  test.each(rows)("bad call - %s", async (_name, call, code, message) => {
    const error = await failureOf(call);
    // What comes straight from the addon is an Error with the code; the layer above makes it a RATError.
    if (rows !== nativeRows) expect(error).toBeInstanceOf(RATError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as Error).message).not.toMatch(/\[object |undefined is not|Cannot read prop|at .*:\d+:\d+/);
  });
});

test("nothing of it did any harm", async () => {
  expect(await classifier.predict(["fine"])).toHaveLength(1);
  await trainer.fit({ maxSteps: 1 });
  expect(native().liveTrainers()).toBe(2);
});
