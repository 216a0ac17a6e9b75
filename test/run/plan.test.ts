import { expect, it } from "vitest";
import { Plan } from "#dist/run/plan.js";

const stepsWhere = (plan: Plan, is: (step: number) => boolean) =>
  Array.from({ length: plan.totalSteps }, (_, index) => index + 1).filter(is);

it("the last, smaller batch of an epoch is a step", () => {
  const plan = new Plan({ epochs: 2, batchSize: 4 }, 10);
  expect(plan.stepsPerEpoch).toBe(3);
  expect(plan.totalSteps).toBe(6);
  expect(stepsWhere(plan, () => true).map((step) => [plan.epochOf(step), plan.firstRowOf(step)])).toEqual([
    [0, 0],
    [0, 4],
    [0, 8],
    [1, 0],
    [1, 4],
    [1, 8],
  ]);
});

it("evaluates at each epoch's end, and at the end of a run that stops in mid-epoch", () => {
  const plan = new Plan({ batchSize: 5, maxSteps: 5 }, 10);
  expect(stepsWhere(plan, (step) => plan.isEvaluated(step))).toEqual([2, 4, 5]);
});

it("evaluates every N steps and at the end", () => {
  const plan = new Plan({ epochs: 1, batchSize: 1, evalEvery: 4 }, 10);
  expect(stepsWhere(plan, (step) => plan.isEvaluated(step))).toEqual([4, 8, 10]);
});

it("a run of no steps evaluates the initial model", () => {
  const plan = new Plan({ maxSteps: 0 }, 10);
  expect([plan.totalSteps, plan.isEvaluated(0), plan.epochOf(0)]).toEqual([0, true, 0]);
});

it("maxSteps overrides epochs and goes on over them", () => {
  const plan = new Plan({ epochs: 1, maxSteps: 7, batchSize: 5 }, 10);
  expect([plan.totalSteps, plan.epochOf(7)]).toEqual([7, 3]);
});

it("logs every N steps and the last", () => {
  const plan = new Plan({ maxSteps: 25, logEvery: 10 }, 100);
  expect(stepsWhere(plan, (step) => plan.isLogged(step))).toEqual([10, 20, 25]);
});

it("a later run counts on from where the earlier ended, with a new epoch", () => {
  const plan = new Plan({ epochs: 2, batchSize: 4, schedule: "linear", learningRate: 0.6 }, 10, {
    step: 7,
    epoch: 3,
  });
  expect([plan.totalSteps, plan.lastStep, plan.epochOf(7)]).toEqual([6, 13, 3]);
  const steps = [8, 9, 10, 11, 12, 13];
  expect(steps.map((step) => [plan.epochOf(step), plan.firstRowOf(step)])).toEqual([
    [3, 0],
    [3, 4],
    [3, 8],
    [4, 0],
    [4, 4],
    [4, 8],
  ]);
  expect([7, ...steps].filter((step) => plan.isEvaluated(step))).toEqual([10, 13]);
  expect(plan.learningRateOf(8)).toBe(0.6);
  expect(plan.learningRateOf(13)).toBeCloseTo(0.1, 12);
  expect([7, 9, 13].map((step) => plan.positionAfter(step))).toEqual([
    { step: 7, epoch: 3 },
    { step: 9, epoch: 4 },
    { step: 13, epoch: 5 },
  ]);
});
