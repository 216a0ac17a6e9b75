/**
 * Encodes words of printable ASCII without the Hugging Face library, which needs several microseconds a word: the two
 * algorithms are short, and in ASCII nothing else happens to a word. All other words go to the library.
 */
import type { Component, TokenizerFile } from "./tokenizer-file.js";

/** The tokens of a piece of text; undefined: for the library to say. */
export type WordEncoder = (piece: string) => number[] | undefined;

type Vocabulary = ReadonlyMap<string, number>;

const LEAVE_TO_LIBRARY: WordEncoder = () => undefined;

/** The encoder of a tokenizer whose texts can be cut (`cuts.ts`). */
export function findWordEncoder({ normalizer, preTokenizer, model }: TokenizerFile): WordEncoder {
  const { type: kind } = preTokenizer ?? {};
  if (kind === "BertPreTokenizer" && model.type === "WordPiece") {
    return wordPieceEncoder(model, normalizer?.lowercase === true);
  }
  if (kind === "ByteLevel" && preTokenizer?.add_prefix_space === false && isPlainBpe(model)) {
    return byteLevelEncoder(model);
  }
  return LEAVE_TO_LIBRARY;
}

/** Takes the longest token that the rest of the word begins with, again and again (Devlin et al. 2019). */
function wordPieceEncoder(model: Component, isLowercase: boolean): WordEncoder {
  const { continuing_subword_prefix: prefix, max_input_chars_per_word: longest } = model;
  const vocabulary = vocabularyOf(model);
  const unknown = vocabulary.get(String(model.unk_token));
  if (unknown === undefined || typeof prefix !== "string" || typeof longest !== "number")
    return LEAVE_TO_LIBRARY;
  return (piece) => {
    if (!/^[!-~]+$/.test(piece)) return undefined;
    if (piece.length > longest) return [unknown];
    const word = isLowercase ? piece.toLowerCase() : piece;
    const ids: number[] = [];
    for (let start = 0; start < word.length; ) {
      let end = word.length;
      let id: number | undefined;
      for (; end > start; --end) {
        id = vocabulary.get((start > 0 ? prefix : "") + word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  };
}

/** Joins the neighbours that were joined most often in training, the leftmost first, until none is left (Sennrich et al. 2016). */
function byteLevelEncoder(model: Component): WordEncoder {
  const vocabulary = vocabularyOf(model);
  const ranks = new Map<string, number>();
  for (const [rank, merge] of (model.merges as readonly (string | readonly [string, string])[]).entries()) {
    ranks.set(typeof merge === "string" ? merge : merge.join(" "), rank);
  }
  return (word) => {
    if (!/^ ?[!-~]+$/.test(word)) return undefined;
    // A blank is spelt Ġ, and every other printable ASCII character as itself.
    const symbols = [...word.replace(" ", "Ġ")];
    for (;;) {
      let best = Infinity;
      let at = -1;
      for (let i = 0; i + 1 < symbols.length; ++i) {
        const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      symbols.splice(at, 2, `${symbols[at]}${symbols[at + 1]}`);
    }
    const ids = symbols.map((symbol) => vocabulary.get(symbol) ?? -1);
    return ids.includes(-1) ? undefined : ids;
  };
}

function isPlainBpe(model: Component): boolean {
  const {
    type,
    ignore_merges,
    continuing_subword_prefix: prefix,
    end_of_word_suffix: suffix,
    merges,
  } = model;
  return type === "BPE" && !ignore_merges && !prefix && !suffix && Array.isArray(merges);
}

function vocabularyOf({ vocab }: Component): Vocabulary {
  return new Map(Object.entries(vocab as Record<string, number>));
}
