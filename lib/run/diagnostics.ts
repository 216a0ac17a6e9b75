/** Measures the model on a fixed probe of the dev set: section 6 of the R-AT paper. */
import { batchIndices, packBatch } from "../inference/batching.js";
import type { EncodedDataset } from "../inference/encoded-dataset.js";
import type { NativeTrainer } from "../native/binding.js";
import type { DiagnosticsEvent } from "./events.js";

/** Examples of the probe, spread evenly over the set. */
const PROBE = 256;
const BATCH = 32;
/** Dropout samples, M. */
const SUBMODELS = 4;

/** Which rows are measured: always the same ones of a data set. */
function probeOf(size: number): Int32Array {
  const count = Math.min(size, PROBE);
  return Int32Array.from({ length: count }, (_, i) => Math.floor((i * size) / count));
}

/**
 * Changes nothing of the model.
 *
 * @throws RATError `ERR_RAT_ABORTED`.
 */
export async function diagnose(
  model: NativeTrainer,
  { texts, labels, size }: EncodedDataset,
): Promise<Omit<DiagnosticsEvent, "type" | "step">> {
  const rows = probeOf(size);
  const sums = { inputGradientNorm: 0, submodelDivergence: 0, averagingGap: 0 };
  for (const some of batchIndices(rows, BATCH)) {
    const found = await model.diagnose(packBatch(texts, labels, some), SUBMODELS);
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += found[name];
  }
  return {
    inputGradientNorm: sums.inputGradientNorm / rows.length,
    submodelDivergence: sums.submodelDivergence / rows.length,
    averagingGap: sums.averagingGap / rows.length,
  };
}
