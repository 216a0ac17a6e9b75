/**
 * Small random encoders of every family on rows of the real GLUE files, from the file to the loss: single texts, pairs and a
 * regression, ten steps of every method, beside transformers' tokenizers and models. The files and vocabularies lie beside
 * the repository, if at all.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTask } from "#dist/datasets/load-task.js";
import { Classifier } from "#dist/inference/classifier.js";
import type { StepEvent } from "#dist/run/events.js";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { loadBrown } from "../../benchmarks/quickstart/brown.js";
import { hasModule, python } from "./python.js";

const shared = join(import.meta.dirname, "../../../shared");
const isThere = ["data/sst2", "tokenizers"].every((name) => existsSync(join(shared, name)));
if (!isThere) console.warn(`${shared} has no data and tokenizers: real tasks are not compared`);
const hasSentencePiece = hasModule("sentencepiece, google.protobuf");

const STEPS = 10;
const BATCH = 5;
const MAX_LENGTH = 48;
const TASKS = ["sst2", "mrpc", "stsb"] as const;
const METHODS = {
  none: { type: "none" },
  fgm: { type: "fgm", epsilon: 0.5 },
  "r-drop": { type: "r-drop", klWeight: 0.5 },
  "r-at": { type: "r-at", epsilon: [0.5, 1.0], klWeight: 0.5 },
} as const;
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "deltaNorm", "gradNorm"] as const;

/** A family with the published vocabulary that goes with it; null: a SentencePiece model is trained for it. */
const FAMILIES: [family: string, vocabulary: string | null][] = [
  ["bert", "bert-base-uncased"],
  ["roberta", "roberta-base"],
  ["albert", "albert-base-v2"],
  ["distilbert", "bert-base-cased"],
  ["electra", "bert-base-uncased"],
  ["camembert", null],
  ["xlm-roberta", null],
];

interface Reference {
  readonly logits: readonly (readonly number[])[];
  readonly methods: Readonly<Record<keyof typeof METHODS, readonly StepEvent[]>>;
}

interface Case {
  readonly folder: string;
  readonly task: Awaited<ReturnType<typeof rowsOf>>;
  readonly reference: Reference;
}

let root: string;
const cases = new Map<string, Case>();
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "rat-real-tasks-"));
  if (isThere) await compute();
}, 900_000);
afterAll(() => rmSync(root, { recursive: true }));

/** Has one Python compute all cases: it takes longer to start than for any of them. */
async function compute(): Promise<void> {
  const asked = [];
  for (const [family, vocabulary] of FAMILIES.filter(isComparable)) {
    for (const name of TASKS) {
      const task = await rowsOf(name);
      const folder = folderOf(family, vocabulary, name);
      // Scores cross the native boundary in single precision.
      const rows = [...task.train].map(({ text, pair, label }) => [
        ...[text, pair ?? null],
        typeof label === "number" ? Math.fround(label) : label,
      ]);
      const { kind, labels } = task;
      asked.push({
        key: `${family}, ${name}`,
        task,
        folder,
        family,
        kind,
        labels,
        maxLength: MAX_LENGTH,
        rows,
      });
    }
  }
  const input = asked.map(({ key: _, task: __, ...given }) => `${JSON.stringify(given)}\n`).join("");
  const answers = python("real_tasks.py", [], input).trim().split("\n");
  for (const [i, { key, folder, task }] of asked.entries()) {
    cases.set(key, { folder, task, reference: JSON.parse(answers[i] ?? "") as Reference });
  }
}

function isComparable([family, vocabulary]: (typeof FAMILIES)[number]): boolean {
  return hasSentencePiece || (vocabulary !== null && family !== "albert");
}

/** A folder with the vocabulary of a family. */
function folderOf(family: string, vocabulary: string | null, task: string): string {
  const folder = join(root, `${family}-${task}`);
  if (vocabulary !== null) {
    cpSync(join(shared, "tokenizers", vocabulary), folder, { recursive: true });
  } else {
    mkdirSync(folder);
    const text = loadBrown(500).train.map((example) => example.text);
    python("sentencepiece_model.py", [join(folder, "sentencepiece.bpe.model"), "plain"], text.join("\n"));
  }
  return folder;
}

/** The first rows of a task, as many as the steps take. */
async function rowsOf(name: (typeof TASKS)[number]) {
  const task = await loadTask(name, { data: join(shared, "data"), limitTrain: STEPS * BATCH });
  return { ...task, dev: null, test: null };
}

function expectClose(actual: number, expected: number, tolerance: number, place: string): void {
  expect(Math.abs(actual - expected), place).toBeLessThan(tolerance * Math.max(1, Math.abs(expected)));
}

describe.runIf(isThere).each(FAMILIES)("%s", (family, vocabulary) => {
  test.for(TASKS)("%s", { timeout: 300_000 }, async (name, { skip }) => {
    skip(!isComparable([family, vocabulary]), "the Python reads no SentencePiece models");
    const found = cases.get(`${family}, ${name}`);
    if (found === undefined) throw new Error("the case was not computed");
    const { folder, task, reference } = found;
    const { labels } = task;
    const examples = [...task.train];

    await using classifier = await Classifier.load(folder, { device: "cpu", threads: 1 });
    for (const [row, prediction] of (await classifier.predict(examples)).entries()) {
      const logits = reference.logits[row] ?? [];
      if ("score" in prediction) {
        expectClose(prediction.score, logits[0] ?? Number.NaN, 1e-5, `score ${row}`);
      } else {
        const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
        for (const [i, label] of labels.entries()) {
          const expected = Math.exp(logits[i] ?? Number.NaN) / total;
          expectClose(prediction.probabilities[label] ?? Number.NaN, expected, 1e-5, `probability ${row}`);
        }
      }
    }

    await using tokenizer = await loadTokenizer(folder);
    for (const [method, events] of Object.entries(reference.methods)) {
      for (const [precision, tolerance] of [
        ["fp32", 1e-4],
        ["fp64", 1e-9],
      ] as const) {
        await using trainer = await RATTrainer.create({
          ...{ model: { path: folder }, task, tokenizer, maxLength: MAX_LENGTH, dropout: 0 },
          ...{ regularizer: METHODS[method as keyof typeof METHODS], device: "cpu", threads: 1, precision },
          optimizer: { type: "adamw", weightDecay: 0.01, clipNorm: 1 },
        });
        const run = trainer.fit({
          ...{ maxSteps: STEPS, batchSize: BATCH, shuffle: false, logEvery: 1 },
          ...{ learningRate: 0.002, schedule: "linear", warmupRatio: 0.25 },
        });
        let step = 0;
        for await (const event of run) {
          if (event.type !== "step") continue;
          for (const field of FIELDS) {
            const expected = events[step]?.[field] ?? Number.NaN;
            expectClose(event[field], expected, tolerance, `${method}, ${precision}, ${step}: ${field}`);
          }
          ++step;
        }
        expect(step).toBe(STEPS);
      }
    }
  });
});
