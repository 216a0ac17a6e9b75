/** Rules among the options about where a model comes from, the same for a command line and for `RATTrainer.create`. */
import { configError } from "../errors.js";
import type { Precision } from "../native/binding.js";

/**
 * @param options - `isNew`: whether the model is trained from scratch rather than read from a folder.
 * @throws RATError `ERR_RAT_CONFIG` for an option that means nothing for such a model.
 */
export function checkModelOptions(options: {
  readonly isNew: boolean;
  readonly vectors?: string | undefined;
  readonly resetHead?: boolean | undefined;
  readonly reinitLayers?: number | undefined;
}): void {
  if (options.isNew && options.resetHead) {
    throw configError("resetHead", "resetHead is for the model of a folder: the head of a new model is new");
  }
  if (options.isNew && options.reinitLayers) {
    throw configError(
      "reinitLayers",
      "reinitLayers is for a pretrained encoder: the layers of a new model are new",
    );
  }
  if (!options.isNew && options.vectors !== undefined) {
    throw configError(
      "vectors",
      "vectors are for new models: the embeddings of a folder's model have been trained",
    );
  }
}

/**
 * @param type - of a model that is no encoder.
 * @throws RATError `ERR_RAT_CONFIG` for an option that only encoders have.
 */
export function checkNoEncoderOptions(
  type: string,
  {
    precision,
    recompute,
    attentionRng,
  }: {
    readonly precision?: Precision | undefined;
    readonly recompute?: boolean | undefined;
    readonly attentionRng?: string | undefined;
  },
): void {
  if (precision === "bf16") {
    throw configError("precision", `bf16 is for encoders (the folder of one); train a ${type} in fp32`);
  }
  if (recompute) {
    throw configError("recompute", `recompute is for encoders (the folder of one), not for a ${type}`);
  }
  if (attentionRng === "torch") {
    throw configError(
      "attentionRng",
      `attentionRng torch is for encoders (the folder of one), not for a ${type}`,
    );
  }
}
