/** Lengths, duplicates and empty texts of many examples, counted without blocking the event loop. */
import { giveWay } from "../give-way.js";
import type { Example } from "./types.js";

/** Smallest, median, 90th percentile (nearest rank) and largest. */
export interface Quantiles {
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

/** Lengths and oddities of a set of examples. The length of a pair is that of both texts together. */
export interface TextStatistics {
  /** Lengths in characters (Unicode code points), ascending. */
  readonly characters: Int32Array;
  /** Lengths in words between white space, ascending. */
  readonly words: Int32Array;
  /** Examples whose text (and pair) are only white space. */
  readonly empty: number;
  /** Examples whose text (and pair) stood in an earlier one. */
  readonly duplicates: number;
}

/** Counting goes on for this many characters between two turns of the event loop: about a millisecond. */
const CHARACTERS_A_TURN = 250_000;

/** Identifies the text or pair of an example; the separator, a lone surrogate, stands in no text read from UTF-8. */
export function textKey({ text, pair }: Example): string {
  return pair === undefined ? text : `${text}\ud800${pair}`;
}

/**
 * Measures every example.
 *
 * @throws RATError `ERR_RAT_ABORTED`.
 */
export async function measureTexts(
  examples: readonly Example[],
  signal: AbortSignal | undefined,
): Promise<TextStatistics> {
  const characters = new Int32Array(examples.length);
  const words = new Int32Array(examples.length);
  const keys = new Set<string>();
  let empty = 0;
  let sinceTurn = 0;
  for (const [row, example] of examples.entries()) {
    const text = example.pair === undefined ? example.text : `${example.text}\n${example.pair}`;
    characters[row] = countCodePoints(example.text) + countCodePoints(example.pair ?? "");
    words[row] = countWords(text);
    if (words[row] === 0) empty++;
    keys.add(textKey(example));
    sinceTurn += text.length + 100;
    if (sinceTurn > CHARACTERS_A_TURN) {
      sinceTurn = 0;
      await giveWay(signal);
    }
  }
  return {
    characters: characters.sort(),
    words: words.sort(),
    empty,
    duplicates: examples.length - keys.size,
  };
}

/** Quantiles of ascending values; there must be one. */
export function quantiles(ascending: Int32Array): Quantiles {
  const rank = (share: number) => ascending[Math.max(Math.ceil(share * ascending.length) - 1, 0)] ?? 0;
  return { min: rank(0), median: rank(0.5), p90: rank(0.9), max: rank(1) };
}

function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}
