/** Model outputs for many texts: batches of similar length go to the native side, results come back in input order. */

import { abortedError, fromNative, RATError } from "../errors.js";
import type { NativeTrainer } from "../native/binding.js";
import type { PackedTexts } from "../tokenizers/types.js";
import { packBatch } from "./batching.js";

/** Bounds of one batch: few enough that an abort is noticed soon, enough to keep the cores busy. */
const BATCH_EXAMPLES = 256;
const BATCH_TOKENS = 8_192;
/** Batches queued to the native side, so that it has the next one while a result is on its way. */
const QUEUED_BATCHES = 2;

/**
 * Logits without dropout, row-major `[N, outputs]`.
 *
 * @throws RATError `ERR_RAT_ABORTED` at the end of the batches that are queued when `signal` aborts; `ERR_RAT_NON_FINITE` for
 *   a model whose weights are no numbers any more.
 */
export async function computeLogits(
  model: NativeTrainer,
  texts: PackedTexts,
  outputs: number,
  signal: AbortSignal,
  onTexts?: (done: number) => void,
): Promise<Float64Array> {
  let done = 0;
  const logits = new Float64Array((texts.starts.length - 1) * outputs);
  const queue: { rows: Int32Array; result: Promise<Float64Array> }[] = [];
  const collect = async () => {
    const next = queue.shift();
    if (next === undefined) return;
    const values = await next.result;
    if (!values.every(Number.isFinite)) {
      throw new RATError(
        "ERR_RAT_NON_FINITE",
        "The model's outputs are not finite: its weights are damaged. Take another model, or train again with a lower learning rate",
      );
    }
    next.rows.forEach((row, index) => {
      logits.set(values.subarray(index * outputs, (index + 1) * outputs), row * outputs);
    });
    done += next.rows.length;
    onTexts?.(done);
  };
  try {
    for (const rows of batchesByLength(texts.starts)) {
      if (signal.aborted) throw abortedError(signal);
      const result = model.predict(packBatch(texts, undefined, rows));
      // Several may fail at once while only the first is awaited.
      result.catch(() => undefined);
      queue.push({ rows, result });
      if (queue.length >= QUEUED_BATCHES) await collect();
    }
    while (queue.length > 0) await collect();
  } catch (error) {
    await Promise.allSettled(queue.map(({ result }) => result));
    throw signal.aborted ? abortedError(signal) : fromNative(error);
  }
  return logits;
}

/** Rows in order of length, cut into batches; equal lengths stay in input order. */
function* batchesByLength(starts: Int32Array): Generator<Int32Array> {
  const rows = sortByLength(starts);
  let first = 0;
  let tokens = 0;
  for (let i = 0; i < rows.length; i++) {
    const length = lengthOf(starts, rows[i] ?? 0);
    if (i > first && (i - first >= BATCH_EXAMPLES || tokens + length > BATCH_TOKENS)) {
      yield rows.subarray(first, i);
      first = i;
      tokens = 0;
    }
    tokens += length;
  }
  if (first < rows.length) yield rows.subarray(first);
}

/** A counting sort: linear, so that a million rows do not hold up the event loop. */
function sortByLength(starts: Int32Array): Int32Array {
  const size = starts.length - 1;
  let longest = 0;
  for (let row = 0; row < size; row++) longest = Math.max(longest, lengthOf(starts, row));
  const next = new Int32Array(longest + 2);
  for (let row = 0; row < size; row++) {
    const length = lengthOf(starts, row);
    next[length + 1] = (next[length + 1] ?? 0) + 1;
  }
  for (let length = 1; length < next.length; length++) {
    next[length] = (next[length] ?? 0) + (next[length - 1] ?? 0);
  }
  const rows = new Int32Array(size);
  for (let row = 0; row < size; row++) {
    const length = lengthOf(starts, row);
    const place = next[length] ?? 0;
    rows[place] = row;
    next[length] = place + 1;
  }
  return rows;
}

function lengthOf(starts: Int32Array, row: number): number {
  return (starts[row + 1] ?? 0) - (starts[row] ?? 0);
}
