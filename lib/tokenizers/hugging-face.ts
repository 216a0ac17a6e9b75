/**
 * The Hugging Face `tokenizers` package, loaded when it is first needed and only in worker threads: it is a large shared
 * library, and most of its calls would block the event loop.
 */
import { createRequire } from "node:module";
import type { Encoding, Tokenizer } from "tokenizers";
import { invalidTokenizer } from "./tokenizer-file.js";

export type { Encoding, Tokenizer as HuggingFaceTokenizer } from "tokenizers";

/**
 * Builds a tokenizer from the text of a `tokenizer.json` that has been looked over. Truncation and padding that the file asks for are switched
 * off: lengths are the caller's choice.
 *
 * @throws RATError `ERR_RAT_TOKENIZER_INVALID` when the library rejects the text.
 */
export function parseTokenizer(json: string): Tokenizer {
  const library = createRequire(import.meta.url)("tokenizers") as typeof import("tokenizers");
  try {
    const tokenizer = library.Tokenizer.fromString(json);
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    return tokenizer;
  } catch (error) {
    throw invalidTokenizer(error);
  }
}

/** Cuts at `limit` tokens from now on, special ones included; null: nothing is cut. */
function setTruncation(tokenizer: Tokenizer, limit: number | null): void {
  if (limit === null) tokenizer.disableTruncation();
  // The declared type is an ambient const enum, which isolated modules may not read; its values are these strings.
  else tokenizer.setTruncation(limit, { strategy: "LongestFirst" as never });
}

/**
 * Encodes texts in the library's thread pool. Reading a text ends as soon as it has `limit` tokens, so where no special
 * tokens are added what is cut leaves no trace.
 *
 * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` when the tokenizer cannot encode one, as without an unknown token.
 */
export async function encodeTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  limit: number | null,
): Promise<Encoding[]> {
  if (texts.length === 0) return [];
  try {
    setTruncation(tokenizer, limit);
    return await tokenizer.encodeBatch([...texts]);
  } catch (error) {
    throw invalidTokenizer(error);
  }
}

/**
 * Encodes pairs in the library's thread pool; truncation is `longest_first` on the whole texts.
 *
 * The two texts are read apart and joined by the post-processor, which also truncates. `encode(text, pair)` of versions
 * 0.23.1 and 0.23.2 reads only `limit` tokens of each first; two texts beyond the limit then look equally long, and the
 * shorter one may keep the odd token. 0.22.2 and 0.23.3 do as this function does. (`encodeBatch` of the npm package takes
 * no pairs, whatever its types say.)
 *
 * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` as {@link encodeTexts}.
 */
export async function encodePairs(
  tokenizer: Tokenizer,
  pairs: readonly (readonly [string, string])[],
  limit: number | null,
): Promise<Encoding[]> {
  if (pairs.length === 0) return [];
  try {
    setTruncation(tokenizer, null);
    const encodings = await tokenizer.encodeBatch(pairs.flat(), { addSpecialTokens: false });
    setTruncation(tokenizer, limit);
    return pairs.flatMap((_, row) => {
      const [first, second] = [encodings[2 * row], encodings[2 * row + 1]];
      return first === undefined ? [] : [tokenizer.postProcess(first, second)];
    });
  } catch (error) {
    throw invalidTokenizer(error);
  }
}
