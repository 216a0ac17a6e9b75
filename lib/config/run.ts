/** From a resolved run to the options of the functions that carry it out, so that a command line only calls them. */
import type { FitOptions, TrainerOptions } from "../trainer/options.js";
import { isModelType, type ResolvedRunConfig } from "./resolve.js";
import type { ModelOptions, Regularizer } from "./schema.js";

/** Options of `loadTask(config.task, ...)`. */
export function taskOptions(config: ResolvedRunConfig) {
  const { data, train, dev, test, split, textColumn, pairColumn, labelColumn, labels, kind } = config;
  const { limitTrain, limitTest } = config;
  const columns = { textColumn, pairColumn, labelColumn, labels, kind };
  return defined({ data, train, dev, test, split, ...columns, limitTrain, limitTest });
}

/** Options of `trainTokenizer(task.train, ...)`. */
export function tokenizerOptions(config: ResolvedRunConfig) {
  const { vocabularySize, minimumCount, lowercase, segmenter } = config;
  return { vocabularySize, minimumCount, lowercase, segmenter };
}

/** Options of `RATTrainer.create`, to which the task, the tokenizer and a logger are added. */
export function trainerOptions(config: ResolvedRunConfig): Omit<TrainerOptions, "task"> {
  const { dropout, maxLength, optimizer, weightDecay, clipNorm } = config;
  const { seed, device, precision, threads, embeddingStd, resetHead } = config;
  return {
    model: modelOf(config),
    resetHead,
    regularizer: regularizerOf(config),
    optimizer: { type: optimizer, clipNorm, ...defined({ weightDecay }) },
    ...defined({ vectors: config.vectors, dropout, maxLength, threads }),
    ...{ seed, device, precision, embeddingStd },
  };
}

/** Options of `trainer.fit`, to which a signal is added. */
export function fitOptions(config: ResolvedRunConfig): FitOptions {
  const { epochs, maxSteps, batchSize, learningRate, schedule, warmupRatio, shuffle } = config;
  const { logEvery, evalEvery, checkpointEvery, patience } = config;
  const { output, resume, overwrite, allowResumeElsewhere } = config;
  return {
    ...{ epochs, batchSize, shuffle, logEvery },
    ...defined({
      learningRate,
      schedule,
      warmupRatio,
      maxSteps,
      evalEvery,
      checkpointEvery,
      patience,
      output,
    }),
    ...{ resume, overwrite, allowResumeElsewhere, config },
  };
}

function modelOf({ model, embeddingSize, hiddenSize, layers, windows }: ResolvedRunConfig): ModelOptions {
  if (!isModelType(model)) return { path: model };
  const widths = typeof windows === "number" ? [windows] : windows;
  return model === "textcnn"
    ? { type: model, embeddingSize, hiddenSize, windows: widths }
    : { type: model, embeddingSize, hiddenSize, layers };
}

function regularizerOf(config: ResolvedRunConfig): Regularizer {
  const { regularizer: type, epsilon, klWeight, forwards, consistency, klReduction } = config;
  const divergence = { klWeight, consistency, klReduction };
  switch (type) {
    case "none":
      return { type };
    case "fgm":
      return { type, ...defined({ epsilon }) };
    case "r-drop":
      return { type, ...defined(divergence) };
    case "r-at":
      return { type, ...defined({ epsilon, forwards, ...divergence }) };
    default:
      return type satisfies never;
  }
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
