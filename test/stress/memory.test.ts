/** Workers, steps, disposal and garbage, many times over: nothing crashes, nothing stays behind. `RAT_STRESS`: see endings.test.ts. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const { RAT_STRESS = "50" } = process.env;
const TIMES = Number(RAT_STRESS);

function child<T>(scenario: string, count: number): T {
  const args = ["--expose-gc", join(import.meta.dirname, "memory-child.mjs"), scenario, String(count)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    timeout: 900_000,
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  return JSON.parse(stdout) as T;
}

/** Of the line through the points by least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))];
  const above = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  return above / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

test("eight trainers in eight workers, terminated in mid-step", { timeout: 900_000 }, () => {
  const readings = child<[number, number][]>("workers", 4 * TIMES);
  // Thread pools and allocators' arenas fill up first.
  const settled = readings.slice(readings.length >> 1);
  const perWorker = slope(settled);
  console.log(`${4 * TIMES} workers terminated: ${perWorker.toFixed(1)} KiB a worker`);
  if (TIMES >= 50) expect(perWorker).toBeLessThan(100);
});

test("steps and predictions", { timeout: 900_000 }, () => {
  const readings = child<[number, number][]>("steps", 40 * TIMES).map(([, memory]) => memory);
  const quarter = Math.max(1, readings.length >> 2);
  const [early, late] = [median(readings.slice(quarter, 2 * quarter)), median(readings.slice(-quarter))];
  console.log(`${40 * TIMES} steps, ${4 * TIMES} predictions: ${early} KiB, then ${late} KiB`);
  if (TIMES >= 50) expect(late / early).toBeLessThan(1.01);
});

test("disposal in mid-step", { timeout: 300_000 }, () => {
  expect(child<number>("dispose", TIMES)).toBe(0);
});

test("garbage collection in mid-step", { timeout: 300_000 }, () => {
  expect(child<number>("garbage", TIMES)).toBe(0);
});
