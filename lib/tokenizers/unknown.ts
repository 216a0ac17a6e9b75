/** How many tokens of a data set stand for words that the vocabulary lacks. */
import { giveWay } from "../give-way.js";
import type { PackedTexts, Tokenizer } from "./types.js";

/** Names of the unknown token: BERT's and ours, RoBERTa's and ALBERT's. */
const NAMES = ["[UNK]", "<unk>"];
const TOKENS_A_TURN = 1_000_000;

/** Tokens of `texts` that are the unknown one. */
export async function countUnknown({ tokens }: PackedTexts, tokenizer: Tokenizer): Promise<number> {
  const unknown = new Set([...(await tokenizer.tokensToIds(NAMES))].filter((id) => id >= 0));
  let count = 0;
  for (let start = 0; start < tokens.length; start += TOKENS_A_TURN) {
    for (const token of tokens.subarray(start, start + TOKENS_A_TURN)) if (unknown.has(token)) count++;
    await giveWay();
  }
  return count;
}
