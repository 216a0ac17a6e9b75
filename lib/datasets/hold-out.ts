/** A dev set out of the training rows, the same one in every run. */
import { mulberry32 } from "../mulberry32.js";
import type { Example } from "./types.js";

/** Fixed, and apart from a run's own seed: every seed and every method is compared on the same dev rows. */
const HOLD_OUT_SEED = 20_221_207;

/** Both parts in the order of the file. */
export interface HeldOut {
  readonly train: Example[];
  readonly dev: Example[];
}

/**
 * Holds out a share of each class, rounded (where labels are not classes, of all rows); at least one row of a class that has two, and
 * never the last one. Which rows depends on the rows' labels and on nothing else.
 */
export function holdOut(examples: readonly Example[], share: number): HeldOut {
  const rowsByClass = new Map<string, number[]>();
  examples.forEach(({ label }, row) => {
    const stratum = typeof label === "string" ? label : "";
    const rows = rowsByClass.get(stratum);
    if (rows) rows.push(row);
    else rowsByClass.set(stratum, [row]);
  });

  const random = mulberry32(HOLD_OUT_SEED);
  const chosen = new Uint8Array(examples.length);
  for (const stratum of [...rowsByClass.keys()].sort()) {
    const rows = rowsByClass.get(stratum) ?? [];
    const count = Math.min(Math.max(Math.round(rows.length * share), 1), rows.length - 1);
    for (const row of sample(rows, count, random)) chosen[row] = 1;
  }
  return {
    train: examples.filter((_, row) => chosen[row] === 0),
    dev: examples.filter((_, row) => chosen[row] === 1),
  };
}

/** `count` of the rows, without replacement: the head of a Fisher-Yates shuffle. */
function sample(rows: readonly number[], count: number, random: () => number): number[] {
  const pool = [...rows];
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (pool.length - i));
    const [a, b] = [pool[i] ?? 0, pool[j] ?? 0];
    pool[i] = b;
    pool[j] = a;
  }
  return pool.slice(0, count);
}
