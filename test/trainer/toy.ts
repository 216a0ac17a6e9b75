/** Small seeded tasks, models and folders for the trainer's tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Example, LoadedTask, Task } from "#dist/datasets/types.js";
import { RATError, type RATErrorCode } from "#dist/errors.js";
import type { TrainEvent } from "#dist/run/events.js";
import type { Run } from "#dist/run/run.js";
import type { Tokenizer } from "#dist/tokenizers/types.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import type { TrainerOptions } from "#dist/trainer/options.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";

/** Texts of words without meaning, with one word that gives the class away. */
export function toyExamples(count: number, seed: number): Example[] {
  let state = seed;
  const below = (limit: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * limit);
  };
  return Array.from({ length: count }, (_, row) => {
    const words = Array.from({ length: 3 + below(10) }, () => `w${below(30)}`);
    const label = row % 2 === 0 ? "bad" : "good";
    words.splice(below(words.length), 0, label === "bad" ? "awful" : "fine");
    return { text: words.join(" "), label };
  });
}

export const toyTask: LoadedTask = {
  name: "toy",
  kind: "classification",
  labels: ["bad", "good"],
  metrics: ["accuracy", "f1"],
  train: toyExamples(96, 1),
  dev: toyExamples(32, 2),
  test: toyExamples(32, 3),
};

/** Scores from 0 to 1 by the part of the words that are fine. */
export const scoreTask: LoadedTask = {
  name: "scores",
  kind: "regression",
  labels: [],
  metrics: ["pearson", "spearman"],
  train: scores(96, 4),
  dev: scores(32, 5),
  test: null,
};

function scores(count: number, seed: number): Example[] {
  return toyExamples(count, seed).map(({ text }, row) => ({
    text: `${text}${" fine".repeat(row % 5)}`,
    label: (row % 5) / 4,
  }));
}

let tokenizer: Promise<Tokenizer> | undefined;

/** One for the file; it is never disposed of, and does not keep the process alive. */
export function toyTokenizer(): Promise<Tokenizer> {
  tokenizer ??= trainTokenizer([...toyTask.train, { text: "fine awful", label: "good" }], {});
  return tokenizer;
}

export const tinyTextCnn = { type: "textcnn", embeddingSize: 16, hiddenSize: 16, windows: [1, 2] } as const;

/** A trainer of a tiny TextCNN on one thread. */
export async function toyTrainer(options: Partial<TrainerOptions> = {}): Promise<RATTrainer> {
  return RATTrainer.create({
    model: tinyTextCnn,
    task: toyTask,
    tokenizer: await toyTokenizer(),
    threads: 1,
    device: "cpu",
    embeddingStd: 0.3,
    ...options,
  });
}

/** The task with other data. */
export function toyTaskWith(changes: Partial<Task>): Task {
  return { ...toyTask, ...changes };
}

export async function eventsOf(run: Run): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

const folders: string[] = [];

/** A new folder that is gone after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "r-at-test-"));
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** The error that `call` fails with, wherever it is thrown. */
export async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("the call was accepted");
}

/** Class, code and message of a bad call's error. */
export async function expectRATError(
  call: () => unknown,
  code: RATErrorCode,
  message: RegExp = /./,
): Promise<RATError> {
  const error = await failureOf(call);
  if (!(error instanceof RATError)) throw error;
  if (error.code !== code || !message.test(error.message)) {
    throw new Error(`expected ${code} ${message}, received ${error.code}: ${error.message}`, {
      cause: error,
    });
  }
  return error;
}
