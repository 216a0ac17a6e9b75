/** A session with a model that only writes down what it is asked: what comes when, and what a failure leaves. */
import { expect, it } from "vitest";
import { RATError } from "#dist/errors.js";
import type { EncodedDataset } from "#dist/inference/encoded-dataset.js";
import { Operation } from "#dist/inference/operation.js";
import type { NativeTrainer } from "#dist/native/binding.js";
import type { TrainEvent } from "#dist/run/events.js";
import type { TrainerParts } from "#dist/run/parts.js";
import { Plan } from "#dist/run/plan.js";
import { TrainingSession } from "#dist/run/session.js";

/** Examples of one token each; class `row % 2`. */
const dataOf = (size: number): EncodedDataset => ({
  texts: {
    tokens: new Int32Array(size).fill(3),
    starts: Int32Array.from({ length: size + 1 }, (_, i) => i),
    truncated: 0,
  },
  labels: Int32Array.from({ length: size }, (_, row) => row % 2),
  size,
});

interface Wanted {
  /** Accuracy of each evaluation in turn: 1 or 0. */
  readonly scores?: readonly number[];
  readonly failAt?: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

function sessionOf({ scores = [], failAt, settings = {} }: Wanted) {
  const calls: string[] = [];
  const events: TrainEvent[] = [];
  let evaluations = 0;
  const step = { loss: 1, cleanLoss: 1, adversarialLoss: 0, klLoss: 0, deltaNorm: 0, gradNorm: 1 };
  const model: Partial<NativeTrainer> = {
    trainStep: (async (
      batches: { exampleIds: Int32Array }[],
      number: number,
      _: number,
      { read }: { read: boolean },
    ) => {
      calls.push(`step ${number}: ${batches.map(({ exampleIds }) => [...exampleIds].join(" ")).join(" | ")}`);
      if (number === failAt) throw new RATError("ERR_RAT_NON_FINITE", "not finite");
      return read ? { ...step, skippedPerturbations: number === 2 ? 1 : 0 } : null;
    }) as unknown as NativeTrainer["trainStep"],
    predict: async ({ exampleIds }) => {
      calls.push("predict");
      const isRight = (scores[evaluations++] ?? 1) === 1;
      return Float64Array.from(
        [...exampleIds].flatMap((id) => ((id % 2 === 0) === isRight ? [1, 0] : [0, 1])),
      );
    },
    snapshot: async () => void calls.push("snapshot"),
    restore: async () => void calls.push("restore"),
    cancel: () => void calls.push("cancel"),
  };
  const warnings: string[] = [];
  const parts = {
    model,
    config: { kind: "classification", labels: ["a", "b"], metrics: ["accuracy"] },
    task: { name: "toy", metrics: ["accuracy"] },
    regularizer: { type: "none" },
    settings: { seed: 1, device: "cpu", precision: "fp32", threads: 1 },
    logger: { info: () => undefined, warn: (message: string) => warnings.push(message) },
    build: { cudaDevices: [] },
  } as unknown as TrainerParts;
  const plan = new Plan({ batchSize: 3, epochs: 2, shuffle: false, logEvery: 1, ...settings }, 6);
  const operation = new Operation({});
  const data = { train: dataOf(6), dev: dataOf(2), mismatched: null, test: null };
  const session = new TrainingSession({
    ...{ parts, plan, data, operation, folder: undefined, identity: {}, checkpoint: undefined },
    emit: (event) => events.push(event),
    provenance: { rAt: "", libtorch: "", node: "", date: "", host: "", command: "", data: [] },
    onProgress: () => undefined,
  });
  return { session, calls, events, warnings };
}

async function train(session: TrainingSession) {
  await session.begin();
  while (!session.isOver) {
    await session.step();
    await session.evaluateIfDue();
  }
  return session.finish();
}

it("gives the batches in order, evaluates after each epoch, and puts the best back", async () => {
  const { session, calls, events } = sessionOf({ scores: [1, 0] });
  const summary = await train(session);
  expect(calls).toEqual([
    ...["step 1: 0 1 2", "step 2: 3 4 5", "predict", "snapshot"],
    ...["step 3: 0 1 2", "step 4: 3 4 5", "predict", "restore"],
  ]);
  expect(summary).toMatchObject({ steps: 4, bestStep: 2, dev: { accuracy: 1 } });
  const told = events.map((event) => `${event.type} ${event.step}`);
  expect(told).toEqual(["step 1", "warning 2", "step 2", "eval 2", "step 3", "step 4", "eval 4"]);
});

it("cuts a step into micro-batches, which are still one step", async () => {
  const { session, calls } = sessionOf({ settings: { microBatchSize: 2, maxSteps: 1 } });
  await train(session);
  expect(calls[0]).toBe("step 1: 0 1 | 2");
});

it("stops when patience is exhausted", async () => {
  const { session, calls } = sessionOf({ scores: [1, 0, 0, 0], settings: { evalEvery: 1, patience: 2 } });
  expect(await train(session)).toMatchObject({ steps: 3, bestStep: 1 });
  expect(calls.filter((call) => call.startsWith("step"))).toHaveLength(3);
});

it("says the first step without a perturbation at once, and their number at the end", async () => {
  const { session, warnings } = sessionOf({});
  await train(session);
  expect(warnings).toEqual([expect.stringMatching(/^Step 2 had no/), "1 of 4 steps had no perturbation"]);
});

it("fails with the first failure, tells the steps before it, and leaves the position there", async () => {
  const { session, events, calls } = sessionOf({ failAt: 3 });
  const failure = await train(session).catch((error: unknown) => session.interrupt(error));
  expect(failure).toMatchObject({ code: "ERR_RAT_NON_FINITE" });
  expect(events.filter(({ type }) => type === "step").map(({ step }) => step)).toEqual([1, 2]);
  expect(calls.at(-1)).toBe("cancel");
  expect(session.position).toEqual({ step: 2, epoch: 1 });
});
