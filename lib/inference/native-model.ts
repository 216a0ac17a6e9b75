/** A model on its device. */
import { fromNative, RATError } from "../errors.js";
import type { ModelConfig } from "../models/config.js";
import { type NativeTrainer, type NativeTrainerOptions, native } from "../native/binding.js";
import type { Tokenizer } from "../tokenizers/types.js";

/** @throws RATError `ERR_RAT_MODEL_MISMATCH` when the tokenizer has ids that the embeddings lack. */
export function checkVocabulary(config: ModelConfig, tokenizer: Tokenizer, path: string): void {
  if (tokenizer.vocabularySize <= config.vocabularySize) return;
  throw new RATError(
    "ERR_RAT_MODEL_MISMATCH",
    `The tokenizer has ${tokenizer.vocabularySize} tokens, the model in ${path} has embeddings for ${config.vocabularySize}. Use the tokenizer that the model was trained with`,
    { details: { file: path } },
  );
}

/** @throws RATError (rejects) with the addon's code, `ERR_RAT_HOST_OOM` among them if the model's memory cannot be had. */
export async function createNative(options: NativeTrainerOptions): Promise<NativeTrainer> {
  const { Trainer } = native();
  let model: NativeTrainer | undefined;
  try {
    model = new Trainer(options);
    await model.parameters(); // waits until the model has been made
    return model;
  } catch (error) {
    await model?.dispose();
    throw fromNative(error);
  }
}
