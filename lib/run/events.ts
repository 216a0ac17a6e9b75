/** What a run tells while it goes on, and at its end. `log.jsonl` holds the same objects, one a line. */
import type { Metrics } from "../metrics/types.js";
import type { Provenance } from "./provenance.js";

/** One optimizer step; values of that step alone. */
export interface StepEvent {
  readonly type: "step";
  /** From 1, counted over all runs of the trainer. */
  readonly step: number;
  /** From 0, counted over all runs of the trainer. */
  readonly epoch: number;
  /** The total that was minimised. */
  readonly loss: number;
  readonly cleanLoss: number;
  readonly adversarialLoss: number;
  readonly klLoss: number;
  /** With `bregmanWeight`: the divergence from what the averaged weights say. */
  readonly bregmanLoss?: number;
  /** L2 norm of the perturbation; the mean if there are several. */
  readonly deltaNorm: number;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** The learning rate that this step used. */
  readonly learningRate: number;
  readonly examples: number;
  /** Real tokens with special ones, each example once. */
  readonly tokens: number;
}

/** One evaluation. */
export interface EvalEvent {
  readonly type: "eval";
  readonly step: number;
  readonly epoch: number;
  readonly split: "dev" | "dev-mismatched" | "test";
  readonly loss: number;
  readonly metrics: Metrics;
}

/**
 * What section 6 of the R-AT paper says of a model, on a fixed probe of the dev set; means over its examples.
 *
 * Sub-models are the model under different dropout masks, four of them, the same at every time.
 */
export interface DiagnosticsEvent {
  readonly type: "diagnostics";
  readonly step: number;
  /** ‖∇ₓL‖₂ of the embedded sample, without dropout (equation 15): how steep the loss is there. */
  readonly inputGradientNorm: number;
  /** Bidirectional KL between two sub-models (regression: squared difference). */
  readonly submodelDivergence: number;
  /**
   * Total variation distance between the mean of the sub-models' predictions and the prediction without dropout (equations 16
   * to 21); regression: absolute difference.
   */
  readonly averagingGap: number;
}

/** A checkpoint was written. */
export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly step: number;
  readonly path: string;
}

/** Something the user should know that is not an error. */
export interface WarningEvent {
  readonly type: "warning";
  readonly step: number;
  readonly message: string;
}

/** What `log.jsonl` has a line for. */
export type LoggedEvent = StepEvent | EvalEvent | DiagnosticsEvent;

export type TrainEvent = LoggedEvent | CheckpointEvent | WarningEvent;

/** What a finished run amounts to; `summary.json` and `train --json` hold it with `"command":"train"` in front. */
export interface TrainSummary {
  readonly task: string;
  readonly model: string;
  readonly regularizer: string;
  readonly seed: number;
  readonly device: string;
  readonly precision: string;
  /** Number of the last step: all that the trainer has taken, earlier runs included. */
  readonly steps: number;
  /** Step of the model that was kept: best on dev, else the last. */
  readonly bestStep: number;
  readonly dev: Metrics | null;
  /** Of MNLI alone. */
  readonly devMismatched?: Metrics | null;
  readonly test: Metrics | null;
  /** Wall time of training and evaluation, without tokenising. */
  readonly seconds: number;
  readonly examplesPerSecond: number;
  readonly tokensPerSecond: number;
  readonly peakMemoryBytes: number;
  /** Absolute path of the output folder, or null if none was asked for. */
  readonly output: string | null;
  readonly provenance: Provenance;
}

/** What a run would take: `pipeline/estimate.ts`. */
export interface RunEstimate {
  readonly steps: number;
  /** Forwards with a backward in a step; plain training has 1. */
  readonly passes: number;
  /** Of one step, the median of those that were tried. */
  readonly secondsPerStep: number;
  /** Of the whole run, with its evaluations on dev and test. */
  readonly seconds: number;
  /** The most that the process held (on a GPU, the device); longer texts than those that were met can take more. */
  readonly peakMemoryBytes: number;
  /** Steps that were tried. */
  readonly triedSteps: number;
}
