import { describe, expect, it } from "vitest";
import { learningRateAt, warmupSteps } from "#dist/run/schedule.js";

const rates = (type: "linear" | "cosine" | "constant", warmupRatio: number, totalSteps: number) =>
  Array.from({ length: totalSteps }, (_, index) =>
    learningRateAt(index, { type, learningRate: 1, warmupRatio, totalSteps }),
  );

/** Rounded as printed; equal to 1e-12 would be asking for the same order of operations. */
function expectClose(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((rate, index) => {
    expect(rate).toBeCloseTo(expected[index] ?? Number.NaN, 12);
  });
}

// Equivalent Python code, for each index: transformers.get_linear_schedule_with_warmup(optimizer, warmup, 8), then
// optimizer.param_groups[0]["lr"] before step(); likewise get_cosine_schedule_with_warmup and
// get_constant_schedule_with_warmup, all with lr = 1.
describe("the schedules of transformers", () => {
  it("linear", () => {
    expectClose(rates("linear", 0.25, 8), [0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]);
    expectClose(rates("linear", 0, 4), [1, 0.75, 0.5, 0.25]);
  });

  it("cosine", () => {
    const half = (part: number) => 0.5 * (1 + Math.cos(Math.PI * part));
    expectClose(rates("cosine", 0.25, 8), [
      0,
      0.5,
      1,
      half(1 / 6),
      half(2 / 6),
      0.5,
      half(4 / 6),
      half(5 / 6),
    ]);
    expectClose(rates("cosine", 0, 4), [1, 0.853553390593274, 0.5, 0.146446609406726]);
  });

  it("constant, which warms up too", () => {
    expectClose(rates("constant", 0.5, 4), [0, 0.5, 1, 1]);
    expectClose(rates("constant", 0, 3), [1, 1, 1]);
  });

  it("warm-up alone", () => {
    expectClose(rates("linear", 1, 4), [0, 0.25, 0.5, 0.75]);
  });
});

it("a fraction of a warm-up step is a whole one", () => {
  const steps = (warmupRatio: number, totalSteps: number) =>
    warmupSteps({ type: "linear", learningRate: 1, warmupRatio, totalSteps });
  expect([steps(0.06, 100), steps(0.06, 101), steps(0, 100), steps(1, 7), steps(0.5, 0)]).toEqual([
    6, 7, 0, 7, 0,
  ]);
});
