/** The worker thread of one tokenizer: everything that touches the Hugging Face library happens here. */
import { RATError } from "../errors.js";
import { type Encoding, encodeBatch, type HuggingFaceTokenizer, parseTokenizer } from "./hugging-face.js";
import { createSegmenter, type Segmenter } from "./segmenter.js";
import { inspectTokenizerFile, invalidTokenizer } from "./tokenizer-file.js";
import { serve } from "./worker-server.js";

/** A text, or the two texts of a pair. */
export type TextInput = string | readonly [string, string];

/** What the worker starts with. */
export interface EncodeWorkerData {
  /** Text of the `tokenizer.json`. */
  readonly json: string;
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
  describe: { input: null; output: { vocabularySize: number; paddingId: number } };
  vocabulary: { input: null; output: { tokens: string[]; ids: Int32Array } };
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
  const file = inspectTokenizerFile(data.json);
  const tokenizer = parseTokenizer(data.json);
  const segment = createSegmenter(data.segmenter);
  const vocabulary = readVocabulary(tokenizer);
  const paddingId = find(tokenizer, [data.padToken, "[PAD]", "<pad>"]) ?? 0;
  // A vocabulary without an unknown token (byte-level BPE) can write every text; only the empty one needs a stand-in.
  const unknownNames = [file.unknownToken, data.unknownToken, "[UNK]", "<unk>"];
  const unknownId = file.unknownId ?? find(tokenizer, unknownNames) ?? paddingId;
  const textForm = await tryForm(tokenizer, "text", "", "a", vocabulary.size);
  const pairForm = await tryForm(tokenizer, "pair", ["", ""], ["a", "a"], vocabulary.size);

  const encode = async (form: Form, inputs: TextInput[], maxLength: number | null): Promise<Row[]> => {
    if (inputs.length === 0) return [];
    setTruncation(tokenizer, form, maxLength);
    const encodings = await encodeBatch(tokenizer, inputs);
    return encodings.map((encoding) => readRow(encoding, form, maxLength, unknownId));
  };

  return {
    describe: () => ({ vocabularySize: vocabulary.size, paddingId }),
    vocabulary: () => ({ tokens: vocabulary.tokens, ids: vocabulary.ids.slice() }),
    encode: async ({ texts, maxLength }) => {
      const singles = texts.filter((text) => typeof text === "string").map(segment);
      const pairs = texts
        .filter((text) => typeof text !== "string")
        .map(([text, pair]) => [segment(text), segment(pair)] as const);
      const singleRows = (await encode(textForm, singles, maxLength)).values();
      const pairRows = (await encode(pairForm, pairs, maxLength)).values();
      return pack(
        texts.flatMap((text) => (typeof text === "string" ? singleRows : pairRows).next().value ?? []),
      );
    },
  };
});

/**
 * Sets the native tokenizer's truncation.
 *
 * It stops reading a text as soon as it has as many tokens as the limit. Where no special tokens are added, a text at
 * the limit cannot be told from one beyond it; so it gets one token more, and {@link readRow} takes that off.
 */
function setTruncation(tokenizer: HuggingFaceTokenizer, form: Form, maxLength: number | null): void {
  if (maxLength === null) {
    tokenizer.disableTruncation();
    return;
  }
  // The library subtracts the special tokens from the limit without looking whether there is room for them.
  if (maxLength <= form.added) {
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `Expected maxLength to leave room beside the ${form.added} special tokens of a ${form.name} but received ${maxLength}; use at least ${form.added + 1}`,
    );
  }
  // The declared type is an ambient const enum, which isolated modules may not read; its values are these strings.
  tokenizer.setTruncation(maxLength + (isReadOneOver(form) ? 1 : 0), { strategy: "LongestFirst" as never });
}

function isReadOneOver(form: Form): boolean {
  return form.name === "text" && form.added === 0;
}

function readRow(encoding: Encoding, form: Form, maxLength: number | null, unknownId: number): Row {
  const ids = encoding.getIds();
  if (ids.length === 0) ids.push(unknownId);
  const types = form.hasTypes ? encoding.getTypeIds() : null;
  if (maxLength === null) return { ids, types, isCut: false };
  if (isReadOneOver(form)) {
    const isCut = ids.length > maxLength;
    return isCut
      ? { ids: ids.slice(0, maxLength), types: types?.slice(0, maxLength) ?? null, isCut }
      : { ids, types, isCut };
  }
  // Asking for the overflow is dear, and only a text at the limit can have one.
  return { ids, types, isCut: ids.length === maxLength && encoding.getOverflowing().length > 0 };
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

async function tryForm(
  tokenizer: HuggingFaceTokenizer,
  name: Form["name"],
  empty: TextInput,
  filled: TextInput,
  vocabularySize: number,
): Promise<Form> {
  const [bare, full] = await encodeBatch(tokenizer, [empty, filled]);
  const outside = full?.getIds().find((id) => id >= vocabularySize);
  if (outside !== undefined) {
    throw invalidTokenizer(`its post-processor adds the id ${outside}, which the vocabulary does not have`);
  }
  return {
    name,
    added: bare?.getLength() ?? 0,
    hasTypes: full?.getTypeIds().some((type) => type !== 0) ?? false,
  };
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
