/**
 * Presets: options under one name. What a configuration or a flag says stands above them. What a preset cannot bring about is
 * said when it is chosen.
 */
import { configError } from "../errors.js";
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
 * @throws RATError `ERR_RAT_CONFIG` where the preset's source has nothing for the task or the model.
 */
export function presetOf(
  name: PresetName,
  { task, model, dropout }: Pick<RunConfig, "task" | "model" | "dropout">,
): Preset {
  const preset = PRESETS[name](!isModelType(model), task);
  if (dropout === undefined) return preset;
  const { classifierDropout: _, ...options } = preset.options;
  return { ...preset, options };
}

const PAPER: Partial<RunConfig> = {
  regularizer: "r-at",
  ...{ forwards: 2, consistency: "bi-kl", klReduction: "batch-mean", scope: "matrix" },
};

/** `isFineTuning`: whether the model comes from a folder. */
const PRESETS: Readonly<Record<PresetName, (isFineTuning: boolean, task: RunConfig["task"]) => Preset>> = {
  /** Algorithm 1 and equations 3 to 9 of the R-AT paper. */
  paper: () => ({ options: PAPER, differences: [] }),
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
  /**
   * What fairseq publishes for RoBERTa-large on GLUE (github.com/facebookresearch/fairseq, examples/roberta/README.glue.md), by
   * task. Says nothing of the regularizer.
   */
  "roberta-large": (isFineTuning, task) => robertaLarge("roberta-large", isFineTuning, task),
  /** R-AT for RoBERTa-large. The paper's numbers by task are not to be had: a run says whose stand in for them. */
  table7: (isFineTuning, task) => {
    const { options, differences } = robertaLarge("table7", isFineTuning, task);
    return {
      options: { ...PAPER, ...options },
      differences: [
        "the paper's Table 7 is not in this package: fairseq's numbers for RoBERTa-large stand in for it; hold them against the paper before you publish",
        ...differences,
      ],
    };
  },
};

function robertaLarge(name: PresetName, isFineTuning: boolean, task: RunConfig["task"]): Preset {
  const ofTask = Object.hasOwn(ROBERTA_LARGE, task) ? ROBERTA_LARGE[task] : undefined;
  if (!isFineTuning) throw configError("preset", `preset ${name} is for the folder of an encoder`);
  if (ofTask === undefined) {
    const known = Object.keys(ROBERTA_LARGE).join(", ");
    throw configError("preset", `preset ${name} has no numbers for ${task}, only for ${known}`);
  }
  return {
    options: {
      ...{ optimizer: "adamw", epochs: 10, schedule: "linear", warmupRatio: 0.06 },
      ...{ weightDecay: 0.1, clipNorm: 0, maxLength: 512, ...ofTask },
    },
    differences: [
      "published for RoBERTa-large; α and ε are this package's, and rates for other models are for you to find",
      "AdamW has β₂ = 0.999 and ε = 1e-8, not 0.98 and 1e-6",
      ...(task === "rte" ? ["the rate falls to 0 over the 10 epochs, not over 13"] : []),
    ],
  };
}

/** Learning rate and batch by task; QQP warms up for a quarter of its steps. */
const ROBERTA_LARGE: Readonly<Record<string, Partial<RunConfig>>> = {
  mnli: { learningRate: 1e-5, batchSize: 32 },
  qnli: { learningRate: 1e-5, batchSize: 32 },
  qqp: { learningRate: 1e-5, batchSize: 32, warmupRatio: 0.25 },
  rte: { learningRate: 2e-5, batchSize: 16 },
  sst2: { learningRate: 1e-5, batchSize: 32 },
  mrpc: { learningRate: 1e-5, batchSize: 16 },
  cola: { learningRate: 1e-5, batchSize: 16 },
  stsb: { learningRate: 2e-5, batchSize: 16 },
};
