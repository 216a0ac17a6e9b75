/**
 * Makes the tokenizer of a from-scratch model: a vocabulary of the most frequent words of the training text, written as
 * a `tokenizer.json` that every Hugging Face library loads.
 */
import type { Dataset } from "../datasets/types.js";
import { invalidArgument, RATError } from "../errors.js";
import { WorkerClient } from "../worker/client.js";
import { mapChunks } from "./batch-encoder.js";
import type { CountCalls, CountWorkerData } from "./count-worker.js";
import { SEGMENTERS, type Segmenter } from "./segmenter.js";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./tokenizer-file.js";
import type { TextOrPair, Tokenizer } from "./types.js";
import { openTokenizer } from "./worker-tokenizer.js";

const WORKER = new URL("./count-worker.js", import.meta.url);

/** The first ids of every from-scratch vocabulary: padding, unknown word, separator of a pair. */
export const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[SEP]"] as const;

/** What {@link trainTokenizer} may be asked to do. */
export interface TrainTokenizerOptions {
  /** Most entries, the three special tokens included. Default: 30,000. */
  readonly vocabularySize?: number;
  /**
   * Words with fewer occurrences are left out. Default: 2 from 1,000 examples on, so that the model meets `[UNK]` while it
   * trains and learns something about words it does not know; 1 for fewer, where no word can be spared.
   */
  readonly minimumCount?: number | undefined;
  /** Whether capitals are made small. Default: true. */
  readonly lowercase?: boolean;
  /**
   * What a word of Chinese is: a character (`default`) or what jieba finds (`jieba`). Default: `default`.
   * The `tokenizer.json` of `jieba` expects texts whose words stand apart; Python's `" ".join(jieba.cut(text))` cuts
   * almost alike (it takes `2-0` apart, which stays whole here).
   */
  readonly segmenter?: Segmenter;
  readonly signal?: AbortSignal;
}

/**
 * Counts the words of `examples` and makes a tokenizer of the most frequent ones. `[PAD]` is 0, `[UNK]` 1, `[SEP]` 2;
 * then words by falling count, equal counts by code points, so that the same text gives the same file. A pair becomes
 * `text [SEP] pair`; what yields no token at all becomes one `[UNK]`. A text that contains `[PAD]` or `[SEP]` literally
 * is cut like any other.
 *
 * @throws RATError (rejects) `ERR_RAT_INVALID_ARG` for a bad option or example or where there is no word at all,
 * `ERR_RAT_ABORTED`.
 * @example
 * const tokenizer = await trainTokenizer(task.train, { vocabularySize: 30_000 });
 */
export async function trainTokenizer(
  examples: Dataset | Iterable<TextOrPair>,
  options: TrainTokenizerOptions = {},
): Promise<Tokenizer> {
  const { vocabularySize, minimumCount, lowercase, segmenter } = checkOptions(options);
  if (!isIterable(examples)) invalidArgument("examples", "an iterable of { text, pair? }", examples);

  const rules = { lowercase, segmenter };
  const size = vocabularySize - SPECIAL_TOKENS.length;
  const words = await countWords(examples, { ...rules, minimumCount, size }, options.signal);
  const json = tokenizerJson([...SPECIAL_TOKENS, ...words], rules);
  const files: Record<string, string> = { [TOKENIZER_FILE]: json };
  if (segmenter !== "default") files[TOKENIZER_CONFIG_FILE] = `${JSON.stringify({ segmenter }, null, 2)}\n`;
  return openTokenizer(
    { source: json, segmenter, padToken: SPECIAL_TOKENS[0], unknownToken: SPECIAL_TOKENS[1] },
    files,
  );
}

/** How a text is cut into words. */
interface Rules {
  readonly lowercase: boolean;
  readonly segmenter: Segmenter;
}

async function countWords(
  examples: Dataset | Iterable<TextOrPair>,
  options: Rules & { readonly minimumCount: number | undefined; readonly size: number },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { minimumCount, size, segmenter } = options;
  const json = tokenizerJson(SPECIAL_TOKENS, options);
  const client = new WorkerClient<CountWorkerData, CountCalls>(WORKER, { json, segmenter }, "word count");
  try {
    await mapChunks(examples, (chunk) => client.call("add", chunk), signal);
    const { words, distinct } = await client.call("top", { size, minimumCount });
    if (words.length > 0) return words;
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      distinct === 0
        ? "Expected examples with at least one word but there is none; is the text column right?"
        : `None of the ${distinct} words of the examples occurs ${minimumCount} times; use a smaller minimumCount`,
    );
  } finally {
    await client.dispose();
  }
}

/**
 * The text of a `tokenizer.json`: one line an entry, in the order of the ids.
 *
 * The special tokens are plain entries and no `added_tokens`, which the library would look for in the text itself; the
 * pre-tokenizer cuts `[PAD]` at its brackets, so no text can produce one.
 */
function tokenizerJson(vocabulary: readonly string[], { lowercase, segmenter }: Rules): string {
  const separator = SPECIAL_TOKENS[2];
  const sequence = (id: "A" | "B") => ({ Sequence: { id, type_id: 0 } });
  const isCut = segmenter !== "default";
  const parts = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      // It puts spaces around every Chinese character, which would undo the segmenter's words.
      handle_chinese_chars: !isCut,
      strip_accents: false,
      lowercase,
    },
    pre_tokenizer: { type: isCut ? "WhitespaceSplit" : "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [sequence("A")],
      pair: [sequence("A"), { SpecialToken: { id: separator, type_id: 0 } }, sequence("B")],
      special_tokens: { [separator]: { id: separator, ids: [2], tokens: [separator] } },
    },
    decoder: null,
    model: { type: "WordLevel", vocab: {}, unk_token: SPECIAL_TOKENS[1] },
  };
  // Written by hand: an object would put number-like words first, and cannot hold every word as a key.
  const entries = vocabulary.map((word, id) => `      ${JSON.stringify(word)}: ${id}`).join(",\n");
  return `${JSON.stringify(parts, null, 2).replace('"vocab": {}', () => `"vocab": {\n${entries}\n    }`)}\n`;
}

function checkOptions(options: TrainTokenizerOptions): Required<Omit<TrainTokenizerOptions, "signal">> {
  if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
  const known = ["vocabularySize", "minimumCount", "lowercase", "segmenter", "signal"];
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) invalidArgument("options", `only ${known.join(", ")}`, key);
  }
  const { vocabularySize = 30_000, minimumCount, lowercase = true, segmenter = "default" } = options;
  if (
    !Number.isInteger(vocabularySize) ||
    vocabularySize <= SPECIAL_TOKENS.length ||
    vocabularySize > 2 ** 24
  ) {
    invalidArgument("vocabularySize", "a whole number from 4 to 2^24", vocabularySize);
  }
  if (minimumCount !== undefined && (!Number.isInteger(minimumCount) || minimumCount < 1)) {
    invalidArgument("minimumCount", "a whole number of at least 1", minimumCount);
  }
  if (typeof lowercase !== "boolean") invalidArgument("lowercase", "true or false", lowercase);
  if (!SEGMENTERS.includes(segmenter)) {
    invalidArgument("segmenter", `one of ${SEGMENTERS.join(", ")}`, segmenter);
  }
  return { vocabularySize, minimumCount, lowercase, segmenter };
}

function isIterable(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}
