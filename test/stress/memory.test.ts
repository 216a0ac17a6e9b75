/** Workers, steps, disposal and garbage, many times over: nothing crashes, nothing stays behind. `RAT_STRESS`: see endings.test.ts. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const { RAT_STRESS = "50" } = process.env;
const TIMES = Number(RAT_STRESS);

function child<T>(scenario: string, count: number): T {
  const args = ["--expose-gc", join(import.meta.dirname, "memory-child.mjs"), scenario, String(count)];
  // One arena: what is measured is what was not freed, not how glibc spreads what was over its arenas.
  const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env,
    timeout: 900_000,
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  return JSON.parse(stdout) as T;
}

/** Of the points, by Theil and Sen: the median of the slopes of all pairs, which a few odd readings do not move. */
function slope(points: readonly (readonly [number, number])[]): number {
  return median(
    points.flatMap(([x, y], i) => points.slice(0, i).map(([otherX, otherY]) => (y - otherY) / (x - otherX))),
  );
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

test("eight trainers in eight workers, terminated in mid-step", { timeout: 900_000 }, () => {
  const readings = child<[number, number][]>("workers", 4 * TIMES);
  // What the first half does is to find its size.
  const settled = readings.slice(readings.length >> 1);
  const perWorker = slope(settled);
  console.log(`${4 * TIMES} workers terminated: ${perWorker.toFixed(1)} KiB a worker in the second half`);
  if (TIMES >= 50) expect(perWorker).toBeLessThan(100);
});

test("steps and predictions", { timeout: 900_000 }, () => {
  const readings = child<[number, number][]>("steps", 40 * TIMES).map(([, memory]) => memory);
  const quarter = Math.max(1, readings.length >> 2);
  const [early, late] = [median(readings.slice(quarter, 2 * quarter)), median(readings.slice(-quarter))];
  console.log(`${40 * TIMES} steps, ${4 * TIMES} predictions: ${early} KiB, then ${late} KiB`);
  if (TIMES >= 50) expect(late / early).toBeLessThan(1.01);
});

// Fragments of many sizes, and the code that oneDNN keeps for every shape, made this 1.8.
test("batches that never have the same number of tokens twice", { timeout: 900_000 }, () => {
  const readings = child<number[]>("shapes", Math.max(60, Math.min(3 * TIMES, 150)));
  const [early = Number.NaN, late = Number.NaN] = [readings[2], readings.at(-1)];
  console.log(`after 30 batches ${early} KiB, after ${10 * readings.length} ${late} KiB`);
  expect(late / early).toBeLessThan(1.15);
});

test("disposal in mid-step", { timeout: 300_000 }, () => {
  expect(child<number>("dispose", TIMES)).toBe(0);
});

test("garbage collection in mid-step", { timeout: 300_000 }, () => {
  expect(child<number>("garbage", TIMES)).toBe(0);
});
