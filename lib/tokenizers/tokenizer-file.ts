/**
 * Looks over a `tokenizer.json` before the Hugging Face library gets it. The library reports most damage itself; what is
 * refused here would make it panic in a thread of its own, which ends the process.
 */
import { RATError } from "../errors.js";

/** The tokenizer itself, as every Hugging Face library reads it. */
export const TOKENIZER_FILE = "tokenizer.json";
/** What `tokenizer.json` has no place for: names of special tokens and our `segmenter`. */
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";

/** What is read from the file beside the library. */
export interface TokenizerFile {
  /** The token for words outside the vocabulary, by name or (Unigram) by id. */
  readonly unknownToken: string | undefined;
  readonly unknownId: number | undefined;
  /** The parts, as the file has them. */
  readonly normalizer: Component | null;
  readonly preTokenizer: Component | null;
  readonly model: Component;
  readonly addedTokens: readonly AddedToken[];
}

/** A token that is found in a text as it is spelt, before or (`normalized`) after the text is normalised. */
export interface AddedToken {
  readonly content: string;
  readonly normalized: boolean;
  /** Whether the white space around it, or what stands there, plays a part. */
  readonly looksAround: boolean;
}

/** A part of the file, with what is read of it. */
export interface Component {
  readonly type?: unknown;
  readonly normalizers?: unknown;
  readonly pretokenizers?: unknown;
  readonly pattern?: unknown;
  readonly handle_chinese_chars?: unknown;
  readonly lowercase?: unknown;
  readonly add_prefix_space?: unknown;
  readonly use_regex?: unknown;
  readonly split?: unknown;
  readonly dropout?: unknown;
  readonly vocab?: unknown;
  readonly merges?: unknown;
  readonly unk_token?: unknown;
  readonly ignore_merges?: unknown;
  readonly continuing_subword_prefix?: unknown;
  readonly end_of_word_suffix?: unknown;
  readonly max_input_chars_per_word?: unknown;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Checks the text of a `tokenizer.json`.
 *
 * @throws RATError `ERR_RAT_TOKENIZER_INVALID` for what is not JSON or would bring the library down.
 */
export function inspectTokenizerFile(json: string): TokenizerFile {
  let file: unknown;
  try {
    file = JSON.parse(json);
  } catch (error) {
    throw invalidTokenizer(error);
  }
  const {
    model,
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: postProcessor,
    added_tokens: added,
  } = (isObject(file) ? file : {}) as {
    model?: unknown;
    normalizer?: unknown;
    pre_tokenizer?: unknown;
    post_processor?: unknown;
    added_tokens?: unknown;
  };
  if (!isObject(model)) throw invalidTokenizer("it has no model");
  for (const part of components(normalizer, "normalizers")) checkNormalizer(part);
  for (const part of components(postProcessor, "processors")) checkPostProcessor(part);

  const { unk_token: token, unk_id: id } = model as { unk_token?: unknown; unk_id?: unknown };
  return {
    unknownToken: typeof token === "string" ? token : undefined,
    unknownId: typeof id === "number" ? id : undefined,
    normalizer: isObject(normalizer) ? normalizer : null,
    preTokenizer: isObject(preTokenizer) ? preTokenizer : null,
    model,
    addedTokens: (Array.isArray(added) ? added : []).map(addedToken),
  };
}

function addedToken(token: unknown): AddedToken {
  const { content, normalized, lstrip, rstrip, single_word } = (isObject(token) ? token : {}) as Record<
    "content" | "normalized" | "lstrip" | "rstrip" | "single_word",
    unknown
  >;
  const looksAround = lstrip === true || rstrip === true || single_word === true;
  return { content: String(content), normalized: normalized === true, looksAround };
}

/** The error for a file that cannot be used. */
export function invalidTokenizer(reason: unknown): RATError {
  const message = reason instanceof Error ? reason.message : String(reason);
  const options = reason instanceof Error ? { cause: reason } : {};
  return new RATError("ERR_RAT_TOKENIZER_INVALID", `Not a usable tokenizer: ${message}`, options);
}

/** A component and, if it is a sequence, all that it holds; without recursion, since files can nest at will. */
function components(root: unknown, field: "normalizers" | "processors"): JsonObject[] {
  const found: JsonObject[] = [];
  const open: unknown[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!isObject(next)) continue;
    found.push(next);
    const inner = next[field];
    if (Array.isArray(inner)) for (const part of inner) open.push(part ?? null);
  }
  return found;
}

/** A SentencePiece character map is base64 of: length of a trie in bytes (32 bits, little-endian), trie, UTF-8 text. */
function checkNormalizer(normalizer: JsonObject): void {
  if (!("precompiled_charsmap" in normalizer) && typeOf(normalizer) !== "Precompiled") return;
  const map = (normalizer as { precompiled_charsmap?: unknown }).precompiled_charsmap;
  const bytes = Buffer.from(typeof map === "string" ? map : "", "base64");
  const trieBytes = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  const isSound = trieBytes >= 4 && trieBytes % 4 === 0 && trieBytes + 4 <= bytes.length;
  if (!isSound || !isUtf8(bytes.subarray(4 + trieBytes))) {
    throw invalidTokenizer("its precompiled_charsmap is damaged");
  }
}

/** Every special token of a template must be defined beside it. */
function checkPostProcessor(processor: JsonObject): void {
  if (typeOf(processor) !== "TemplateProcessing") return;
  const {
    single,
    pair,
    special_tokens: special,
  } = processor as {
    single?: unknown;
    pair?: unknown;
    special_tokens?: unknown;
  };
  for (const piece of [single, pair].flat()) {
    const token = isObject(piece) ? (piece as { SpecialToken?: unknown }).SpecialToken : undefined;
    if (!isObject(token)) continue;
    const { id } = token as { id?: unknown };
    if (typeof id === "string" && isObject(special) && Object.hasOwn(special, id)) continue;
    throw invalidTokenizer(`its template uses ${JSON.stringify(id)}, which special_tokens does not define`);
  }
}

function typeOf(component: JsonObject): unknown {
  return (component as { type?: unknown }).type;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
