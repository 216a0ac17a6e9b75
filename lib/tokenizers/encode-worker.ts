/** The worker thread of one tokenizer: everything that touches the Hugging Face library happens here. */
import { RATError } from "../errors.js";
import { serve } from "../worker/server.js";
import type { VocabularyFiles } from "./convert/index.js";
import { encodeTexts, type HuggingFaceTokenizer, parseTokenizer } from "./hugging-face.js";
import { PieceEncoder } from "./piece-encoder.js";
import { createSegmenter, type Segmenter } from "./segmenter.js";
import { type Row, Template } from "./template.js";
import { inspectTokenizerFile, invalidTokenizer } from "./tokenizer-file.js";

/** A text, or the two texts of a pair. */
export type WorkerText = string | readonly [string, string];

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
  describe: {
    input: null;
    output: { vocabularySize: number; paddingId: number; specialIds: number[]; json: string | null };
  };
  vocabulary: { input: null; output: { tokens: string[]; ids: Int32Array } };
  /** Ids of tokens as they are spelt; -1: there is none. */
  ids: { input: readonly string[]; output: Int32Array };
  /** `maxLength` null: no truncation. */
  encode: { input: { texts: readonly WorkerText[]; maxLength: number | null }; output: EncodedChunk };
}

/** A text to learn from what the tokenizer puts around texts. */
interface Sample {
  readonly text: string;
  readonly length: number;
}

/** Most rows that an embedding is made for; a larger id is damage, and would cost gigabytes. */
const LARGEST_VOCABULARY = 2 ** 24;

serve<EncodeWorkerData, EncodeCalls>(async (data) => {
  const { source } = data;
  // Few folders have to be converted, and reading the converter takes as long as all the rest.
  const json =
    typeof source === "string" ? source : (await import("./convert/index.js")).convertTokenizer(source);
  const file = inspectTokenizerFile(json);
  const tokenizer = parseTokenizer(json);
  const segment = createSegmenter(data.segmenter);
  const vocabulary = readVocabulary(tokenizer);
  const named = typeof source === "string" ? {} : source.settings.tokens;
  const paddingId = find(tokenizer, [data.padToken, named.pad_token, "[PAD]", "<pad>"]) ?? 0;
  // A vocabulary without an unknown token (byte-level BPE) can write every text; only the empty one needs a stand-in.
  const unknownNames = [file.unknownToken, data.unknownToken, "[UNK]", "<unk>"];
  const unknownId = file.unknownId ?? find(tokenizer, unknownNames) ?? paddingId;

  const sample = await findSample(tokenizer, vocabulary.tokens);
  const textTemplate = await readTemplate(tokenizer, sample, false);
  const pairTemplate = await readTemplate(tokenizer, sample, true);
  const specialIds = [...new Set([...textTemplate.specialIds, ...pairTemplate.specialIds])];
  for (const id of specialIds) {
    if (id < vocabulary.size) continue;
    throw invalidTokenizer(`its post-processor adds the id ${id}, which the vocabulary does not have`);
  }
  const encoder = new PieceEncoder(tokenizer, file);

  return {
    describe: () => ({
      vocabularySize: vocabulary.size,
      paddingId,
      specialIds,
      json: typeof source === "string" ? null : json,
    }),
    vocabulary: () => ({ tokens: vocabulary.tokens, ids: vocabulary.ids.slice() }),
    ids: (tokens) => Int32Array.from(tokens, (token) => tokenizer.tokenToId(token) ?? -1),
    encode: async ({ texts, maxLength }) => {
      const examples = texts.map((text) => (typeof text === "string" ? [segment(text)] : text.map(segment)));
      const limit = maxLength ?? Infinity;
      const templateOf = (example: readonly string[]) => (example.length === 1 ? textTemplate : pairTemplate);
      for (const example of examples) checkLimit(templateOf(example).added, example.length, limit);
      // Which of two texts is the longer one is known only when both have been read to the end.
      const enough = examples.some((example) => example.length > 1)
        ? Infinity
        : limit - textTemplate.added + 1;
      const encoded = (await encoder.encode(examples.flat(), enough)).values();
      return pack(
        examples.map((example) => {
          const row = templateOf(example).apply(
            example.map(() => encoded.next().value ?? []),
            limit,
          );
          return row.ids.length > 0 ? row : { ...row, ids: [unknownId] };
        }),
      );
    },
  };
});

/** A text with at least one token, and how many; the empty text if there is none in the whole vocabulary. */
async function findSample(tokenizer: HuggingFaceTokenizer, tokens: readonly string[]): Promise<Sample> {
  for (const text of ["a", ...tokens]) {
    const [encoding] = await encodeTexts(tokenizer, [text], null);
    const length = encoding?.getLength() ?? 0;
    if (length > 0) return { text, length };
  }
  return { text: "", length: 1 };
}

/** Sees what the tokenizer puts around a text or a pair. */
async function readTemplate(
  tokenizer: HuggingFaceTokenizer,
  { text, length }: Sample,
  isPair: boolean,
): Promise<Template> {
  const encoding = await tokenizer.encode(text, isPair ? text : null);
  // A template without the text itself would count as that text.
  const isAdded = encoding.getSpecialTokensMask();
  const sequences = encoding
    .getSequenceIds()
    .map((sequence, at) => (isAdded[at] === 1 ? null : (sequence ?? null)));
  return new Template({ ids: encoding.getIds(), types: encoding.getTypeIds(), sequences }, length);
}

/** There must be room beside the special tokens. */
function checkLimit(added: number, texts: number, maxLength: number): void {
  if (maxLength > added) return;
  throw new RATError(
    "ERR_RAT_INVALID_ARG",
    `Expected maxLength to leave room beside the ${added} special tokens of a ${texts === 1 ? "text" : "pair"} but received ${maxLength}; use at least ${added + 1}`,
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
