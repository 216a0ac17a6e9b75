/** Against SciPy (test/reference/score_statistics.py), and against what the tests are by definition. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  bootstrapInterval,
  brownForsythe,
  comparePairs,
  holm,
  pairedTTest,
  spreadOf,
  wilcoxon,
} from "#dist/experiment/statistics.js";

interface Fixture {
  readonly cases: readonly {
    readonly first: readonly number[];
    readonly second: readonly number[];
    readonly tTest: number;
    readonly wilcoxon: number;
    readonly brownForsythe: number;
  }[];
  readonly groups: { readonly values: readonly (readonly number[])[]; readonly brownForsythe: number };
  readonly holm: { readonly values: readonly number[]; readonly adjusted: readonly number[] };
}

const path = new URL("../reference/fixtures/statistics.json", import.meta.url);
const fixture = JSON.parse(readFileSync(path, "utf8")) as Fixture;

describe("as SciPy", () => {
  test.each(fixture.cases.map((one, i) => [i, one] as const))("pair of samples %i", (_, one) => {
    const differences = one.first.map((value, i) => value - (one.second[i] ?? Number.NaN));
    expect(pairedTTest(differences)).toBeCloseTo(one.tTest, 10);
    expect(wilcoxon(differences)).toBeCloseTo(one.wilcoxon, 10);
    expect(brownForsythe(one.first, one.second) ?? Number.NaN).toBeCloseTo(one.brownForsythe, 10);
  });

  test("three groups, and Holm's correction", () => {
    expect(brownForsythe(...fixture.groups.values)).toBeCloseTo(fixture.groups.brownForsythe, 10);
    holm(fixture.holm.values).forEach((p, i) => {
      expect(p).toBeCloseTo(fixture.holm.adjusted[i] ?? Number.NaN, 12);
    });
  });
});

describe("where little is known", () => {
  test("one score has no deviation, one pair no test, equal differences no variance", () => {
    expect(spreadOf([0.5])).toEqual({ n: 1, mean: 0.5, deviation: null, median: 0.5 });
    expect(comparePairs([0.1])).toMatchObject({ n: 1, tTest: null, interval: null });
    expect(pairedTTest([0.1, 0.1, 0.1])).toBeNull();
    expect(wilcoxon([0, 0])).toBeNull();
    expect(brownForsythe([1, 1, 1], [2, 2, 2])).toBeNull();
    expect(brownForsythe([1, 2], [2, 3, 5])).toBeNull();
    expect(holm([null, 0.01, 0.5])).toEqual([null, 0.02, 0.5]);
  });

  test("Wilcoxon with ties counts sign patterns: three equal gains are one pattern in eight, on two sides", () => {
    expect(wilcoxon([1, 1, 1])).toBe(0.25);
    expect(wilcoxon([1, 1, -1])).toBe(1);
    expect(wilcoxon([1, 1, 0, 1])).toBe(0.25);
  });
});

test("the bootstrap's interval is about the mean, within the values, and always the same", () => {
  const values = [0.01, 0.02, -0.005, 0.03, 0.012];
  const [low = Number.NaN, high = Number.NaN] = bootstrapInterval(values) ?? [];
  const { mean, deviation } = spreadOf(values);
  expect(low).toBeGreaterThanOrEqual(Math.min(...values));
  expect(high).toBeLessThanOrEqual(Math.max(...values));
  expect((low + high) / 2).toBeCloseTo(mean, 2);
  // 1.96 standard errors a side, a little less for so few values.
  expect((high - low) / 2).toBeGreaterThan((1.4 * (deviation ?? 0)) / Math.sqrt(values.length));
  expect(bootstrapInterval(values)).toEqual([low, high]);
});
