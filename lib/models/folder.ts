/** Model folders: `config.json`, `model.safetensors` and the tokenizer's files, written together or not at all. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { MODEL_TYPES } from "../config/fields.js";
import { RATError, throwIfAborted } from "../errors.js";
import { writeFolder } from "../files/atomic-folder.js";
import { writeNewFile } from "../files/durable-file.js";
import { didYouMean } from "../nearest.js";
import { formatModelConfig, type ModelConfig, parseModelConfig } from "./config.js";
import { adviceFor } from "./hub-names.js";
import { findWeights, hasTensor, WEIGHTS_FILE } from "./weights.js";

export const CONFIG_FILE = "config.json";

/** Files of a model folder that other tools write; with ours, all that replacing a folder may take away. */
const MODEL_FILES = new Set([
  CONFIG_FILE,
  WEIGHTS_FILE,
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "vocab.txt",
]);

/** What a model folder is made of. */
export interface ModelFolderContent {
  readonly config: ModelConfig;
  /** The tokenizer's files by name. */
  readonly tokenizerFiles: Readonly<Record<string, string>>;
  /** Writes the weights to a path that does not exist yet. */
  readonly writeWeights: (path: string) => Promise<void>;
}

/**
 * Writes a model folder, complete or not at all. One that stands there already is replaced.
 *
 * @throws RATError `ERR_RAT_PATH` when `folder` holds anything else; `ERR_RAT_CHECKPOINT_WRITE` when writing fails, with
 *   the old folder intact; `ERR_RAT_ABORTED` at the end of the file that is being written, with the old folder intact.
 */
export async function saveModelFolder(
  folder: string,
  content: ModelFolderContent,
  signal: AbortSignal,
): Promise<void> {
  await refuseStrangers(folder);
  await writeFolder(folder, async (temporary) => {
    await content.writeWeights(join(temporary, WEIGHTS_FILE));
    const files = { [CONFIG_FILE]: formatModelConfig(content.config), ...content.tokenizerFiles };
    for (const [name, text] of Object.entries(files)) {
      throwIfAborted(signal);
      await writeNewFile(join(temporary, name), text);
    }
    throwIfAborted(signal);
  });
}

/** A model folder is replaced as a whole; a folder of other things must not be. */
async function refuseStrangers(folder: string): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (info === undefined) return;
  if (!info.isDirectory()) {
    throw new RATError("ERR_RAT_PATH", `${folder} is a file; give a folder for the model`, {
      details: { file: folder },
    });
  }
  const stranger = (await readdir(folder)).find((name) => !MODEL_FILES.has(name));
  if (stranger !== undefined) {
    throw new RATError(
      "ERR_RAT_PATH",
      `${folder} holds ${stranger}, which is not part of a model; give a new or empty folder`,
      { details: { file: folder } },
    );
  }
}

/** A model folder that has been checked; its weights are read by the native side. */
export interface ModelFolder {
  readonly config: ModelConfig;
  /** Paths of the safetensors files. */
  readonly weights: readonly string[];
  /** Whether there are weights for a head: a pretrained encoder has none yet. */
  readonly hasHead: boolean;
}

/**
 * Reads and checks a model folder.
 *
 * @throws RATError `ERR_RAT_PATH` when the folder or a file is missing; `ERR_RAT_MODEL_MISMATCH` for a `config.json` that
 *   is damaged or describes something unsupported; `ERR_RAT_UNSAFE_FORMAT` when the weights are a pickle file only.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const info = await stat(folder).catch(() => undefined);
  if (!info?.isDirectory()) {
    const message = info
      ? `${folder} is not a folder`
      : `There is no folder ${folder}${didYouMean(folder, MODEL_TYPES)}`;
    throw missing(
      folder,
      `${message}; give bilstm, textcnn, texthan or the folder of a trained model; ${adviceFor(folder)}`,
    );
  }
  const file = join(folder, CONFIG_FILE);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw missing(file, `${folder} is not a model folder: ${CONFIG_FILE} cannot be read`, cause);
  });
  const config = parseModelConfig(text, file);
  const weights = await findWeights(folder);
  const { encoder } = config;
  const hasHead = !encoder || (await hasTensor(weights, headTensor(config), encoder.family.basePrefix));
  return { config, weights, hasHead };
}

/** Name of the weights that turn the last features into outputs. */
export function headTensor({ encoder }: ModelConfig): string {
  return `${encoder?.shape.native.names.classifier ?? "classifier"}.weight`;
}

function missing(file: string, message: string, cause?: unknown): RATError {
  return new RATError("ERR_RAT_PATH", message, { cause, details: { file } });
}
