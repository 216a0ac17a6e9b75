/// <reference types="node" preserve="true" />
/** Everything that is public, and nothing else. */

// Use
export {
  Classifier,
  type ClassifierOptions,
  type ClassPrediction,
  type Prediction,
  type PredictOptions,
  type ScorePrediction,
  type TextInput,
} from "./classifier.js";
export type { ModelOptions, Regularizer } from "./config/schema.js";

// Data
export { type LoadTaskOptions, loadTask } from "./datasets/load-task.js";
export type { Dataset, Example, LoadedTask, MetricName, Task, TaskKind } from "./datasets/types.js";

// Errors
export { isRATError, RATError, type RATErrorCode, type RATErrorDetails } from "./errors.js";

// Hugging Face hub
export { fetchModel } from "./hub/fetch-model.js";
export type { FetchOptions } from "./hub/fetch-repository.js";

// Metrics
export { type GlueAverages, type GlueResult, glueAverages } from "./metrics/glue-averages.js";

// Tokenizers
export { loadTokenizer } from "./tokenizers/load.js";
export type { EncodedText, PackedTexts, Tokenizer } from "./tokenizers/types.js";
export { type TrainTokenizerOptions, trainTokenizer } from "./tokenizers/word-vocabulary.js";

// Training
export type { EvaluationResult } from "./trainer/evaluate.js";
export type {
  CheckpointEvent,
  EvalEvent,
  Metrics,
  StepEvent,
  TrainEvent,
  TrainSummary,
  WarningEvent,
} from "./trainer/events.js";
export type {
  EvaluateOptions,
  EvaluationData,
  FitOptions,
  Logger,
  TrainerOptions,
} from "./trainer/options.js";
export { RATTrainer } from "./trainer/rat-trainer.js";
export type { Run } from "./trainer/run.js";
