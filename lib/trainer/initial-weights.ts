/** Where the first weights of a model come from besides its seed: a folder, or a file of word vectors. */
import { dirname } from "node:path";
import { RATError } from "../errors.js";
import type { ModelConfig } from "../models/config.js";
import { CONFIG_FILE, headTensor, type ModelFolder } from "../models/folder.js";
import { fillEmbeddings } from "../models/initial-embeddings.js";
import { planWeights } from "../models/weights.js";
import type { NativeTrainer } from "../native/binding.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { announce } from "./device.js";
import type { Logger } from "./options.js";

/** What decides the first weights. */
export interface InitialWeights {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Undefined for a new model. */
  readonly folder: ModelFolder | undefined;
  /** Whether the head stays as the seed made it. */
  readonly resetHead: boolean;
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
  const { folder, resetHead, vectors, logger } = from;
  if (folder)
    await loadFolderWeights(model, folder, { resetHead, newHead: resetHead || !folder.hasHead, logger });
  if (vectors !== undefined) await useWordVectors(model, vectors, from);
}

/**
 * Loads a folder's weights. What an encoder's files lack of the head stays as the seed made it if there may be a new one,
 * which the logger is told, as are tensors that the model has no use for.
 *
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` for tensors that are missing or have another shape.
 */
export async function loadFolderWeights(
  model: NativeTrainer,
  folder: ModelFolder,
  options: { readonly resetHead: boolean; readonly newHead: boolean; readonly logger: Logger | undefined },
): Promise<void> {
  const { config, weights } = folder;
  const head = headTensor(config).replace(/weight$/, "");
  const [first = ""] = weights;
  const { encoder } = config;
  if (!encoder) return model.load("model", first, options.resetHead ? { except: head } : undefined);

  const wanted = (await model.parameters()).filter(
    ({ name }) => !(options.resetHead && name.startsWith(head)),
  );
  const plan = await planWeights(weights, wanted, encoder.family.basePrefix);
  const { dense } = encoder.shape.native.names;
  const isHead = (name: string) => name.startsWith(head) || name.startsWith(`${dense}.`);
  const needed = plan.missing.filter((name) => !(options.newHead && isHead(name)));
  if (needed.length > 0 || plan.misshapen.size > 0) {
    const lines = [...needed.map((name) => `missing: ${name}`), ...plan.misshapen.values()];
    throw new RATError(
      "ERR_RAT_MODEL_MISMATCH",
      `${dirname(first)} does not fit its ${CONFIG_FILE}:${lines.map((line) => `\n  ${line}`).join("")}`,
      { details: { file: first } },
    );
  }
  for (const { file, names } of plan.loads) await model.loadTensors(file, names);
  const fresh = options.resetHead ? [`${head}weight`, `${head}bias`, ...plan.missing] : plan.missing;
  if (fresh.length > 0) {
    options.logger?.info(`The head is new, drawn from the seed: ${fresh.join(", ")}`);
  }
  if (plan.unexpected.length > 0) {
    const shown = plan.unexpected.slice(0, 8).join(", ");
    const more = plan.unexpected.length > 8 ? ", ..." : "";
    options.logger?.info(
      `${plan.unexpected.length} tensors of ${dirname(first)} are not part of the model and were left out: ${shown}${more}`,
    );
  }
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
