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

const CONSISTENCIES = ["bi-kl", "kl", "ce", "js", "mae", "mse"] as const;
type Consistency = (typeof CONSISTENCIES)[number];

/** Logits `[K, B, C]`; labels `[B]`, or of label sets `[B, C]`. */
interface Problem {
  kind: "classification" | "multilabel";
  forwards: number;
  batch: number;
  classes: number;
  logits: number[];
  labels: number[];
  consistency: Consistency;
  klWeight: number;
  klReduction: Reduction;
  temperature: number;
}

interface Wanted {
  spread: number;
  consistency?: Consistency;
  forwards?: fc.Arbitrary<number>;
}

const problems = ({
  spread,
  consistency,
  forwards = fc.integer({ min: 1, max: 5 }),
}: Wanted): fc.Arbitrary<Problem> =>
  fc
    .record({
      kind: fc.constantFrom<Problem["kind"]>("classification", "multilabel"),
      forwards,
      batch: fc.integer({ min: 1, max: 6 }),
      classes: fc.integer({ min: 2, max: 7 }),
      consistency: consistency ? fc.constant(consistency) : fc.constantFrom(...CONSISTENCIES),
      klWeight: fc.double({ min: 0, max: 5, noNaN: true }),
      klReduction: fc.constantFrom<Reduction>("batch-mean", "sum", "element-mean"),
      temperature: fc.constantFrom(1, 1, 0.5, 3),
    })
    .chain((facts) => {
      const count = facts.forwards * facts.batch * facts.classes;
      const logit = fc.double({ min: -spread, max: spread, noNaN: true });
      const isSet = facts.kind === "multilabel";
      const [length, max] = isSet ? [facts.batch * facts.classes, 1] : [facts.batch, facts.classes - 1];
      return fc
        .record({
          logits: fc.array(logit, { minLength: count, maxLength: count }),
          labels: fc.array(fc.integer({ min: 0, max }), { minLength: length, maxLength: length }),
        })
        .map((numbers): Problem => ({ ...facts, ...numbers }));
    });

function lossesOf(problem: Problem, logits: readonly number[] = problem.logits) {
  const { kind, classes, labels, batch: _, ...options } = problem;
  return native().forwardLosses({
    ...options,
    ...{ kind, outputs: classes },
    logits: Float64Array.from(logits),
    labels: kind === "multilabel" ? Float32Array.from(labels) : Int32Array.from(labels),
  });
}

/** What a model says of one example: its classes' log-probabilities, or those of no and yes for each label of a set. */
function distributions(
  { kind, batch, classes, temperature }: Problem,
  logits: readonly number[],
  k: number,
  b: number,
) {
  const at = (k * batch + b) * classes;
  const z = logits.slice(at, at + classes).map((value) => value / temperature);
  const logSoftmax = (values: readonly number[]) => {
    const highest = Math.max(...values);
    const total = Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
    return values.map((value) => value - highest - total);
  };
  return kind === "multilabel" ? z.map((value) => logSoftmax([0, value])) : [logSoftmax(z)];
}

const sumOver = (p: readonly number[], q: readonly number[], term: (logP: number, logQ: number) => number) =>
  p.reduce((sum, logP, c) => sum + term(logP, q[c] ?? Number.NaN), 0);
const klOf = (p: readonly number[], q: readonly number[]) =>
  sumOver(p, q, (logP, logQ) => Math.exp(logP) * (logP - logQ));
/** Appendix C of the paper, straight from it, from log-probabilities. */
const DEFINITIONS: Record<Consistency, (p: readonly number[], q: readonly number[]) => number> = {
  "bi-kl": (p, q) => 0.5 * (klOf(p, q) + klOf(q, p)),
  kl: klOf,
  ce: (p, q) => sumOver(p, q, (logP, logQ) => -Math.exp(logP) * logQ),
  js: (p, q) => {
    const m = p.map((logP, c) => Math.log(0.5 * (Math.exp(logP) + Math.exp(q[c] ?? Number.NaN))));
    return 0.5 * (klOf(p, m) + klOf(q, m));
  },
  mae: (p, q) => sumOver(p, q, (logP, logQ) => Math.abs(Math.exp(logP) - Math.exp(logQ))) / p.length,
  mse: (p, q) => sumOver(p, q, (logP, logQ) => (Math.exp(logP) - Math.exp(logQ)) ** 2) / p.length,
};

/** Mean over pairs, and over the labels of a set; then the reduction. */
function consistencyOf(problem: Problem, logits: readonly number[]): number {
  const { kind, forwards, batch, classes, klReduction } = problem;
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < forwards; i++)
    for (let j = i + 1; j < forwards; j++) {
      pairs++;
      for (let b = 0; b < batch; b++) {
        const [p, q] = [distributions(problem, logits, i, b), distributions(problem, logits, j, b)];
        for (const [n, each] of p.entries())
          sum += DEFINITIONS[problem.consistency](each, q[n] ?? []) / p.length;
      }
    }
  if (pairs === 0) return 0;
  const elements = kind === "multilabel" ? batch : batch * classes;
  return sum / pairs / { sum: 1, "batch-mean": batch, "element-mean": elements }[klReduction];
}

const close = (actual: number, expected: number, tolerance = 1e-10) =>
  Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));

describe.each(CONSISTENCIES)("the consistency loss %s", (consistency) => {
  test("is its definition", () =>
    fc.assert(
      fc.property(problems({ spread: 20, consistency }), (problem) =>
        close(lossesOf(problem).consistency, consistencyOf(problem, problem.logits), 1e-9),
      ),
      RUNS,
    ));

  // Cross-entropy of a forward with itself is its entropy.
  const ofItself = consistency === "ce" ? [] : ["zero, and has no gradient"];
  test.each(ofItself)("of a forward with itself is %s", () =>
    fc.assert(
      fc.property(
        problems({ spread: 1e4, consistency, forwards: fc.constant(1) }),
        fc.integer({ min: 2, max: 4 }),
        (problem, copies) => {
          const logits = Array.from({ length: copies }, () => problem.logits).flat();
          const both = lossesOf({ ...problem, forwards: copies, klWeight: 1 }, logits);
          const without = lossesOf({ ...problem, forwards: copies, klWeight: 0 }, logits);
          expect(both.consistency).toBeCloseTo(0, 14);
          for (const [i, value] of both.dlogits.entries())
            expect(Math.abs(value - (without.dlogits[i] ?? Number.NaN))).toBeLessThan(1e-14);
        },
      ),
      RUNS,
    ),
  );

  const isSymmetric = !["kl", "ce"].includes(consistency);
  test(`is ${isSymmetric ? "" : "not "}symmetric`, () => {
    const changed = fc
      .sample(problems({ spread: 20, consistency, forwards: fc.constant(2) }), RUNS)
      .filter((problem) => {
        const half = problem.logits.length / 2;
        const swap = <T>(values: T[]) => [...values.slice(half), ...values.slice(0, half)];
        const one = lossesOf(problem);
        const other = lossesOf(problem, swap(problem.logits));
        const gradient = swap([...other.dlogits]);
        return !(
          close(one.consistency, other.consistency, 1e-12) &&
          one.dlogits.every((value, i) => close(value, gradient[i] ?? Number.NaN, 1e-12))
        );
      });
    expect(changed.length > 0).toBe(!isSymmetric);
  });

  test("is never negative, and finite with a finite gradient for logits up to 1e4", () =>
    fc.assert(
      fc.property(problems({ spread: 1e4, consistency }), (problem) => {
        const { supervised, consistency: value, dlogits } = lossesOf(problem);
        return supervised >= 0 && value >= -1e-12 && Number.isFinite(value) && dlogits.every(Number.isFinite);
      }),
      RUNS,
    ));

  test("does not change when a constant is added to the logits of an example", () =>
    fc.assert(
      fc.property(
        problems({ spread: 20, consistency }),
        fc.double({ min: -1e3, max: 1e3, noNaN: true }),
        (some, constant) => {
          const problem: Problem = {
            ...some,
            kind: "classification",
            labels: some.labels.slice(0, some.batch),
          };
          const shifted = problem.logits.map(
            (value, i) => value + constant * (Math.floor(i / problem.classes) % 3),
          );
          const [one, other] = [lossesOf(problem), lossesOf(problem, shifted)];
          return (
            close(one.consistency, other.consistency, 1e-9) && close(one.supervised, other.supervised, 1e-9)
          );
        },
      ),
      RUNS,
    ));
});

test("the Jensen-Shannon divergence is at most log 2", () =>
  fc.assert(
    fc.property(problems({ spread: 1e4, consistency: "js", forwards: fc.constant(2) }), (problem) => {
      const { consistency } = lossesOf({ ...problem, klReduction: "batch-mean" });
      return consistency <= Math.LN2 + 1e-15;
    }),
    RUNS,
  ));

test("a temperature is logits that are divided by it", () =>
  fc.assert(
    fc.property(problems({ spread: 20 }), (problem) => {
      const cooled = lossesOf({ ...problem, temperature: 3 });
      const divided = lossesOf(
        { ...problem, temperature: 1 },
        problem.logits.map((value) => value / 3),
      );
      return (
        close(cooled.supervised, divided.supervised, 1e-12) &&
        cooled.dlogits.every((value, i) => close(value, (divided.dlogits[i] ?? Number.NaN) / 3, 1e-12))
      );
    }),
    RUNS,
  ));

test.each([4, 60])("the gradient of all losses is what central differences say, logits up to %d", (spread) =>
  fc.assert(
    fc.property(problems({ spread }), (problem) => {
      const { dlogits } = lossesOf(problem);
      const total = (logits: readonly number[]) => {
        const { supervised, consistency } = lossesOf(problem, logits);
        return supervised + problem.klWeight * consistency;
      };
      const h = 1e-5;
      const shifted = (at: number, by: number) =>
        total(problem.logits.map((value, i) => (i === at ? value + by : value)));
      for (const [i, gradient] of dlogits.entries())
        if (!close(gradient, (shifted(i, h) - shifted(i, -h)) / (2 * h), 1e-6)) return false;
      if (problem.kind === "multilabel") return true;
      for (let row = 0; row < dlogits.length; row += problem.classes) {
        const sum = dlogits.slice(row, row + problem.classes).reduce((a, b) => a + b, 0);
        if (Math.abs(sum) > 1e-11 * (1 + problem.klWeight)) return false;
      }
      return true;
    }),
    { ...RUNS, numRuns: 150 },
  ),
);

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
      fc.asyncProperty(labelled, epsilons, fc.constantFrom("matrix", "example"), (batch, epsilon, scope) => {
        const regularizer = { type: "r-at", forwards: epsilon.length, epsilon, scope } as const;
        return withTiny(name, { precision, regularizer }, async (trainer) => {
          const { deltaNorm, skippedPerturbations } = await trainer.trainStep(batch, 1, 0);
          const mean = epsilon.reduce((sum, value) => sum + value, 0) / epsilon.length;
          // A text that no unit of the model answers has no gradient of its own, and no δ.
          const perturbed = scope === "matrix" ? 1 : 1 - skippedPerturbations / batch.exampleIds.length;
          return (
            close(deltaNorm / mean, perturbed, tolerance) &&
            (scope === "example" || skippedPerturbations === 0)
          );
        });
      }),
      FEW_RUNS,
    ),
  );

  test("leaves every weight bit-identical until the optimizer moves it", () =>
    fc.assert(
      fc.asyncProperty(labelled, epsilons, (batch, epsilon) => {
        const regularizer = {
          type: "r-at",
          forwards: epsilon.length,
          epsilon,
          forwardDropout: [0.4],
          klWeight: 1,
        } as const;
        return withTiny(name, { regularizer }, async (trainer) => {
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
        withTiny(name, { regularizer: { type: "r-at", forwards: 2, klWeight: 0.5 } }, async (trainer) => {
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
    const regularizer = {
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
      const event = await withTiny(name, { regularizer }, (trainer) => trainer.trainStep(batch, 1, 0.1));
      expect(Object.values(event).every(Number.isFinite)).toBe(true);
      expect(event.loss).toBeGreaterThan(0);
    }
  });
});
