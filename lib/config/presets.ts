/**
 * Presets: options under one name. What a configuration or a flag says stands above them. What a preset cannot bring about is
 * said when it is chosen.
 */
import { isModelType } from "./fields.js";
import type { PresetName } from "./preset-names.js";
import type { RunConfig } from "./schema.js";

/** A preset's options. */
export interface Preset {
  readonly options: Partial<RunConfig>;
  /** What it leaves as it is although its source has it otherwise. */
  readonly differences: readonly string[];
}

/**
 * A preset below what is given.
 *
 * @param given - `model` is the name of an architecture, or a folder: some options are for pretrained encoders alone. A
 *   `dropout` takes the place of every rate, the classifier's too.
 */
export function presetOf(name: PresetName, { model, dropout }: Pick<RunConfig, "model" | "dropout">): Preset {
  const preset = PRESETS[name](!isModelType(model));
  if (dropout === undefined) return preset;
  const { classifierDropout: _, ...options } = preset.options;
  return { ...preset, options };
}

/** `isFineTuning`: whether the model comes from a folder. */
const PRESETS: Readonly<Record<PresetName, (isFineTuning: boolean) => Preset>> = {
  /** Algorithm 1 and equations 3 to 9 of the R-AT paper. */
  paper: () => ({
    options: {
      regularizer: "r-at",
      ...{ forwards: 2, consistency: "bi-kl", klReduction: "batch-mean", scope: "matrix" },
    },
    differences: [],
  }),
  /** What github.com/IKMLab/R-AT runs, where it is not what the paper says. */
  "released-code": (isFineTuning) => ({
    options: {
      regularizer: "r-at",
      ...{ forwards: 2, consistency: "bi-kl", klReduction: "sum", klWeight: 0.5, scope: "matrix" },
      ...{ optimizer: "bertadam", shuffle: false },
      ...(isFineTuning && { maxLength: 70, classifierDropout: 0.3 }),
    },
    differences: isFineTuning ? ["texts end with [SEP]"] : [],
  }),
  /**
   * The training that few-sample fine-tuning wants anyway: long, with bias-corrected AdamW and a warm-up (Mosbach et al., 2021),
   * the top layer anew (Zhang et al., 2021). Says nothing of the regularizer.
   */
  "strong-baseline": (isFineTuning) => ({
    options: {
      ...{ optimizer: "adamw", epochs: 20, schedule: "linear", warmupRatio: 0.1 },
      ...(isFineTuning && { learningRate: 2e-5, reinitLayers: 1 }),
    },
    differences: [],
  }),
};
