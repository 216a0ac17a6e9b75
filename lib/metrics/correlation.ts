/** Pearson's and Spearman's correlation, as SciPy computes them. */

/**
 * Pearson's r of two lists of the same length, -1 to 1. Null where it is undefined: fewer than two rows, a list whose
 * values are all equal, or a value that is not finite.
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  const a = centred(x);
  const b = centred(y);
  if (a === null || b === null) return null;
  // Each is scaled to length 1 before they are multiplied, so that no square overflows.
  let r = 0;
  for (let row = 0; row < a.length; row++) r += (a[row] ?? 0) * (b[row] ?? 0);
  return Math.min(1, Math.max(-1, r));
}

/** Spearman's rho: Pearson's r of the ranks, equal values sharing the mean of theirs. Null as {@link pearson}. */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  if (!allFinite(x) || !allFinite(y)) return null;
  return pearson(ranks(x), ranks(y));
}

/** The values less their mean, scaled to length 1; null if there is nothing to scale. */
function centred(values: ArrayLike<number>): Float64Array | null {
  const result = Float64Array.from(values);
  const first = result[0];
  if (result.length < 2 || !allFinite(result) || result.every((value) => value === first)) return null;
  const mean = preciseSum(result) / result.length;
  const deviations = result.map((value) => value - mean);
  const largest = deviations.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!(largest > 0 && largest < Infinity)) return null;
  const scaled = deviations.map((value) => value / largest);
  const norm = Math.sqrt(preciseSum(scaled.map((value) => value * value)));
  return scaled.map((value) => value / norm);
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (value, row) => ({ value, row })).sort((a, b) => a.value - b.value);
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && order[end]?.value === order[start]?.value) end++;
    for (const { row } of order.slice(start, end)) result[row] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}

function allFinite(values: ArrayLike<number>): boolean {
  return Array.prototype.every.call(values, Number.isFinite);
}

/** Neumaier's compensated sum: a plain one loses the digits that a mean far from zero needs. */
function preciseSum(values: Float64Array): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}
