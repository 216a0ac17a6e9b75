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

/**
 * Encodes texts, without special tokens, in the library's thread pool.
 *
 * @param limit - Reading a text ends as soon as it has so many tokens; null: never.
 * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` when the tokenizer cannot encode one, as without an unknown token.
 */
export async function encodeTexts(
  tokenizer: Tokenizer,
  texts: readonly string[],
  limit: number | null,
): Promise<Encoding[]> {
  if (texts.length === 0) return [];
  try {
    if (limit === null) tokenizer.disableTruncation();
    else tokenizer.setTruncation(limit);
    return await tokenizer.encodeBatch([...texts], { addSpecialTokens: false });
  } catch (error) {
    throw invalidTokenizer(error);
  }
}
