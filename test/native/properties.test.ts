/** What must hold whatever the numbers are, tried on random ones. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { native } from "#dist/native/binding.js";
import {
  CLASSES,
  examplesOf,
  LONGEST,
  modelNames,
  packTexts,
  tinyTrainer,
  VOCABULARY,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const RUNS = { numRuns: 200, seed: 2022 };
/** Of properties that build models. */
const FEW_RUNS = { numRuns: 15, seed: 2022 };

type Reduction = "batch-mean" | "sum" | "element-mean";

/** Logits `[K, B, C]`, labels `[B]`. */
interface Problem {
  forwards: number;
  batch: number;
  classes: number;
  logits: number[];
  labels: number[];
  klWeight: number;
  klReduction: Reduction;
}

const problems = (spread: number, forwards = fc.integer({ min: 1, max: 5 })): fc.Arbitrary<Problem> =>
  fc
    .record({
      forwards,
      batch: fc.integer({ min: 1, max: 6 }),
      classes: fc.integer({ min: 2, max: 7 }),
      klWeight: fc.double({ min: 0, max: 5, noNaN: true }),
      klReduction: fc.constantFrom<Reduction>("batch-mean", "sum", "element-mean"),
    })
    .chain((sizes) => {
      const count = sizes.forwards * sizes.batch * sizes.classes;
      const logit = fc.double({ min: -spread, max: spread, noNaN: true });
      return fc.record({
        ...(Object.fromEntries(Object.entries(sizes).map(([key, value]) => [key, fc.constant(value)])) as {
          [K in keyof typeof sizes]: fc.Arbitrary<(typeof sizes)[K]>;
        }),
        logits: fc.array(logit, { minLength: count, maxLength: count }),
        labels: fc.array(fc.integer({ min: 0, max: sizes.classes - 1 }), {
          minLength: sizes.batch,
          maxLength: sizes.batch,
        }),
      });
    });

function lossesOf(problem: Problem, logits: readonly number[] = problem.logits) {
  const { forwards, labels, klWeight, klReduction } = problem;
  return native().forwardLosses({
    logits: Float64Array.from(logits),
    labels: Int32Array.from(labels),
    ...{ forwards, klWeight, klReduction },
  });
}

/** Definition of equation 7, straight from it, mean over pairs; then the reduction. */
function consistencyOf(
  { forwards, batch, classes, klReduction }: Problem,
  logits: readonly number[],
): number {
  const logP = (k: number, b: number) => {
    const z = logits.slice((k * batch + b) * classes, (k * batch + b + 1) * classes);
    const highest = Math.max(...z);
    const total = Math.log(z.reduce((sum, value) => sum + Math.exp(value - highest), 0));
    return z.map((value) => value - highest - total);
  };
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < forwards; i++)
    for (let j = i + 1; j < forwards; j++) {
      pairs++;
      for (let b = 0; b < batch; b++) {
        const [p, q] = [logP(i, b), logP(j, b)];
        for (let c = 0; c < classes; c++) {
          const [logPc = 0, logQc = 0] = [p[c], q[c]];
          sum += 0.5 * (Math.exp(logPc) - Math.exp(logQc)) * (logPc - logQc);
        }
      }
    }
  if (pairs === 0) return 0;
  const divisor = { sum: 1, "batch-mean": batch, "element-mean": batch * classes }[klReduction];
  return sum / pairs / divisor;
}

const close = (actual: number, expected: number, tolerance = 1e-10) =>
  Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));

describe("the consistency loss", () => {
  test("is its definition", () =>
    fc.assert(
      fc.property(problems(20), (problem) =>
        close(lossesOf(problem).consistency, consistencyOf(problem, problem.logits)),
      ),
      RUNS,
    ));

  test("of a forward with itself is zero, and has no gradient", () =>
    fc.assert(
      fc.property(problems(1e4, fc.constant(1)), fc.integer({ min: 2, max: 4 }), (problem, copies) => {
        const logits = Array.from({ length: copies }, () => problem.logits).flat();
        const both = lossesOf({ ...problem, forwards: copies, klWeight: 1 }, logits);
        const without = lossesOf({ ...problem, forwards: copies, klWeight: 0 }, logits);
        expect(both.consistency).toBe(0);
        expect(both.dlogits).toEqual(without.dlogits);
      }),
      RUNS,
    ));

  test("is symmetric: forwards in another order give the same losses and gradients", () =>
    fc.assert(
      fc.property(problems(50, fc.constant(2)), (problem) => {
        const half = problem.logits.length / 2;
        const swap = <T>(values: T[]) => [...values.slice(half), ...values.slice(0, half)];
        const one = lossesOf(problem);
        const other = lossesOf(problem, swap(problem.logits));
        const gradient = swap([...other.dlogits]);
        return (
          close(one.consistency, other.consistency, 1e-12) &&
          one.dlogits.every((value, i) => close(value, gradient[i] ?? Number.NaN, 1e-12))
        );
      }),
      RUNS,
    ));

  test("is never negative, and finite with a finite gradient for logits up to 1e4", () =>
    fc.assert(
      fc.property(problems(1e4), (problem) => {
        const { supervised, consistency, dlogits } = lossesOf(problem);
        return (
          supervised >= 0 &&
          consistency >= 0 &&
          Number.isFinite(consistency) &&
          dlogits.every(Number.isFinite)
        );
      }),
      RUNS,
    ));

  test("does not change when a constant is added to the logits of an example", () =>
    fc.assert(
      fc.property(problems(20), fc.double({ min: -1e3, max: 1e3, noNaN: true }), (problem, constant) => {
        const { classes } = problem;
        const shifted = problem.logits.map((value, i) => value + constant * (Math.floor(i / classes) % 3));
        const [one, other] = [lossesOf(problem), lossesOf(problem, shifted)];
        return (
          close(one.consistency, other.consistency, 1e-9) && close(one.supervised, other.supervised, 1e-9)
        );
      }),
      RUNS,
    ));
});

test("the gradient of all losses is what central differences say, and sums to zero over the classes", () =>
  fc.assert(
    fc.property(problems(4), (problem) => {
      const { dlogits } = lossesOf(problem);
      const total = (logits: readonly number[]) => {
        const { supervised, consistency } = lossesOf(problem, logits);
        return supervised + problem.klWeight * consistency;
      };
      const h = 1e-5;
      const shifted = (at: number, by: number) =>
        total(problem.logits.map((value, i) => (i === at ? value + by : value)));
      for (const [i, gradient] of dlogits.entries())
        if (!close(gradient, (shifted(i, h) - shifted(i, -h)) / (2 * h), 1e-7)) return false;
      for (let row = 0; row < dlogits.length; row += problem.classes) {
        const sum = dlogits.slice(row, row + problem.classes).reduce((a, b) => a + b, 0);
        if (Math.abs(sum) > 1e-12 * (1 + problem.klWeight)) return false;
      }
      return true;
    }),
    { ...RUNS, numRuns: 60 },
  ));

const texts = fc.array(
  fc.array(fc.integer({ min: 2, max: VOCABULARY - 1 }), { minLength: 1, maxLength: LONGEST }),
  { minLength: 1, maxLength: 6 },
);
const labelled = texts.chain((given) =>
  fc
    .array(fc.integer({ min: 0, max: CLASSES - 1 }), { minLength: given.length, maxLength: given.length })
    .map((labels) => packTexts(given, Int32Array.from(labels))),
);
const epsilons = fc.array(fc.double({ min: 1e-3, max: 100, noNaN: true }), { minLength: 1, maxLength: 3 });

describe.each(modelNames)("%s", (name) => {
  test.each([
    ["fp64", 1e-12],
    ["fp32", 1e-6],
  ] as const)("adds a delta of norm epsilon in %s", (precision, tolerance) =>
    fc.assert(
      fc.asyncProperty(labelled, epsilons, (batch, epsilon) => {
        const objective = { type: "r-at", forwards: epsilon.length, epsilon } as const;
        return withTiny(name, { precision, objective }, async (trainer) => {
          const { deltaNorm, skippedPerturbations } = await trainer.trainStep(batch, 1, 0);
          const mean = epsilon.reduce((sum, value) => sum + value, 0) / epsilon.length;
          return skippedPerturbations === 0 && close(deltaNorm / mean, 1, tolerance);
        });
      }),
      FEW_RUNS,
    ),
  );

  test("leaves every weight bit-identical until the optimizer moves it", () =>
    fc.assert(
      fc.asyncProperty(labelled, epsilons, (batch, epsilon) => {
        const objective = {
          type: "r-at",
          forwards: epsilon.length,
          epsilon,
          forwardDropout: [0.4],
          klWeight: 1,
        } as const;
        return withTiny(name, { objective }, async (trainer) => {
          const before = await weightsOf(trainer);
          await trainer.trainStep(batch, 1, 0); // at rate 0 the optimizer moves nothing
          expect(await weightsOf(trainer)).toEqual(before);
        });
      }),
      FEW_RUNS,
    ));

  test("loses twice the cross-entropy with two forwards at epsilon 0 and without dropout", () =>
    fc.assert(
      fc.asyncProperty(labelled, (batch) =>
        withTiny(name, { objective: { type: "r-at", forwards: 2, klWeight: 0.5 } }, async (trainer) => {
          const { loss, cleanLoss, klLoss } = await trainer.trainStep(batch, 1, 0);
          return close(loss, 2 * cleanLoss, 1e-12) && Math.abs(klLoss) < 1e-12;
        }),
      ),
      FEW_RUNS,
    ));

  test("gives the same outputs however texts are packed", async () => {
    const trainer = tinyTrainer(name);
    try {
      await fc.assert(
        fc.asyncProperty(texts, fc.nat(), async (given, turn) => {
          const together = await trainer.predict(packTexts(given));
          // In another order, and one by one.
          const order = given.map((_, i) => (i + turn) % given.length).reverse();
          const shuffled = await trainer.predict(packTexts(order.map((row) => given[row] ?? [])));
          for (const [place, row] of order.entries()) {
            const alone = await trainer.predict(packTexts([given[row] ?? []]));
            for (let c = 0; c < CLASSES; c++) {
              const value = together[row * CLASSES + c] ?? Number.NaN;
              if (!close(shuffled[place * CLASSES + c] ?? Number.NaN, value, 1e-12)) return false;
              if (!close(alone[c] ?? Number.NaN, value, 1e-12)) return false;
            }
          }
          return true;
        }),
        { ...FEW_RUNS, numRuns: 40 },
      );
    } finally {
      await trainer.dispose();
    }
  });

  test("takes text of one token, a batch of one, and a batch of one class", async () => {
    const objective = {
      type: "r-at",
      forwards: 2,
      epsilon: [0.5],
      cleanDropout: 0.3,
      forwardDropout: [0.3],
    } as const;
    for (const batch of [
      packTexts([[4]], Int32Array.of(1)),
      packTexts([[4, 5]], Int32Array.of(0)),
      { ...examplesOf([1, 2, 3, 4]), labels: Int32Array.of(2, 2, 2, 2) },
    ]) {
      const event = await withTiny(name, { objective }, (trainer) => trainer.trainStep(batch, 1, 0.1));
      expect(Object.values(event).every(Number.isFinite)).toBe(true);
      expect(event.loss).toBeGreaterThan(0);
    }
  });
});
