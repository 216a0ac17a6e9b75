/** Unigram tokenizers from a SentencePiece model: ALBERT, XLM-RoBERTa, CamemBERT; as `transformers` 5 builds them. */
import { bertTemplate, idsIn, metaspace, robertaTemplate, tokenizerText } from "./parts.js";
import { PIECE, type Piece, readSentencePieceModel } from "./sentencepiece-model.js";
import type { TokenizerSettings } from "./settings.js";

type Entry = readonly [text: string, score: number];

/** How a family numbers the pieces, and what it does to a text. */
interface Family {
  readonly entries: (pieces: readonly Piece[]) => readonly Entry[];
  readonly unknown: string;
  /** Tokens that are found in a text as they are spelt. */
  readonly special: readonly string[];
  readonly normalizers: (settings: TokenizerSettings) => readonly object[];
  readonly postProcessor: (idOf: (token: string) => number) => object;
}

const entryOf = ({ text, score }: Piece): Entry => [text, score];

const albert: Family = {
  entries: (pieces) => pieces.map(entryOf),
  unknown: "<unk>",
  special: ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
  normalizers: ({ keepsAccents, lowercase }) => [
    { type: "Replace", pattern: { String: "``" }, content: '"' },
    { type: "Replace", pattern: { String: "''" }, content: '"' },
    ...(keepsAccents ? [] : [{ type: "NFKD" }, { type: "StripAccents" }]),
    ...(lowercase ? [{ type: "Lowercase" }] : []),
  ],
  postProcessor: (idOf) => bertTemplate("[CLS]", "[SEP]", idOf),
};

/** fairseq's order of the special tokens before the pieces, its mask after them. */
const xlmRoberta: Family = {
  entries: (pieces) => [
    ...["<s>", "<pad>", "</s>", "<unk>"].map((text): Entry => [text, 0]),
    ...pieces.slice(3).map(entryOf),
    ["<mask>", 0],
  ],
  unknown: "<unk>",
  special: ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
  normalizers: () => [],
  postProcessor: (idOf) => robertaTemplate("<s>", "</s>", idOf),
};

/** The model's own special tokens stand beside those that are used; its unknown piece must never win. */
const camembert: Family = {
  entries: (pieces) => [
    ["<s>NOTUSED", 0],
    ["<pad>", 0],
    ["</s>NOTUSED", 0],
    ["<unk>", 0],
    ["<unk>NOTUSED", -100],
    ...pieces.slice(1).map(entryOf),
    ["<mask>", 0],
  ],
  unknown: "<unk>",
  special: ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
  normalizers: () => [],
  postProcessor: (idOf) => robertaTemplate("<s>", "</s>", idOf),
};

export const SENTENCEPIECE_FAMILIES = { albert, "xlm-roberta": xlmRoberta, camembert } as const;
export type SentencePieceFamily = keyof typeof SENTENCEPIECE_FAMILIES;

/** @throws RATError `ERR_RAT_TOKENIZER_INVALID` for a model that is damaged or lacks the special tokens. */
export function convertSentencePiece(
  bytes: Uint8Array,
  file: string,
  family: SentencePieceFamily,
  settings: TokenizerSettings,
): string {
  const { pieces, characterMap } = readSentencePieceModel(bytes, file);
  const { entries, unknown, special, normalizers, postProcessor } = SENTENCEPIECE_FAMILIES[family];
  const vocabulary = entries(pieces);
  // Where a token stands twice, the first one is meant.
  const ids = new Map([...vocabulary.entries()].reverse().map(([id, [text]]) => [text, id]));
  const idOf = idsIn(ids, file);
  const present = special.filter((token) => ids.has(token));
  // Symbols that the model's maker wanted whole are found in the text itself, too.
  const symbols = pieces.filter(({ type }) => type === PIECE.control || type === PIECE.userDefined);
  const chain = [
    ...normalizers(settings),
    ...(characterMap === undefined ? [] : [{ type: "Precompiled", precompiled_charsmap: characterMap }]),
  ];
  return tokenizerText({
    added: [
      ...symbols
        .filter(({ text }) => ids.has(text))
        .map(({ text, type }) => ({ id: idOf(text), content: text, special: type === PIECE.control })),
      ...present.map((content) => ({ id: idOf(content), content, special: true })),
      ...settings.added,
    ],
    normalizer: chain.length > 1 ? { type: "Sequence", normalizers: chain } : (chain[0] ?? null),
    ...metaspace(settings.addsPrefixSpace ?? true),
    postProcessor: postProcessor(idOf),
    model: { type: "Unigram", unk_id: idOf(unknown), vocab: vocabulary, byte_fallback: false },
  });
}
