/** Defaults that depend on the kind of model. */

/** What `fit` and `create` fill in. */
export interface ModelDefaults {
  /** Most tokens of an example. */
  readonly maxLength: number;
  /** L2 radius of the perturbation. */
  readonly epsilon: number;
  readonly learningRate: number;
  readonly schedule: "linear" | "cosine" | "constant";
  readonly warmupRatio: number;
  readonly weightDecay: number;
}

/** Of models that are trained from scratch, whose embeddings start from N(0, 0.1); word models all. */
export const FROM_SCRATCH = {
  maxLength: 400,
  epsilon: 1,
  dropout: 0.5,
  learningRate: 1e-3,
  schedule: "constant",
  warmupRatio: 0,
  weightDecay: 0,
} as const satisfies ModelDefaults & { dropout: number };

/** Of pretrained encoders that are fine-tuned. Their dropout rates are their own. */
export const FINE_TUNING: ModelDefaults = {
  maxLength: 128,
  epsilon: 0.1,
  learningRate: 2e-5,
  schedule: "linear",
  warmupRatio: 0.06,
  weightDecay: 0.01,
};
