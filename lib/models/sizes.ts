/** Default sizes of the from-scratch models, and their form at the native boundary. */
import type { ModelType } from "../config/fields.js";
import type { ModelOptions } from "../config/schema.js";
import type { NativeModelOptions } from "../native/binding.js";

/** Everything about a new model except what the task and the tokenizer decide. */
export type ModelSizes = Pick<
  NativeModelOptions,
  "type" | "embeddingSize" | "hiddenSize" | "layers" | "windows"
>;

const EMBEDDING_SIZE = 300;

const DEFAULT_SIZES: Readonly<Record<ModelType, Omit<ModelSizes, "type">>> = {
  bilstm: { embeddingSize: EMBEDDING_SIZE, hiddenSize: 128, layers: 2, windows: [] },
  textcnn: { embeddingSize: EMBEDDING_SIZE, hiddenSize: 256, layers: 1, windows: [2, 3, 4] },
  texthan: { embeddingSize: EMBEDDING_SIZE, hiddenSize: 128, layers: 1, windows: [] },
};

/** The sizes of a new model with the defaults of its architecture. */
export function modelSizes(options: Exclude<ModelOptions, { path: string }>): ModelSizes {
  const defaults = DEFAULT_SIZES[options.type];
  return {
    type: options.type,
    embeddingSize: options.embeddingSize ?? defaults.embeddingSize,
    hiddenSize: options.hiddenSize ?? defaults.hiddenSize,
    layers: ("layers" in options ? options.layers : undefined) ?? defaults.layers,
    windows: ("windows" in options ? options.windows : undefined) ?? defaults.windows,
  };
}
