/** Where the first weights of a model come from besides its seed: a folder, or a file of word vectors. */

import { announce } from "../inference/device.js";
import { loadFolderWeights } from "../inference/load-weights.js";
import type { Logger } from "../logger.js";
import type { ModelConfig } from "../models/config.js";
import type { ModelFolder } from "../models/folder.js";
import { fillEmbeddings } from "../models/initial-embeddings.js";
import type { NativeTrainer } from "../native/binding.js";
import type { Tokenizer } from "../tokenizers/types.js";

/** What decides the first weights. */
export interface InitialWeights {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Undefined for a new model. */
  readonly folder: ModelFolder | undefined;
  /** Whether the head stays as the seed made it. */
  readonly resetHead: boolean;
  /** How many layers of an encoder, from the top, stay as the seed made them. */
  readonly reinitLayers: number;
  /** File of word vectors, for a new model. */
  readonly vectors: string | undefined;
  readonly logger: Logger | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Puts weights in the place of those that the seed made.
 *
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` or `ERR_RAT_SAFETENSORS_INVALID` for a folder's weights; what `fillEmbeddings`
 *   throws for word vectors.
 */
export async function setInitialWeights(model: NativeTrainer, from: InitialWeights): Promise<void> {
  const { folder, resetHead, reinitLayers, vectors, logger } = from;
  if (folder) {
    const newHead = resetHead || !folder.hasHead;
    await loadFolderWeights(model, folder, { resetHead, newHead, freshLayers: reinitLayers, logger });
  }
  if (vectors !== undefined) await useWordVectors(model, vectors, from);
}

async function useWordVectors(model: NativeTrainer, path: string, from: InitialWeights): Promise<void> {
  const { config, tokenizer, logger, signal } = from;
  const { words, found } = await fillEmbeddings(path, {
    ...{ tokenizer, size: config.sizes.embeddingSize, signal },
    write: (rows, values) => model.setEmbeddingRows(rows, values),
  });
  if (found === 0) {
    const warning = `NO WORD OF THE VOCABULARY IS AMONG THE ${words} OF ${path}: all word embeddings stay random. Are the vectors for this language?`;
    announce(warning, logger);
  }
  const size = tokenizer.vocabularySize;
  logger?.info(
    `${found} of the vocabulary's ${size} words have a vector in ${path}, which has ${words} words`,
  );
}
