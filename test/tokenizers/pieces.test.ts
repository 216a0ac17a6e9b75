/** Texts are cut and their pieces remembered: the tokens must be those of the library, which reads every text whole. */
import { createRequire } from "node:module";
import fc from "fast-check";
import type { Tokenizer as HuggingFaceTokenizer } from "tokenizers";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { folderOf } from "../datasets/temp-files.js";

const library = createRequire(import.meta.url)("tokenizers") as typeof import("tokenizers");

const LETTERS = ["a", "b", "s", "t", "d", "o", "n", "e", "A", "é", "1", "我", ".", "'", '"', "=", "`", "<"];
const SPECIAL = ["[CLS]", "[SEP]", "[UNK]", "<mask>", "do."];

const wordPiece = {
  type: "WordPiece",
  unk_token: "[UNK]",
  continuing_subword_prefix: "##",
  max_input_chars_per_word: 20,
  vocab: Object.fromEntries(
    [...SPECIAL, ...LETTERS, ...LETTERS.map((each) => `##${each}`), "don", "##ot"].map((token, id) => [
      token,
      id,
    ]),
  ),
};
const unigram = {
  type: "Unigram",
  unk_id: 2,
  byte_fallback: false,
  vocab: [
    ...SPECIAL.map((token) => [token, 0]),
    ...["▁", ...LETTERS].map((token) => [token, -5]),
    ...["▁a", "▁don", "ot", "▁.", ".▁"].map((token) => [token, -3]),
  ],
};
/** Bytes as byte-level BPE writes them, as far as they are printable there. */
const bytes = Array.from({ length: 0x200 }, (_, code) => String.fromCharCode(code)).filter((each) =>
  /[!-~¡-¬®-ÿĀ-ń]/.test(each),
);
const merges = ["Ġ a", "d o", "do n", "Ġ don", "' s", ". .", "' t", "Ġ Ġ"];
const bpe = {
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: "",
  end_of_word_suffix: "",
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab: Object.fromEntries(
    [...SPECIAL, ...bytes, ...merges.map((merge) => merge.replace(" ", ""))].map((token, id) => [token, id]),
  ),
  merges,
};

const bert = (settings: object = {}) => ({
  ...{
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  ...settings,
});
const metaspace = (prepend_scheme: string) => ({
  type: "Metaspace",
  replacement: "▁",
  prepend_scheme,
  split: true,
});
const sequence = (...normalizers: object[]) => ({ type: "Sequence", normalizers });
const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
const byteLevel = (settings: object = {}) => ({
  ...{ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  ...settings,
});
const cleaned = sequence(
  replace({ String: "``" }, '"'),
  { type: "NFKD" },
  { type: "StripAccents" },
  { type: "Lowercase" },
  replace({ Regex: " {2,}" }, " "),
);

const KINDS: [
  name: string,
  normalizer: object | null,
  preTokenizer: object,
  model: object,
  lstrip?: boolean,
][] = [
  ["BERT", bert(), { type: "BertPreTokenizer" }, wordPiece],
  ["BERT, cased", bert({ lowercase: false, strip_accents: false }), { type: "BertPreTokenizer" }, wordPiece],
  ["BERT with whole Chinese", bert({ handle_chinese_chars: false }), { type: "BertPreTokenizer" }, wordPiece],
  ["BERT without a normaliser", null, { type: "BertPreTokenizer" }, wordPiece],
  ["words between blanks", bert(), { type: "WhitespaceSplit" }, wordPiece],
  ["byte-level", null, byteLevel(), bpe],
  ["byte-level that begins with a blank", null, byteLevel({ add_prefix_space: true }), bpe],
  ["byte-level with a greedy mask", null, byteLevel(), bpe, true],
  ["byte-level of one word", null, byteLevel({ use_regex: false }), bpe],
  ["byte-level of normalised text", { type: "NFC" }, byteLevel(), bpe],
  ["SentencePiece", cleaned, metaspace("always"), unigram],
  ["SentencePiece, the first with a blank", null, metaspace("first"), unigram],
  ["SentencePiece, none with a blank", { type: "NFKC" }, metaspace("never"), unigram],
  [
    "SentencePiece after white space",
    cleaned,
    { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace("always")] },
    unigram,
  ],
  ["a replaced blank", replace({ String: "a b" }, "o"), metaspace("always"), unigram],
  ["a chain of other parts", sequence(bert()), { type: "Punctuation", behavior: "Isolated" }, wordPiece],
];

const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });

function fileOf([, normalizer, pre_tokenizer, model, lstrip = false]: (typeof KINDS)[number]): string {
  const flags = { single_word: false, lstrip, rstrip: false, normalized: false, special: true };
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    ...{ normalizer, pre_tokenizer, model, decoder: null },
    post_processor: {
      type: "TemplateProcessing",
      single: [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
      pair: [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)],
      special_tokens: Object.fromEntries(
        ["[CLS]", "[SEP]"].map((token, id) => [token, { id: token, ids: [id], tokens: [token] }]),
      ),
    },
  });
}

/** What the library makes of a pair, cut: both texts are read to their end and joined by the post-processor. */
async function encodedPair(tokenizer: HuggingFaceTokenizer, texts: [string, string], limit: number) {
  tokenizer.disableTruncation();
  const [first, second] = await tokenizer.encodeBatch(texts, { addSpecialTokens: false });
  tokenizer.setTruncation(limit);
  if (first === undefined) throw new Error("no encoding");
  return tokenizer.postProcess(first, second);
}

const FRAGMENTS = [
  ...["a", "b", "do", "don't", "dot", "'s", "A", "n", "s"],
  ...[" ", " ", " ", " ", "  ", ".", "..", ",", "``", "''", "=", "<", "\t", "\n"],
  ...["é", "e\u0301", "\u0301", "¨", "½", "ﬁ", "≠", "=\u0338", "İ", "ſ", "\u1fef", "1", "🙂", "\ud800"],
  ...["\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\u0000", "我", "们", "\u0e33"],
  ...["[CLS]", "<mask>", " <mask>", "[", "x".repeat(25), "▁"],
];
const texts = fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 14 }).map((parts) => parts.join(""));

describe("pieces", () => {
  it.each(KINDS)("%s", async (...kind) => {
    const json = fileOf(kind);
    const tokenizer = library.Tokenizer.fromString(json);
    await using ours = await loadTokenizer(await folderOf({ "tokenizer.json": json }));
    const property = fc.asyncProperty(texts, texts, fc.integer({ min: 4, max: 12 }), async (a, b, limit) => {
      tokenizer.disableTruncation();
      for (const [one, two] of [[a], [b], [a, b], [a, a]] as [string, string?][]) {
        const expected = await tokenizer.encode(one, two ?? null);
        expect(ours.encode(one, two)).toEqual({ ids: expected.getIds(), typeIds: expected.getTypeIds() });
      }
      const packed = await ours.encodeAll([{ text: a }, { text: a, pair: b }], { maxLength: limit });
      const pair = await encodedPair(tokenizer, [a, b], limit);
      const single = await tokenizer.encode(a);
      expect([...packed.tokens]).toEqual([...single.getIds(), ...pair.getIds()]);
      const isCut = [single, pair].filter((encoding) => encoding.getOverflowing().length > 0);
      expect(packed.truncated).toBe(isCut.length);
    });
    await fc.assert(property, { numRuns: 150, seed: 1 });
  });
});
