/** Rules among the options about where a model comes from, the same for a command line and for `RATTrainer.create`. */
import { configError } from "../errors.js";

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
