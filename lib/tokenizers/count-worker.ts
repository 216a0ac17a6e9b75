/** The worker thread that counts the words of a training text, exactly as the tokenizer made of them will cut them. */

import { serve } from "../worker/server.js";
import type { WorkerText } from "./encode-worker.js";
import { parseTokenizer } from "./hugging-face.js";
import { createSegmenter, type Segmenter } from "./segmenter.js";

/** What the worker starts with. */
export interface CountWorkerData {
  /** A `tokenizer.json` whose normalizer and pre-tokenizer cut the words. */
  readonly json: string;
  readonly segmenter: Segmenter;
}

/** The calls the worker answers. */
export interface CountCalls {
  /** Adds the words of some texts to the count. */
  add: { input: readonly WorkerText[]; output: { texts: number } };
  /** The most frequent words with at least `minimumCount` occurrences; `distinct` counts all there were. */
  top: {
    input: { size: number; minimumCount: number | undefined };
    output: { words: string[]; distinct: number };
  };
}

/** From so many texts on, a word that was seen only once is left out unless the caller says otherwise. */
const TEXTS_THAT_CAN_SPARE_WORDS = 1_000;

/** Pieces whose words are remembered; beyond it, words are so rare that remembering does not pay. */
const CACHE_PIECES = 1_000_000;

serve<CountWorkerData, CountCalls>(({ json, segmenter }) => {
  const tokenizer = parseTokenizer(json);
  const normalizer = tokenizer.getNormalizer();
  const preTokenizer = tokenizer.getPreTokenizer();
  const segment = createSegmenter(segmenter);
  const counts = new Map<string, number>();
  let total = 0;
  const cache = new Map<string, readonly string[]>();

  // Both steps look at single characters and at what is between white space, so a text may be cut at spaces first, and
  // the pieces, most of them seen before, taken from a cache. It is twice as fast.
  const wordsOf = (piece: string): readonly string[] => {
    const known = cache.get(piece);
    if (known !== undefined) return known;
    const normalized = normalizer?.normalizeString(piece) ?? piece;
    const words = preTokenizer?.preTokenizeString(normalized).map(([word]) => word) ?? [normalized];
    if (cache.size < CACHE_PIECES) cache.set(piece, words);
    return words;
  };
  const add = (text: string) => {
    for (const piece of segment(text).split(" ")) {
      for (const word of wordsOf(piece)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  };

  return {
    add: (texts) => {
      for (const text of texts) {
        if (typeof text === "string") add(text);
        else text.forEach(add);
      }
      total += texts.length;
      return { texts: texts.length };
    },
    top: ({ size, minimumCount = total >= TEXTS_THAT_CAN_SPARE_WORDS ? 2 : 1 }) => {
      const words = [...counts]
        .filter(([, count]) => count >= minimumCount)
        .sort(([a, m], [b, n]) => n - m || compareCodePoints(a, b))
        .slice(0, size)
        .map(([word]) => word);
      return { words, distinct: counts.size };
    },
  };
});

/** The order of code points. `<` compares UTF-16 units, which puts emoji before some punctuation of Chinese. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
