/** The {@link Tokenizer} of every model: the Hugging Face library in a worker thread of its own. */
import { invalidArgument } from "../errors.js";
import { WorkerClient } from "../worker/client.js";
import { encodeAll } from "./batch-encoder.js";
import type { EncodeCalls, EncodeWorkerData } from "./encode-worker.js";
import { TOKENIZER_FILE } from "./tokenizer-file.js";
import type { EncodeAllOptions, EncodedText, PackedTexts, TextOrPair, Tokenizer } from "./types.js";

const WORKER = new URL("./encode-worker.js", import.meta.url);

/** A tokenizer that has been opened and found sound. Made by {@link openTokenizer} only. */
class WorkerTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly paddingId: number;
  readonly specialIds: readonly number[];
  readonly #client: WorkerClient<EncodeWorkerData, EncodeCalls>;
  readonly #files: Readonly<Record<string, string>>;
  #vocabulary: ReadonlyMap<string, number> | undefined;

  constructor(
    client: WorkerClient<EncodeWorkerData, EncodeCalls>,
    description: EncodeCalls["describe"]["output"],
    files: Readonly<Record<string, string>>,
  ) {
    this.#client = client;
    this.#files = Object.freeze({ ...files });
    this.vocabularySize = description.vocabularySize;
    this.paddingId = description.paddingId;
    this.specialIds = description.specialIds;
  }

  encode(text: string, pair?: string): EncodedText {
    if (typeof text !== "string") invalidArgument("text", "a string", text);
    if (pair !== undefined && typeof pair !== "string") invalidArgument("pair", "a string", pair);
    const input = pair === undefined ? text : ([text, pair] as const);
    const { tokens, types } = this.#client.callSync("encode", { texts: [input], maxLength: null });
    const ids = Array.from(tokens);
    return { ids, typeIds: types === null ? ids.map(() => 0) : Array.from(types) };
  }

  encodeAll(texts: Iterable<TextOrPair>, options: EncodeAllOptions): Promise<PackedTexts> {
    return encodeAll(this.#client, texts, options);
  }

  tokenToId(token: string): number | undefined {
    if (typeof token !== "string") invalidArgument("token", "a string", token);
    if (this.#vocabulary === undefined) {
      const { tokens, ids } = this.#client.callSync("vocabulary", null);
      this.#vocabulary = new Map(tokens.map((key, index) => [key, ids[index] ?? 0]));
    }
    return this.#vocabulary.get(token);
  }

  async tokensToIds(tokens: readonly string[]): Promise<Int32Array> {
    if (!Array.isArray(tokens) || tokens.some((token) => typeof token !== "string")) {
      invalidArgument("tokens", "an array of strings", tokens);
    }
    return this.#client.call("ids", tokens);
  }

  files(): Readonly<Record<string, string>> {
    return this.#files;
  }

  dispose(): Promise<void> {
    return this.#client.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/**
 * Starts the worker of a tokenizer and waits until it has read the vocabulary.
 *
 * @param files - what a model folder will hold; a `tokenizer.json` that is made comes beside them.
 * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` when the library cannot use it.
 */
export async function openTokenizer(
  data: EncodeWorkerData,
  files: Readonly<Record<string, string>>,
): Promise<Tokenizer> {
  const client = new WorkerClient<EncodeWorkerData, EncodeCalls>(WORKER, data, "tokenizer");
  try {
    const description = await client.call("describe", null);
    const { json } = description;
    return new WorkerTokenizer(
      client,
      description,
      json === null ? files : { [TOKENIZER_FILE]: json, ...files },
    );
  } catch (error) {
    await client.dispose();
    throw error;
  }
}
