/** From a file of word vectors to the rows of a vocabulary: which word belongs to which token. */
import type { Tokenizer } from "../tokenizers/types.js";
import { readWordVectors, type VectorRow, vectorValues } from "./word-vectors.js";

/** What is needed to fill a matrix of word embeddings. */
export interface FillEmbeddingsOptions {
  readonly tokenizer: Tokenizer;
  /** Width of the embeddings. */
  readonly size: number;
  /** Takes rows of the matrix, `values` row-major `[rows, size]`; a row may come twice, and the last one counts. */
  readonly write: (rows: Int32Array, values: Float32Array) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** What came of it. */
export interface FilledEmbeddings {
  /** Words of the file. */
  readonly words: number;
  /** Tokens of the vocabulary that got a vector. */
  readonly found: number;
}

/** Characters of the file that are handled before other work gets a turn; a millisecond or two. */
const BATCH_CHARACTERS = 65_536;

/** How a token came by its vector; the higher wins, of equals the first. */
const NONE = 0;
const BY_LOWER_CASE = 1;
const EXACT = 2;

/**
 * Fills embeddings with the vectors of a file. A word's vector goes to the token of the same spelling; where the tokenizer
 * lower-cases, it goes to the token of its lower-case form if the file has no vector for that itself. The padding row is
 * never written.
 *
 * @throws RATError what {@link readWordVectors} throws.
 */
export async function fillEmbeddings(
  path: string,
  options: FillEmbeddingsOptions,
): Promise<FilledEmbeddings> {
  const { tokenizer, size, write, signal } = options;
  const matches = new Uint8Array(tokenizer.vocabularySize);
  let words = 0;
  let found = 0;
  let lowercases: boolean | undefined;
  for await (const batch of inBatches(readWordVectors(path, { size, signal }))) {
    const spellings = batch.map(({ word }) => word);
    const lowered = spellings.map((word) => word.toLowerCase());
    const ids = await tokenizer.tokensToIds([...spellings, ...lowered]);
    const chosen = new Map<number, VectorRow>();
    for (const [index, row] of batch.entries()) {
      const lowerCase = { text: lowered[index] ?? "", id: ids[batch.length + index] ?? -1 };
      let id = ids[index] ?? -1;
      const match = id < 0 ? BY_LOWER_CASE : EXACT;
      if (id < 0 && lowerCase.id >= 0) {
        lowercases ??= readsAs(tokenizer, row.word, lowerCase);
        if (lowercases) id = lowerCase.id;
      }
      if (id < 0 || id === tokenizer.paddingId || match <= (matches[id] ?? EXACT)) continue;
      if (matches[id] === NONE) found++;
      matches[id] = match;
      chosen.set(id, row);
    }
    words += batch.length;
    if (chosen.size === 0) continue;
    await write(Int32Array.from(chosen.keys()), vectorValues([...chosen.values()], size));
  }
  return { words, found };
}

/** Whether the tokenizer takes `word` for its lower-case form; undefined if that is no word by itself, which tells nothing. */
function readsAs(
  tokenizer: Tokenizer,
  word: string,
  lowerCase: { readonly text: string; readonly id: number },
): boolean | undefined {
  const ids = tokenizer.encode(lowerCase.text).ids;
  return ids.includes(lowerCase.id) ? tokenizer.encode(word).ids.join() === ids.join() : undefined;
}

async function* inBatches(rows: AsyncIterable<VectorRow>): AsyncGenerator<VectorRow[]> {
  let batch: VectorRow[] = [];
  let characters = 0;
  for await (const row of rows) {
    batch.push(row);
    characters += row.word.length + row.text.length;
    if (characters < BATCH_CHARACTERS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}
