/// <reference types="node" preserve="true" />
/** Everything that is public, and nothing else. */

export type { ModelOptions, Regularizer } from "./config/schema.js";
// Data
export { type LoadTaskOptions, loadTask } from "./datasets/load-task.js";
export type { Dataset, Example, LoadedTask, Task } from "./datasets/types.js";
// Errors
export { isRATError, RATError, type RATErrorCode, type RATErrorDetails } from "./errors.js";
// Hugging Face hub
export { fetchModel } from "./hub/fetch-model.js";
export type { FetchOptions } from "./hub/fetch-repository.js";
// Use
export {
  Classifier,
  type ClassifierOptions,
  type ClassPrediction,
  type LabelSetPrediction,
  type Prediction,
  type PredictOptions,
  type ScorePrediction,
  type TextInput,
} from "./inference/classifier.js";
// Training
export type { EvaluationResult } from "./inference/evaluate.js";
export type { Logger } from "./logger.js";
// Metrics
export { type GlueAverages, type GlueResult, glueAverages } from "./metrics/glue-averages.js";
export type { MetricName, Metrics } from "./metrics/types.js";
export {
  ALPHA_CONVENTIONS,
  type AlphaConvention,
  type AlphaSizes,
  convertAlpha,
} from "./regularizers/alpha.js";
export type {
  CheckpointEvent,
  DiagnosticsEvent,
  EvalEvent,
  StepEvent,
  TrainEvent,
  TrainSummary,
  WarningEvent,
} from "./run/events.js";
export type { FitOptions } from "./run/options.js";
export type { Run, RunStart } from "./run/run.js";
export type { Label, TaskKind } from "./targets/index.js";
// Tokenizers
export { loadTokenizer } from "./tokenizers/load.js";
export type { EncodedText, PackedTexts, Tokenizer } from "./tokenizers/types.js";
export { type TrainTokenizerOptions, trainTokenizer } from "./tokenizers/word-vocabulary.js";
export type {
  EvaluateOptions,
  EvaluationData,
  TrainerOptions,
} from "./trainer/options.js";
export { RATTrainer } from "./trainer/rat-trainer.js";
