/** Cuts an epoch's order into batches and lays their texts end to end, as they cross to the native side. */
import { invalidArgument } from "../errors.js";
import type { PackedBatch } from "../native/binding.js";
import type { LabelArray } from "../targets/index.js";
import type { PackedTexts } from "../tokenizers/types.js";

/**
 * Consecutive pieces of `order`; the last, smaller one is kept. The pieces are views of `order`, not copies.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` if `batchSize` is not a whole number above 0.
 */
export function batchIndices(order: Int32Array, batchSize: number): Int32Array[] {
  if (!(Number.isSafeInteger(batchSize) && batchSize > 0)) {
    invalidArgument("batchSize", "a whole number above 0", batchSize);
  }
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.subarray(start, start + batchSize));
  }
  return batches;
}

/**
 * The texts `rows` of `encoded`, in that order, as a batch; `labels` has as many entries for each text of `encoded`,
 * or is left out to predict. The row numbers become the example ids, which key the dropout masks.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for a row that `encoded` does not have, or labels of another number.
 */
export function packBatch(
  encoded: PackedTexts,
  labels: LabelArray | undefined,
  rows: Int32Array,
): PackedBatch {
  const count = encoded.starts.length - 1;
  if (labels && labels.length % count !== 0) invalidArgument("labels", `${count} entries`, labels.length);
  const sequenceStarts = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => {
    if (row < 0 || row >= count) invalidArgument("a row", `a number from 0 to ${count - 1}`, row);
    const length = (encoded.starts[row + 1] ?? 0) - (encoded.starts[row] ?? 0);
    sequenceStarts[i + 1] = (sequenceStarts[i] ?? 0) + length;
  });

  const total = sequenceStarts[rows.length] ?? 0;
  return {
    tokens: gatherTexts(encoded.tokens, new Int32Array(total), encoded.starts, rows, sequenceStarts),
    sequenceStarts,
    exampleIds: Int32Array.from(rows),
    ...(encoded.tokenTypes && {
      tokenTypes: gatherTexts(
        encoded.tokenTypes,
        new Uint8Array(total),
        encoded.starts,
        rows,
        sequenceStarts,
      ),
    }),
    ...(labels && { labels: gatherLabels(labels, labels.length / count, rows) }),
  };
}

function gatherTexts<A extends Int32Array | Uint8Array>(
  from: A,
  to: A,
  starts: Int32Array,
  rows: Int32Array,
  sequenceStarts: Int32Array,
): A {
  rows.forEach((row, i) => {
    to.set(from.subarray(starts[row], starts[row + 1]), sequenceStarts[i]);
  });
  return to;
}

function gatherLabels<A extends LabelArray>(labels: A, width: number, rows: Int32Array): A {
  const length = rows.length * width;
  const gathered = (labels instanceof Int32Array ? new Int32Array(length) : new Float32Array(length)) as A;
  rows.forEach((row, i) => {
    gathered.set(labels.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}
