/**
 * Where a text may be cut so that its pieces, encoded one by one, have the tokens of the whole text. Most pieces of a text
 * have been seen before, so their tokens can be remembered: see `piece-encoder.ts`.
 *
 * A tokenizer normalises, splits into words, and encodes word by word. If the normaliser changes nothing around a place and
 * the pre-tokenizer always splits there, the place is a cut. Only chains of parts that are known to be so are cut at all;
 * with any other the text stays whole, which is slower and the same.
 */
import type { Component, TokenizerFile } from "./tokenizer-file.js";

/** The pieces of a text, in order; null: this text must stay whole. */
export type Cutter = (text: string) => readonly string[] | null;

/** BERT's pre-tokenizer makes a word of each ASCII punctuation mark, its normaliser of each ideograph. */
const BERT_WORDS = /[!-/:-@[-`{-~]|[^ \t\n\r!-/:-@[-`{-~]+/g;
const BERT_WORDS_AND_IDEOGRAPHS = /[!-/:-@[-`{-~]|[\u4E00-\u9FFF]|[^ \t\n\r!-/:-@[-`{-~\u4E00-\u9FFF]+/g;
/** The library's other kinds of white space stay inside a piece, for the library to find. */
const BETWEEN_BLANKS = /[^ \t\n\r]+/g;

/** What leaves printable ASCII and single blanks where they are, whatever stands beside them. */
const LOCAL_NORMALIZERS = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Precompiled", "Nmt"];

const KEEP_WHOLE: Cutter = () => null;

/** The cutter of a tokenizer. */
export function findCutter({ addedTokens, normalizer, preTokenizer, model }: TokenizerFile): Cutter {
  const cut = isDeterministic(model) ? findCut(normalizer, preTokenizer) : KEEP_WHOLE;
  // Added tokens are found before the text is cut into words, these even in what the normaliser makes of it.
  if (normalizer !== null && addedTokens.some(({ normalized }) => normalized)) return KEEP_WHOLE;
  // What has no blank inside survives where only blanks are cut.
  const breakable = addedTokens.filter(
    ({ content, looksAround }) => cut !== cutAtBlanks || looksAround || content.includes(" "),
  );
  if (cut === KEEP_WHOLE || breakable.length === 0) return cut;
  const added = new RegExp(breakable.map(({ content }) => escapeForRegExp(content)).join("|"));
  return (text) => (added.test(text) ? null : cut(text));
}

/** BPE with dropout cuts the same word differently each time. */
function isDeterministic({ type, dropout }: Component): boolean {
  return ["WordPiece", "WordLevel", "Unigram"].includes(String(type)) || (type === "BPE" && !dropout);
}

function findCut(normalizer: Component | null, preTokenizer: Component | null): Cutter {
  switch (preTokenizer?.type) {
    case "BertPreTokenizer":
    case "WhitespaceSplit": {
      if (normalizer !== null && normalizer.type !== "BertNormalizer") break;
      const isBert = preTokenizer.type === "BertPreTokenizer";
      const words = normalizer?.handle_chinese_chars === true ? BERT_WORDS_AND_IDEOGRAPHS : BERT_WORDS;
      const pattern = isBert ? words : BETWEEN_BLANKS;
      return (text) => text.match(pattern) ?? [];
    }
    case "ByteLevel":
      if (normalizer !== null || preTokenizer.use_regex === false) return KEEP_WHOLE;
      // With a blank before every piece that has none, a piece may only begin with one.
      return preTokenizer.add_prefix_space === false ? cutByteLevel : cutAtBlanks;
  }
  return splitsAtBlanks(preTokenizer) && isLocal(normalizer) ? cutAtBlanks : KEEP_WHOLE;
}

/** SentencePiece's words, which begin with the blank before them. */
function splitsAtBlanks(preTokenizer: Component | null): boolean {
  if (preTokenizer?.type === "Metaspace") return preTokenizer.split !== false;
  const parts = preTokenizer?.type === "Sequence" ? preTokenizer.pretokenizers : undefined;
  if (!Array.isArray(parts)) return false;
  const [first, second, ...rest] = parts as readonly Component[];
  return rest.length === 0 && first?.type === "WhitespaceSplit" && second?.type === "Metaspace";
}

function isLocal(normalizer: Component | null): boolean {
  if (normalizer === null) return true;
  const { type, normalizers, pattern } = normalizer;
  if (type === "Sequence") return Array.isArray(normalizers) && normalizers.every(isLocal);
  if (type !== "Replace") return LOCAL_NORMALIZERS.includes(String(type));
  const { String: text, Regex: regex } = pattern as { String?: string; Regex?: string };
  return regex === " {2,}" || (text !== undefined && !text.includes(" "));
}

/**
 * Cuts before each single blank between two printable ASCII characters; the blank begins the next piece. So what follows a
 * cut is never a mark that would join with the blank, and what a normaliser makes of other white space stays inside.
 */
function cutAtBlanks(text: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (let at = text.indexOf(" ", 1); at !== -1; at = text.indexOf(" ", at + 1)) {
    if (!isPrintable(text.charCodeAt(at - 1)) || !isPrintable(text.charCodeAt(at + 1))) continue;
    pieces.push(text.slice(start, at));
    start = at;
  }
  if (start < text.length) pieces.push(text.slice(start));
  return pieces;
}

/** Printable ASCII without the blank. */
function isPrintable(code: number): boolean {
  return code > 0x20 && code < 0x7f;
}

/** The words of printable ASCII with at most a blank before it, as the byte-level pre-tokenizer cuts them (Radford et al. 2019). */
const BYTE_LEVEL_WORDS = /'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^ A-Za-z0-9]+/g;

function cutByteLevel(text: string): string[] {
  const pieces: string[] = [];
  for (const piece of cutAtBlanks(text)) {
    const words = /^ ?[!-~]+$/.test(piece) ? piece.match(BYTE_LEVEL_WORDS) : null;
    if (words === null) pieces.push(piece);
    else pieces.push(...words);
  }
  return pieces;
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
