/** Every metric against scikit-learn and SciPy; `test/reference/metrics.py` made the numbers. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { classificationReport, confusionMatrix } from "#dist/metrics/index.js";
import { computeMetrics } from "#dist/targets/compute-metrics.js";

interface Scores {
  readonly precision: number;
  readonly recall: number;
  readonly "f1-score": number;
  readonly support: number;
}

interface Fixtures {
  readonly classification: readonly {
    readonly name: string;
    readonly labels: number;
    readonly references: number[];
    readonly predictions: number[];
    readonly accuracy: number;
    readonly macroF1: number;
    readonly binaryF1?: number;
    readonly matthews: number;
    readonly confusion: number[][];
    readonly report: Readonly<Record<string, Scores>>;
  }[];
  readonly labelSets: readonly {
    readonly name: string;
    readonly labels: number;
    readonly references: number[];
    readonly predictions: number[];
    readonly accuracy: number;
    readonly microF1: number;
    readonly macroF1: number;
  }[];
  readonly correlation: readonly {
    readonly name: string;
    readonly x: number[];
    readonly y: number[];
    readonly pearson: number | null;
    readonly spearman: number | null;
  }[];
}

const TOLERANCE = 1e-12;
const fixtures: Fixtures = JSON.parse(
  readFileSync(new URL("../reference/fixtures/metrics.json", import.meta.url), "utf8"),
);

function expectClose(actual: number | null | undefined, expected: number | null): void {
  if (expected === null || actual === null || actual === undefined) expect(actual).toBe(expected);
  else expect(Math.abs(actual - expected), `${actual} for ${expected}`).toBeLessThanOrEqual(TOLERANCE);
}

it.each(fixtures.labelSets)(
  "scikit-learn, label sets: $name",
  ({ labels, references, predictions, ...expected }) => {
    const input = { kind: "multilabel", labels, references, predictions, f1Average: "macro" } as const;
    const metrics = computeMetrics(["accuracy", "microF1", "macroF1"], input);
    for (const name of ["accuracy", "microF1", "macroF1"] as const)
      expectClose(metrics[name], expected[name]);
  },
);

describe.each(fixtures.classification)("scikit-learn: $name", (fixture) => {
  const { labels, predictions, references } = fixture;
  const input = { kind: "classification", labels, predictions, references } as const;

  it("agrees on accuracy, macro F1 and Matthews", () => {
    const metrics = computeMetrics(["accuracy", "f1", "matthews"], { ...input, f1Average: "macro" });
    expectClose(metrics.accuracy, fixture.accuracy);
    expectClose(metrics.f1, fixture.macroF1);
    expectClose(metrics.matthews, fixture.matthews);
  });

  it("agrees on the confusion matrix", () => {
    expect(confusionMatrix(input)).toEqual(fixture.confusion);
  });

  it("agrees on the report of every class and on the means", () => {
    const names = Array.from({ length: labels }, (_, index) => String(index));
    const report = classificationReport({ labels: names, predictions, references });
    expectClose(report.accuracy, fixture.accuracy);
    const rows = [
      ...report.classes.map((scores) => [scores.label, scores] as const),
      ["macro avg", report.macro] as const,
      ["weighted avg", report.weighted] as const,
    ];
    for (const [name, scores] of rows) {
      const expected = fixture.report[name];
      // scikit-learn leaves a class that occurs nowhere out.
      if (expected === undefined) {
        expect(scores).toMatchObject({ precision: 0, recall: 0, f1: 0, support: 0 });
        continue;
      }
      expectClose(scores.precision, expected.precision);
      expectClose(scores.recall, expected.recall);
      expectClose(scores.f1, expected["f1-score"]);
      expect(scores.support).toBe(expected.support);
    }
  });
});

describe.each(fixtures.classification.filter(({ labels }) => labels === 2))(
  "scikit-learn: $name",
  (fixture) => {
    it("agrees on binary F1", () => {
      const { labels, predictions, references, binaryF1 } = fixture;
      const input = { kind: "classification", labels, predictions, references, f1Average: "binary" } as const;
      expectClose(computeMetrics(["f1"], input).f1, binaryF1 ?? Number.NaN);
    });
  },
);

describe.each(fixtures.correlation)("SciPy: $name", ({ x, y, pearson, spearman }) => {
  it("agrees on Pearson and Spearman", () => {
    const metrics = computeMetrics(["pearson", "spearman"], {
      kind: "regression",
      labels: 0,
      predictions: Float64Array.from(x),
      references: y,
      f1Average: "macro",
    });
    expectClose(metrics.pearson, pearson);
    expectClose(metrics.spearman, spearman);
  });
});
