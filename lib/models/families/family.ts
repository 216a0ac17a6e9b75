/** What a family of Transformer encoders is to the library: how to read its `config.json`, and what its tensors are called. */
import { z } from "zod";
import type { NativeEncoderOptions } from "../../native/binding.js";

/** An encoder as its `config.json` describes it, without labels and task. */
export interface EncoderShape {
  readonly vocabularySize: number;
  readonly embeddingSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly paddingId: number;
  readonly native: Omit<NativeEncoderOptions, "pretrained" | "freshLayers">;
}

/** One family; adding one is a file like `bert.ts` and a line in `index.ts`. */
export interface EncoderFamily {
  /** `model_type` of `config.json`. */
  readonly modelType: string;
  /** The class of `transformers` that a saved model is for. */
  readonly architecture: string;
  /** How the names of all tensors but the head's begin; a checkpoint of the bare encoder leaves it out. */
  readonly basePrefix: string;
  /** @throws RATError `ERR_RAT_CONFIG` for a key that is missing or impossible; `file` is for the message. */
  readonly parse: (json: unknown, file: string) => EncoderShape;
}

const size = z.int().min(1).max(1_000_000);
const rate = z.number().min(0).lt(1);

/** Schemas of the values that families name differently. */
export const value = {
  size,
  rate,
  layers: z.int().min(1).max(200),
  tokenTypes: z.int().min(0).max(256),
  paddingId: z.int().min(0).nullish(),
  positive: z.number().gt(0),
  /** `gelu_new` and `gelu_pytorch_tanh` are the same function. */
  activation: z
    .enum(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"], {
      error: "expected gelu, gelu_new, gelu_pytorch_tanh or relu",
    })
    .transform((name) => (name === "gelu_pytorch_tanh" ? "gelu_new" : name)),
  /** Relative positions are another model. */
  positions: z.literal("absolute", { error: "only absolute position embeddings are supported" }).nullish(),
} as const;

/** `0 .. count-1`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
