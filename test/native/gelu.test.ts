/** GELU in fp32 against its definition in double: values and slopes, lengths that fill no register, what is not finite. */
import { describe, expect, test } from "vitest";
import { native } from "#dist/native/binding.js";

/** Of the standard normal distribution, by its series about 0 and, far out, a continued fraction; to 1e-14. */
function distribution(x: number): number {
  if (Math.abs(x) > 5) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / (Math.abs(x) + fraction);
    const tail = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / (Math.abs(x) + fraction);
    return x < 0 ? tail : 1 - tail;
  }
  let [term, sum] = [x, x];
  for (let k = 1; k < 120; k++) {
    term *= (-x * x) / (2 * k);
    sum += term / (2 * k + 1);
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}

const bell = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

describe.each([1, 5, 15, 16, 17, 33, 1000, 40_001])("of %d numbers", (count) => {
  const x = Float32Array.from({ length: count }, (_, i) => Math.fround(14 * Math.sin(i * 1.7) ** 3));

  /** The largest of the errors, each over what it may be. */
  const worst = (values: Float32Array, exact: (x: number) => number, most: (x: number) => number) =>
    Math.max(...values.map((value, i) => Math.abs(value - exact(x[i] ?? 0)) / most(x[i] ?? 0)));

  test("are x times the normal distribution's function", () => {
    const y = native().gelu(x, false);
    expect(y).toHaveLength(count);
    const most = (value: number) => 2e-7 * Math.max(1, Math.abs(value));
    expect(worst(y, (value) => value * distribution(value), most)).toBeLessThan(1);
  });

  test("have its slopes", () => {
    const slope = (value: number) => distribution(value) + value * bell(value);
    expect(worst(native().gelu(x, true), slope, () => 3e-7)).toBeLessThan(1);
  });
});

test("what is not finite stays so; far out it is 0 and x", () => {
  const y = native().gelu(
    Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 0, -0, -40, 40, 1e30, -1e30),
    false,
  );
  expect([...y]).toEqual([Number.NaN, Number.POSITIVE_INFINITY, 0, -0, -0, 40, Math.fround(1e30), -0]);
});
