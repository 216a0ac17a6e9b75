/** Many numbers beside those that they should be. */
import { expect } from "vitest";

/**
 * Fails at the number that is furthest off: one `expect` for all of them, where one for each takes longer than what is tested.
 *
 * @param tolerance - Largest difference from an expected number of at most 1; from a larger one, that times it.
 * @param name - Of a number, by its place.
 */
export function expectNear(
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  tolerance: number,
  name: (index: number) => string,
): void {
  expect(actual?.length, `how many: ${name(0)}`).toBe(expected.length);
  let [furthest, at] = [0, -1];
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i] ?? Number.NaN;
    const off = Math.abs((actual?.[i] ?? Number.NaN) - wanted) / Math.max(1, Math.abs(wanted));
    if (off > furthest || Number.isNaN(off)) [furthest, at] = [off, i];
    if (Number.isNaN(off)) break;
  }
  if (at >= 0) expect(furthest, `${name(at)}: ${actual?.[at]}, not ${expected[at]}`).toBeLessThan(tolerance);
}
