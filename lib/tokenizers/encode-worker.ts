/** The worker thread of one tokenizer: everything that touches the Hugging Face library happens here. */
import { RATError } from "../errors.js";
import { serve } from "../worker/server.js";
import { convertTokenizer, type VocabularyFiles } from "./convert/index.js";
import {
  type Encoding,
  encodePairs,
  encodeTexts,
  type HuggingFaceTokenizer,
  parseTokenizer,
} from "./hugging-face.js";
import { createSegmenter, type Segmenter } from "./segmenter.js";
import { inspectTokenizerFile, invalidTokenizer } from "./tokenizer-file.js";

/** A text, or the two texts of a pair. */
export type TextInput = string | readonly [string, string];

/** What the worker starts with. */
export interface EncodeWorkerData {
  /** Text of the `tokenizer.json`, or the files that it is made from. */
  readonly source: string | VocabularyFiles;
  readonly segmenter: Segmenter;
  /** Tokens that `tokenizer_config.json` names. */
  readonly padToken: string | undefined;
  readonly unknownToken: string | undefined;
}

/** Texts laid end to end. */
export interface EncodedChunk {
  readonly tokens: Int32Array;
  readonly lengths: Int32Array;
  /** Null if all are 0. */
  readonly types: Uint8Array | null;
  readonly truncated: number;
}

/** The calls the worker answers. */
export interface EncodeCalls {
  /** `json`: the `tokenizer.json` that was made; null if it was there. */
  describe: { input: null; output: { vocabularySize: number; paddingId: number; json: string | null } };
  vocabulary: { input: null; output: { tokens: string[]; ids: Int32Array } };
  /** Ids of tokens as they are spelt; -1: there is none. */
  ids: { input: readonly string[]; output: Int32Array };
  /** `maxLength` null: no truncation. */
  encode: { input: { texts: readonly TextInput[]; maxLength: number | null }; output: EncodedChunk };
}

/** How the tokenizer treats texts, or pairs; found by trying. */
interface Form {
  readonly name: "text" | "pair";
  /** Tokens that the post-processor adds. */
  readonly added: number;
  /** Whether any segment id is not 0. */
  readonly hasTypes: boolean;
}

/** One text or pair. */
interface Row {
  readonly ids: readonly number[];
  /** Null if all are 0. */
  readonly types: readonly number[] | null;
  readonly isCut: boolean;
}

/** Most rows that an embedding is made for; a larger id is damage, and would cost gigabytes. */
const LARGEST_VOCABULARY = 2 ** 24;

serve<EncodeWorkerData, EncodeCalls>(async (data) => {
  const { source } = data;
  const json = typeof source === "string" ? source : convertTokenizer(source);
  const file = inspectTokenizerFile(json);
  const tokenizer = parseTokenizer(json);
  const segment = createSegmenter(data.segmenter);
  const vocabulary = readVocabulary(tokenizer);
  const named = typeof source === "string" ? {} : source.settings.tokens;
  const paddingId = find(tokenizer, [data.padToken, named.pad_token, "[PAD]", "<pad>"]) ?? 0;
  // A vocabulary without an unknown token (byte-level BPE) can write every text; only the empty one needs a stand-in.
  const unknownNames = [file.unknownToken, data.unknownToken, "[UNK]", "<unk>"];
  const unknownId = file.unknownId ?? find(tokenizer, unknownNames) ?? paddingId;

  // Without a post-processor, the library marks the second text of a pair in `encode` but not where a pair is joined.
  const isMarkedBySequence = tokenizer.getPostProcessor() === null;
  const typesOf = (encoding: Encoding) =>
    isMarkedBySequence ? encoding.getSequenceIds().map((id) => id ?? 0) : encoding.getTypeIds();

  const tryForm = (name: Form["name"], [empty, full]: readonly Encoding[]): Form => {
    const outside = full?.getIds().find((id) => id >= vocabulary.size);
    if (outside !== undefined) {
      throw invalidTokenizer(`its post-processor adds the id ${outside}, which the vocabulary does not have`);
    }
    const types = full === undefined ? [] : typesOf(full);
    return { name, added: empty?.getLength() ?? 0, hasTypes: types.some((type) => type !== 0) };
  };
  const textForm = tryForm("text", await encodeTexts(tokenizer, ["", "a"], null));
  const pairs = [["", ""] as const, ["a", "a"] as const];
  const pairForm = tryForm("pair", await encodePairs(tokenizer, pairs, null));

  const readRow = (encoding: Encoding, form: Form, maxLength: number | null): Row => {
    const ids = encoding.getIds();
    if (ids.length === 0) ids.push(unknownId);
    const types = form.hasTypes ? typesOf(encoding) : null;
    if (maxLength === null || ids.length < maxLength) return { ids, types, isCut: false };
    if (ids.length > maxLength) {
      return { ids: ids.slice(0, maxLength), types: types?.slice(0, maxLength) ?? null, isCut: true };
    }
    return { ids, types, isCut: encoding.getOverflowing().length > 0 };
  };

  return {
    describe: () => ({
      vocabularySize: vocabulary.size,
      paddingId,
      json: typeof source === "string" ? null : json,
    }),
    vocabulary: () => ({ tokens: vocabulary.tokens, ids: vocabulary.ids.slice() }),
    ids: (tokens) => Int32Array.from(tokens, (token) => tokenizer.tokenToId(token) ?? -1),
    encode: async ({ texts, maxLength }) => {
      const singles = texts.filter((text) => typeof text === "string").map(segment);
      const pairs = texts
        .filter((text) => typeof text !== "string")
        .map(([text, pair]) => [segment(text), segment(pair)] as const);
      if (maxLength !== null) {
        if (singles.length > 0) checkLimit(textForm, maxLength);
        if (pairs.length > 0) checkLimit(pairForm, maxLength);
      }
      // Without special tokens, a cut text is known only by a token beyond the limit; readRow takes it off.
      const textLimit = maxLength !== null && textForm.added === 0 ? maxLength + 1 : maxLength;
      const textEncodings = (await encodeTexts(tokenizer, singles, textLimit)).values();
      const pairEncodings = (await encodePairs(tokenizer, pairs, maxLength)).values();
      return pack(
        texts.flatMap((text) => {
          const isText = typeof text === "string";
          const encoding = (isText ? textEncodings : pairEncodings).next().value;
          return encoding === undefined ? [] : [readRow(encoding, isText ? textForm : pairForm, maxLength)];
        }),
      );
    },
  };
});

/** The library subtracts the special tokens from the limit without looking whether there is room for them. */
function checkLimit({ name, added }: Form, maxLength: number): void {
  if (maxLength > added) return;
  throw new RATError(
    "ERR_RAT_INVALID_ARG",
    `Expected maxLength to leave room beside the ${added} special tokens of a ${name} but received ${maxLength}; use at least ${added + 1}`,
  );
}

function pack(rows: readonly Row[]): EncodedChunk {
  const lengths = Int32Array.from(rows, ({ ids }) => ids.length);
  const total = lengths.reduce((a, b) => a + b, 0);
  const tokens = new Int32Array(total);
  const types = rows.some((row) => row.types !== null) ? new Uint8Array(total) : null;
  let start = 0;
  for (const row of rows) {
    tokens.set(row.ids, start);
    if (row.types !== null) types?.set(row.types, start);
    start += row.ids.length;
  }
  return { tokens, lengths, types, truncated: rows.filter(({ isCut }) => isCut).length };
}

/** All tokens with their ids, added ones included; `size` is the largest id + 1. */
function readVocabulary(tokenizer: HuggingFaceTokenizer): {
  tokens: string[];
  ids: Int32Array;
  size: number;
} {
  const entries = Object.entries(tokenizer.getVocab(true));
  // The library returns a plain object, on which this one key sets the prototype and is lost.
  const proto = tokenizer.tokenToId("__proto__");
  if (proto !== null) entries.push(["__proto__", proto]);
  if (entries.length === 0) throw invalidTokenizer("the vocabulary is empty");
  const size = entries.reduce((most, [, id]) => Math.max(most, id), -1) + 1;
  if (size > LARGEST_VOCABULARY) throw invalidTokenizer(`the id ${size - 1} is too large`);
  return { tokens: entries.map(([token]) => token), ids: Int32Array.from(entries, ([, id]) => id), size };
}

function find(
  tokenizer: HuggingFaceTokenizer,
  tokens: readonly (string | null | undefined)[],
): number | undefined {
  for (const token of tokens) {
    const id = typeof token === "string" ? tokenizer.tokenToId(token) : null;
    if (id !== null) return id;
  }
  return undefined;
}
