/**
 * What may be said of scores over a few seeds. Runs of one seed begin with the same weights and see the data in the same order,
 * so that methods are compared seed by seed.
 */
import fDistribution from "@stdlib/stats-base-dists-f-cdf";
import { mean, median, quantileSorted, sampleStandardDeviation, sum } from "simple-statistics";
import { mulberry32 } from "../mulberry32.js";

/** Of several scores. */
export interface Spread {
  readonly n: number;
  readonly mean: number;
  /** Sample standard deviation (n - 1); null for one score. */
  readonly deviation: number | null;
  readonly median: number;
}

/** Of differences, pair by pair. */
export interface PairedComparison {
  readonly n: number;
  readonly mean: number;
  readonly deviation: number | null;
  /** Two-sided p of the paired t-test; null below two pairs, and where all differences are equal. */
  readonly tTest: number | null;
  /** Two-sided p of Wilcoxon's signed-rank test, exact, zeros left out; null if nothing is left. */
  readonly wilcoxon: number | null;
  /** 95 % percentile bootstrap interval of the mean; null below two pairs. */
  readonly interval: readonly [number, number] | null;
}

export function spreadOf(values: readonly number[]): Spread {
  const numbers = [...values];
  return {
    ...{ n: numbers.length, mean: mean(numbers), median: median(numbers) },
    deviation: numbers.length < 2 ? null : sampleStandardDeviation(numbers),
  };
}

/** @param differences - At least one. */
export function comparePairs(differences: readonly number[]): PairedComparison {
  const { n, mean: average, deviation } = spreadOf(differences);
  return {
    ...{ n, mean: average, deviation },
    tTest: pairedTTest(differences),
    wilcoxon: wilcoxon(differences),
    interval: bootstrapInterval(differences),
  };
}

/** t² of n differences has the F distribution of 1 and n - 1 degrees of freedom. */
export function pairedTTest(differences: readonly number[]): number | null {
  const { n, mean: average, deviation } = spreadOf(differences);
  // Equal but for rounding.
  if (deviation === null || deviation <= 1e-12 * Math.abs(average)) return null;
  return 1 - fDistribution((average ** 2 * n) / deviation ** 2, 1, n - 1);
}

/**
 * Wilcoxon's signed-rank test: of all 2^n ways to give the ranks signs, the part whose sum is as far from its mean. Ties share
 * their mean rank, and the distribution is that of the ranks as they are.
 */
export function wilcoxon(differences: readonly number[]): number | null {
  const nonZero = differences.filter((difference) => difference !== 0);
  if (nonZero.length === 0) return null;
  const doubled = doubledRanks(nonZero.map(Math.abs)); // whole numbers, ties too
  const total = sum(doubled);
  const positive = sum(doubled.filter((_, i) => (nonZero[i] ?? 0) > 0));
  // ways[s]: the share of the sign patterns whose positive ranks sum up to s.
  let ways = new Float64Array(total + 1);
  ways[0] = 1;
  for (const rank of doubled) {
    const next = new Float64Array(total + 1);
    for (let s = 0; s <= total; s++) next[s] = ((ways[s] ?? 0) + (s >= rank ? (ways[s - rank] ?? 0) : 0)) / 2;
    ways = next;
  }
  const distance = Math.abs(positive - total / 2);
  return Math.min(1, sum(Array.from(ways).filter((_, s) => Math.abs(s - total / 2) >= distance)));
}

function doubledRanks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return 2 * below + equal + 1;
  });
}

/**
 * Whether two methods scatter differently over seeds: the Brown-Forsythe test, an analysis of variance of the distances from
 * each group's median. Null where a group has fewer than three scores (two are always equally far), or nothing scatters.
 */
export function brownForsythe(...groups: readonly (readonly number[])[]): number | null {
  if (groups.length < 2 || groups.some((group) => group.length < 3)) return null;
  const distances = groups.map((group) => {
    const middle = median([...group]);
    return group.map((value) => Math.abs(value - middle));
  });
  const all = distances.flat();
  const center = mean(all);
  const between = sum(distances.map((group) => group.length * (mean(group) - center) ** 2));
  const within = sum(distances.flatMap((group) => group.map((value) => (value - mean(group)) ** 2)));
  if (within === 0) return null;
  const [k, n] = [groups.length, all.length];
  return 1 - fDistribution(between / (k - 1) / (within / (n - k)), k - 1, n - k);
}

/** Holm's correction: p values that hold for all of them together, in the order they came; null stays null. */
export function holm(values: readonly (number | null)[]): (number | null)[] {
  const known = values.flatMap((p, i) => (p === null ? [] : [{ p, i }])).sort((a, b) => a.p - b.p);
  const corrected: (number | null)[] = values.map(() => null);
  let largest = 0;
  known.forEach(({ p, i }, place) => {
    largest = Math.max(largest, Math.min(1, p * (known.length - place)));
    corrected[i] = largest;
  });
  return corrected;
}

const RESAMPLES = 10_000;

/** Always the same resamples, so that a table is the same again. */
export function bootstrapInterval(values: readonly number[]): readonly [number, number] | null {
  if (values.length < 2) return null;
  const next = mulberry32(1);
  const means = Array.from({ length: RESAMPLES }, () => {
    let total = 0;
    for (let i = 0; i < values.length; i++) total += values[Math.floor(next() * values.length)] ?? 0;
    return total / values.length;
  }).sort((a, b) => a - b);
  return [quantileSorted(means, 0.025), quantileSorted(means, 0.975)];
}
