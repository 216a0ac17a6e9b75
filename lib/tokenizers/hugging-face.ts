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
 * Encodes texts and pairs in the library's thread pool.
 *
 * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` when the tokenizer cannot encode one, as without an unknown token.
 */
export async function encodeBatch(
  tokenizer: Tokenizer,
  inputs: readonly (string | readonly [string, string])[],
): Promise<Encoding[]> {
  try {
    // `encodeBatch` of the npm package takes no pairs, though its types and the library itself do.
    const isText = (input: string | readonly [string, string]) => typeof input === "string";
    if (inputs.every(isText)) return await tokenizer.encodeBatch([...inputs]);
    return await Promise.all(
      inputs.map((input) =>
        typeof input === "string" ? tokenizer.encode(input) : tokenizer.encode(input[0], input[1]),
      ),
    );
  } catch (error) {
    throw invalidTokenizer(error);
  }
}
