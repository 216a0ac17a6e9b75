/** The models that are measured, and the arithmetic that their training needs. */
import { ENCODER_FAMILIES } from "#dist/models/families/index.js";
import { modelSizes } from "#dist/models/sizes.js";
import type { NativeModelOptions } from "#dist/native/binding.js";
import { type TokenBatch, tokensOf } from "./batches.js";

export type ModelKind = "encoder" | "textcnn" | "bilstm" | "texthan";

export interface BenchmarkModel {
  readonly name: string;
  readonly kind: ModelKind;
  readonly options: NativeModelOptions;
  /** Of an encoder: the `config.json` that `transformers` makes the same model from. */
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly classes: number;
}

const CLASSES = 2;

const ENCODERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  // google/bert_uncased_L-2_H-128_A-2, sentence-transformers/all-MiniLM-L6-v2, bert-base-uncased
  "bert-tiny": { hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 512 },
  minilm: { hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 12, intermediate_size: 1536 },
  "bert-base": { hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072 },
};
const WORD_MODELS = ["textcnn", "bilstm", "texthan"] as const;
/** Of a from-scratch model of AG News or IMDB. */
const WORDS = 20_000;

export const benchmarkModels: readonly string[] = [...Object.keys(ENCODERS), ...WORD_MODELS];

/** @throws Error when there is no such model. */
export function benchmarkModel(name: string): BenchmarkModel {
  const word = WORD_MODELS.find((kind) => kind === name);
  if (word) {
    const sizes = modelSizes({ type: word });
    const options = { ...sizes, vocabularySize: WORDS, outputs: CLASSES, paddingId: 0, embeddingStd: 0.1 };
    return { name, kind: word, options, config: null, classes: CLASSES };
  }
  const sizes = ENCODERS[name];
  const family = ENCODER_FAMILIES.get("bert");
  if (!sizes || !family)
    throw new Error(`there is no model ${name}; there are ${benchmarkModels.join(", ")}`);
  const config = {
    ...{ model_type: "bert", vocab_size: 30_522, max_position_embeddings: 512, type_vocab_size: 2 },
    ...{ hidden_act: "gelu", hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 },
    ...{ layer_norm_eps: 1e-12, pad_token_id: 0, num_labels: CLASSES, ...sizes },
  };
  const { native, ...shape } = family.parse(config, "benchmark");
  const options: NativeModelOptions = {
    ...{ type: "encoder", outputs: CLASSES, windows: [], embeddingStd: 0.1, ...shape },
    encoder: { ...native, pretrained: false },
  };
  return { name, kind: "encoder", options, config, classes: CLASSES };
}

/**
 * Of one forward and its backward. A product's backward is two of its size; of a maximum over time only the windows that won
 * have a gradient.
 */
export function passFlop(model: BenchmarkModel, batch: TokenBatch): number {
  const forward = forwardFlop(model, batch);
  if (model.kind !== "textcnn") return 3 * forward;
  const { embeddingSize, hiddenSize, windows } = model.options;
  const taps = windows.reduce((sum, window) => sum + window, 0);
  return forward + 2 * 2 * batch.texts.length * hiddenSize * taps * embeddingSize;
}

/**
 * Floating-point operations of one forward of a batch that any implementation needs: the products of weights with real
 * tokens, and attention. No credit for padding or for doing something twice; for embeddings, norms and activations neither.
 */
export function forwardFlop({ kind, options }: BenchmarkModel, batch: TokenBatch): number {
  const tokens = tokensOf(batch);
  const sequences = batch.texts.length;
  const { embeddingSize: inputs, hiddenSize: width, layers, outputs } = options;
  if (kind === "encoder") {
    const inner = options.encoder?.intermediateSize ?? 0;
    const squares = batch.texts.reduce((sum, { length }) => sum + length ** 2, 0);
    const ofAttention = 2 * 2 * width * squares;
    const ofLayer = 2 * tokens * (4 * width ** 2 + 2 * width * inner) + ofAttention;
    // The last layer needs keys and values of all tokens, all else of the first ones.
    const ofLast =
      2 * tokens * 2 * width ** 2 +
      2 * sequences * (2 * width ** 2 + 2 * width * inner) +
      2 * 2 * width * tokens;
    return (layers - 1) * ofLayer + ofLast + 2 * sequences * (width ** 2 + width * outputs);
  }
  if (kind === "textcnn") {
    const taps = options.windows.reduce((sum, window) => sum + window, 0);
    return 2 * tokens * inputs * taps * width + 2 * sequences * options.windows.length * width * outputs;
  }
  const gates = kind === "bilstm" ? 4 : 3;
  let flop = 0;
  for (let layer = 0; layer < layers; layer++)
    flop += 2 * 2 * tokens * gates * width * ((layer === 0 ? inputs : 2 * width) + width);
  if (kind === "texthan") flop += 2 * tokens * (2 * width) ** 2;
  return flop + 2 * sequences * 2 * width * outputs;
}
