/**
 * Golden traces: the losses of 100 steps of every model and method on real text, with dropout, as they were when they were
 * last written. What changes them has changed the arithmetic, the order of the data or the masks; if it was meant to, write
 * them anew: `UPDATE_GOLDEN=1 npx vitest run --project unit test/trainer/golden.test.ts`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { ModelOptions, Regularizer } from "#dist/config/schema.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { loadBrown } from "../../benchmarks/quickstart/brown.js";
import { eventsOf } from "./toy.js";

const STEPS = 100;
/** Every tenth step stands in the file. */
const EVERY = 10;
/** Relative. Instruction sets and LibTorch versions round differently: some 1e-12 after 100 steps in double. */
const TOLERANCE = 1e-6;

const models = {
  textcnn: { type: "textcnn", embeddingSize: 24, hiddenSize: 12, windows: [2, 3] },
  bilstm: { type: "bilstm", embeddingSize: 24, hiddenSize: 8, layers: 2 },
  texthan: { type: "texthan", embeddingSize: 24, hiddenSize: 8 },
} satisfies Record<string, ModelOptions>;

const methods = {
  none: { type: "none" },
  fgm: { type: "fgm", epsilon: 0.5 },
  "r-drop": { type: "r-drop", klWeight: 1 },
  "r-at": { type: "r-at", epsilon: 0.5, klWeight: 1 },
  "r-at, three forwards, two rates": { type: "r-at", forwards: 3, epsilon: [0.1, 0.5, 1], klWeight: 0.5 },
} satisfies Record<string, Regularizer>;

const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "deltaNorm", "gradNorm"] as const;
type Trace = Record<(typeof FIELDS)[number], number[]>;

const file = join(import.meta.dirname, "../reference/fixtures/golden.json");
const { UPDATE_GOLDEN } = process.env;
const isUpdate = UPDATE_GOLDEN === "1";
const golden = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as Record<string, Trace>;

const brown = loadBrown(400);
const task = { ...brown, dev: null, test: null };
const tokenizer = trainTokenizer(task.train, { vocabularySize: 2_000 });

async function traceOf(model: ModelOptions, regularizer: Regularizer): Promise<Trace> {
  await using trainer = await RATTrainer.create({
    ...{ model, task, regularizer, tokenizer: await tokenizer },
    ...{ maxLength: 40, dropout: 0.3, precision: "fp64", device: "cpu", threads: 1, seed: 7 },
  });
  const events = await eventsOf(
    trainer.fit({ maxSteps: STEPS, batchSize: 16, learningRate: 3e-3, logEvery: 1 }),
  );
  const steps = events.filter((event) => event.type === "step");
  expect(steps.length).toBe(STEPS);
  const mean = (from: number) =>
    steps.slice(from, from + 20).reduce((sum, { cleanLoss }) => sum + cleanLoss, 0) / 20;
  // It learns: real text, so no miracles.
  expect(mean(STEPS - 20)).toBeLessThan(0.9 * mean(0));
  const kept = steps.filter(({ step }) => step === 1 || step % EVERY === 0);
  return Object.fromEntries(FIELDS.map((field) => [field, kept.map((event) => event[field])])) as Trace;
}

describe.each(Object.entries(models))("%s", (name, model) => {
  test.each(Object.entries(methods))("%s", async (method, regularizer) => {
    const trace = await traceOf(model, regularizer);
    const key = `${name}, ${method}`;
    if (isUpdate) golden[key] = trace;
    const expected = golden[key];
    if (!expected) throw new Error(`there is no trace of ${key}; write it with UPDATE_GOLDEN=1`);
    for (const field of FIELDS)
      for (const [i, value] of trace[field].entries()) {
        const wanted = expected[field][i] ?? Number.NaN;
        expect(Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)), `${field} ${i}`).toBeLessThan(
          TOLERANCE,
        );
      }
  });
});

afterAll(() => {
  if (isUpdate) writeFileSync(file, `${JSON.stringify(golden)}\n`);
});
