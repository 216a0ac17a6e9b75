/** Several runs of one kind as a line with a band. */
import { spreadOf } from "../experiment/statistics.js";
import type { Point } from "./chart.js";

/** One run's values. */
export type Line = readonly { readonly x: number; readonly y: number }[];

/** Mean ± standard deviation of the lines at each place that all of them have. */
export function bandOf(series: string, lines: readonly Line[]): Point[] {
  const length = Math.min(...lines.map((line) => line.length));
  return Array.from({ length: Number.isFinite(length) ? length : 0 }, (_, i) => {
    const { mean, deviation } = spreadOf(lines.map((line) => line[i]?.y ?? Number.NaN));
    const half = deviation ?? 0;
    return { x: lines[0]?.[i]?.x ?? 0, y: mean, series, low: mean - half, high: mean + half };
  }).filter(({ y }) => Number.isFinite(y));
}

/** At most `most` points, each the mean of those that it stands for, at the last of them. */
export function thinned(line: Line, most: number): Line {
  const size = Math.max(1, Math.ceil(line.length / most));
  const points: { x: number; y: number }[] = [];
  for (let i = 0; i < line.length; i += size) {
    const some = line.slice(i, i + size);
    points.push({ x: some.at(-1)?.x ?? 0, y: some.reduce((sum, { y }) => sum + y, 0) / some.length });
  }
  return points;
}
