/** The arithmetic of the benchmark: medians, percentiles, ratios with an interval. Tested on made-up times. */
import { mulberry32 } from "#dist/mulberry32.js";

export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly p10: number;
  readonly p90: number;
}

/** Linear between neighbours, as numpy's default. `p` from 0 to 1. */
export function percentile(values: readonly number[], p: number): number {
  if (values.length === 0) throw new Error("no values");
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const [low = Number.NaN, high = low] = [sorted[below], sorted[below + 1]];
  return low + (high - low) * (at - below);
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    minimum: Math.min(...values),
    p10: percentile(values, 0.1),
    p90: percentile(values, 0.9),
  };
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Above this ratio of the slowest to the fastest measurement of one and the same block, times cannot be trusted. */
const NOISE = 1.3;

/** `values` of `rounds` rounds, one after the other, each with the same blocks in the same order. */
export function isNoisy(values: readonly number[], rounds: number): boolean {
  const blocks = values.length / rounds;
  for (let block = 0; block < blocks; block++) {
    const again = values.filter((_, i) => i % blocks === block);
    if (Math.max(...again) / Math.min(...again) > NOISE) return true;
  }
  return false;
}

/**
 * How many times as long `baseline` takes as `ours` for all blocks once, each block by the median of its rounds, and the 95 %
 * bootstrap interval. Not the ratio of the medians of all: a few batches with one long text take a padded implementation most
 * of its time, and a median over blocks of different batches would leave them out.
 *
 * Both lists: `rounds` rounds, one after the other, each with the same blocks in the same order. The same index is the same
 * block of the same round, so both are drawn together.
 */
export function ratioOf(
  ours: readonly number[],
  baseline: readonly number[],
  rounds: number,
  samples = 2000,
): { ratio: number; interval: [number, number] } {
  if (ours.length !== baseline.length || ours.length % rounds !== 0)
    throw new Error("a block of one has no partner in the other");
  const blocks = ours.length / rounds;
  const random = mulberry32(1);
  const total = (values: readonly number[], roundsOf: (block: number) => readonly number[]) =>
    Array.from({ length: blocks }, (_, block) =>
      median(roundsOf(block).map((round) => values[round * blocks + block] ?? Number.NaN)),
    ).reduce((sum, value) => sum + value, 0);
  const all = Array.from({ length: rounds }, (_, round) => round);
  const ratios = Array.from({ length: samples }, () => {
    const drawn = Array.from({ length: blocks }, () => all.map(() => Math.floor(random() * rounds)));
    const roundsOf = (block: number) => drawn[block] ?? all;
    return total(baseline, roundsOf) / total(ours, roundsOf);
  });
  return {
    ratio: total(baseline, () => all) / total(ours, () => all),
    interval: [percentile(ratios, 0.025), percentile(ratios, 0.975)],
  };
}

/** Model FLOP utilisation: what was needed, of what the machine could have done in the time. */
export function utilisation(flop: number, milliseconds: number, flopPerSecond: number): number {
  return flop / ((milliseconds / 1000) * flopPerSecond);
}
