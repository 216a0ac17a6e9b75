/**
 * Encodes many texts in a worker thread without blocking the event loop: texts go out in chunks, a few chunks are in
 * flight, and both reading the caller's iterable and putting the results together yield every few milliseconds.
 */
import { abortedError, invalidArgument, throwIfAborted } from "../errors.js";
import type { WorkerClient } from "../worker/client.js";
import type { EncodeCalls, EncodedChunk, EncodeWorkerData, WorkerText } from "./encode-worker.js";
import type { EncodeAllOptions, PackedTexts, TextOrPair } from "./types.js";

/** Texts and characters of a chunk: enough to keep both sides busy, few enough to copy in well under a millisecond. */
const CHUNK_TEXTS = 256;
const CHUNK_CHARACTERS = 65_536;
/** Chunks that wait in the worker while one is encoded. */
const CHUNKS_IN_FLIGHT = 3;
/** Longest run of this thread between two turns of the event loop, if the caller's iterable is quick. */
const SLICE_MS = 5;

/** Yields to the event loop whenever the current turn has taken long enough. */
class TimeSlice {
  #start = performance.now();

  /** Whether it is time to let others run. */
  get isOver(): boolean {
    return performance.now() - this.#start > SLICE_MS;
  }

  async yield(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#start = performance.now();
  }
}

/**
 * Cuts texts into chunks for a worker.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an entry that is not a text or pair, naming its index.
 */
async function* chunksOf(
  texts: Iterable<TextOrPair> | AsyncIterable<TextOrPair>,
  signal: AbortSignal | undefined,
): AsyncGenerator<WorkerText[]> {
  const slice = new TimeSlice();
  let chunk: WorkerText[] = [];
  let characters = 0;
  let index = 0;
  for await (const entry of texts) {
    throwIfAborted(signal);
    chunk.push(workerText(entry, index++));
    characters += entry.text.length + (entry.pair?.length ?? 0);
    if (slice.isOver) await slice.yield();
    if (chunk.length >= CHUNK_TEXTS || characters >= CHUNK_CHARACTERS) {
      yield chunk;
      chunk = [];
      characters = 0;
    }
  }
  if (chunk.length > 0) yield chunk;
}

function workerText(entry: TextOrPair, index: number): WorkerText {
  if (typeof entry !== "object" || entry === null) {
    return invalidArgument(`texts[${index}]`, "an object { text, pair? }", entry);
  }
  const { text, pair } = entry;
  if (typeof text !== "string") return invalidArgument(`texts[${index}].text`, "a string", text);
  if (pair === undefined) return text;
  return typeof pair === "string" ? [text, pair] : invalidArgument(`texts[${index}].pair`, "a string", pair);
}

/**
 * Sends every chunk through `process`, a few at a time, and returns the results in order.
 *
 * @throws RATError (rejects) `ERR_RAT_ABORTED` as soon as `signal` is aborted, or what reading or `process` fails with.
 */
export async function mapChunks<R>(
  texts: Iterable<TextOrPair> | AsyncIterable<TextOrPair>,
  process: (chunk: WorkerText[]) => Promise<R>,
  signal: AbortSignal | undefined,
): Promise<R[]> {
  throwIfAborted(signal);
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const listener = () => reject(abortedError(signal));
    signal?.addEventListener("abort", listener, { once: true });
    stop = () => signal?.removeEventListener("abort", listener);
  });
  aborted.catch(() => {}); // it may come when nothing waits for it any more

  const run = async () => {
    const results: Promise<R>[] = [];
    for await (const chunk of chunksOf(texts, signal)) {
      throwIfAborted(signal);
      const result = process(chunk);
      result.catch(() => {}); // awaited below, unless an earlier one fails first
      results.push(result);
      if (results.length > CHUNKS_IN_FLIGHT) await results[results.length - 1 - CHUNKS_IN_FLIGHT];
    }
    return Promise.all(results);
  };
  try {
    return await Promise.race([run(), aborted]);
  } finally {
    stop();
  }
}

/**
 * Encodes `texts` in order.
 *
 * @throws RATError (rejects) `ERR_RAT_INVALID_ARG`, `ERR_RAT_ABORTED`, `ERR_RAT_DISPOSED`, or `ERR_RAT_INTERNAL` if the
 * worker crashes.
 */
export async function encodeAll(
  client: WorkerClient<EncodeWorkerData, EncodeCalls>,
  texts: Iterable<TextOrPair>,
  options: EncodeAllOptions,
): Promise<PackedTexts> {
  if (typeof texts !== "object" || texts === null || !(Symbol.iterator in texts)) {
    invalidArgument("texts", "an iterable of { text, pair? }", texts);
  }
  const { maxLength, signal } = options ?? {};
  if (!Number.isInteger(maxLength) || maxLength < 1 || maxLength >= 2 ** 31) {
    invalidArgument("maxLength", "a whole number of at least 1", maxLength);
  }
  const encode = (chunk: WorkerText[]) => client.call("encode", { texts: chunk, maxLength });
  return concatenate(await mapChunks(texts, encode, signal), signal);
}

async function concatenate(
  chunks: readonly EncodedChunk[],
  signal: AbortSignal | undefined,
): Promise<PackedTexts> {
  const sum = (of: (chunk: EncodedChunk) => number) => chunks.reduce((total, chunk) => total + of(chunk), 0);
  const total = sum((chunk) => chunk.tokens.length);
  if (total >= 2 ** 31) {
    invalidArgument("texts", "fewer than 2^31 tokens in all (encode them in parts)", total);
  }
  const tokens = new Int32Array(total);
  const starts = new Int32Array(sum((chunk) => chunk.lengths.length) + 1);
  const tokenTypes = chunks.some(({ types }) => types?.some((type) => type !== 0))
    ? new Uint8Array(total)
    : undefined;
  const slice = new TimeSlice();
  let position = 0;
  let row = 0;
  for (const chunk of chunks) {
    tokens.set(chunk.tokens, position);
    if (chunk.types !== null) tokenTypes?.set(chunk.types, position);
    for (const length of chunk.lengths) {
      position += length;
      starts[++row] = position;
    }
    if (slice.isOver) {
      await slice.yield();
      throwIfAborted(signal);
    }
  }
  return { tokens, starts, truncated: sum((chunk) => chunk.truncated), ...(tokenTypes && { tokenTypes }) };
}
