/**
 * Matrix products on the CPU beside sums in double: sizes about what a block and a panel hold, either side a transposed view, sums
 * longer than what is taken at a time.
 */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type NativeMatrix, native } from "#dist/native/binding.js";
import { expectNear } from "../support/numbers.js";

/** `[m, k]`, `[n, k]`. */
const SIZES = [
  [1, 1, 1],
  [5, 3, 2],
  [12, 16, 32],
  [13, 17, 33],
  [6, 40, 64],
  [25, 31, 31],
  [100, 384, 96],
  [23, 1024, 40],
  [37, 2500, 70],
  [3, 64, 300],
] as const;
/** That bf16 has, too. */
const number = (i: number) => Math.round(128 * Math.sin(i * 1.7 + 0.3 * (i % 7))) / 128;

/** Whether products of bf16 are ours: elsewhere LibTorch's, which are rounded. */
const addsInFloat = (() => {
  const file = "/proc/cpuinfo";
  const flags = existsSync(file) ? readFileSync(file, "utf8") : "";
  const { ATEN_CPU_CAPABILITY: narrowed } = process.env;
  return !narrowed && / avx512_bf16 /.test(flags) && !/ amx_bf16 /.test(flags);
})();
const UNITS = { fp64: 1e-15, fp32: 5e-7, bf16: addsInFloat ? 5e-7 : 1e-2 };
const ROUNDED = 2 ** -8;

function matrix(rows: number, columns: number, transposed: boolean, from: number): NativeMatrix {
  const values = Float64Array.from({ length: rows * columns }, (_, i) => number(from + i));
  if (!transposed) return { values, rows, columns };
  const across = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? Number.NaN);
  return { values: across, rows: columns, columns: rows, transposed };
}

const cases = SIZES.flatMap(([m, k, n]) =>
  [
    [false, false],
    [false, true],
    [true, true],
    [true, false],
  ].map(([left = false, right = false]) => ({ m, k, n, left, right })),
);

test.each(cases)("[$m, $k] times [$k, $n], across: $left, $right", ({ m, k, n, left, right }) => {
  const bias = matrix(1, n, false, 77);
  const [x, weight] = [matrix(m, k, false, 0), matrix(n, k, false, 5)];
  const sums = Float64Array.from({ length: m * n }, (_, at) => {
    const [row, column] = [Math.floor(at / n) * k, (at % n) * k];
    let sum = bias.values[at % n] ?? Number.NaN;
    for (let i = 0; i < k; i++) sum += (x.values[row + i] ?? 0) * (weight.values[column + i] ?? 0);
    return sum;
  });
  const given = { x: matrix(m, k, left, 0), weight: matrix(n, k, right, 5) };
  for (const precision of ["fp64", "fp32", "bf16"] as const) {
    const tolerance = UNITS[precision] * (4 + k / 4);
    const result = native().product({ ...given, bias, precision });
    expectNear(result, sums, tolerance, (at) => `${precision} ${at}`);
    const plain = native().product({ ...given, precision });
    const without = sums.map((sum, at) => sum - (bias.values[at % n] ?? 0));
    expectNear(plain, without, tolerance, (at) => `${precision} ${at} without bias`);
  }
  const sum = matrix(m, n, false, 31);
  for (const precision of ["fp64", "fp32", "bf16"] as const) {
    const result = native().product({ ...given, sum, precision });
    const expected = sums.map((each, at) => each - (bias.values[at % n] ?? 0) + (sum.values[at] ?? 0));
    expectNear(result, expected, UNITS[precision] * (4 + k / 4), (at) => `${precision} ${at} added`);
  }
  const rounded = native().product({ ...given, bias, precision: "bf16", rounds: true });
  expectNear(rounded, sums, ROUNDED + UNITS.bf16 * (4 + k / 4), (at) => `rounded ${at}`);
});

test("a row is the same to the bit, whatever rows stand beside it", () => {
  const [k, n] = [200, 70];
  const weight = matrix(n, k, false, 5);
  for (const precision of ["fp64", "fp32"] as const) {
    const all = native().product({ x: matrix(29, k, false, 0), weight, precision });
    for (let count = 1; count < 29; count++) {
      const some = native().product({ x: matrix(count, k, false, 0), weight, precision });
      expect(Buffer.compare(Buffer.from(some.buffer), Buffer.from(all.slice(0, count * n).buffer))).toBe(0);
    }
  }
});

test("what is not finite stays in its row", () => {
  const x = matrix(14, 20, false, 0);
  x.values[20 * 3] = Number.NaN;
  const result = native().product({ x, weight: matrix(5, 20, false, 5), precision: "fp32" });
  for (const [at, value] of result.entries())
    expect(Number.isNaN(value), `${at}`).toBe(Math.floor(at / 5) === 3);
});
