/** Rules among the options of the optimizer's steps, the same for a command line and for `fit`. */
import { configError } from "../errors.js";
import { defaultOf } from "./defaults.js";

/** @throws RATError `ERR_RAT_CONFIG` for a micro-batch that is larger than the batch. */
export function checkFitOptions(options: {
  readonly batchSize?: number | undefined;
  readonly microBatchSize?: number | undefined;
}): void {
  const { batchSize = defaultOf("batchSize"), microBatchSize } = options;
  if (microBatchSize !== undefined && microBatchSize > batchSize) {
    throw configError(
      "microBatchSize",
      `Expected at most the batch size, ${batchSize}, for microBatchSize but received ${microBatchSize}`,
    );
  }
}
