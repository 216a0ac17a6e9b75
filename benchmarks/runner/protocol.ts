/**
 * What a runner is told and what it says: one process that trains one case with one implementation. Its first argument is
 * the path of a {@link RunnerCase} as JSON; it reads commands, a line each, from stdin, and answers each with one line of
 * JSON on stdout. `benchmarks/baseline/run.py` speaks the same.
 *
 *   weights PATH   writes the initial weights (r-at alone)      -> {}
 *   gate           two steps without dropout                    -> { steps: GateStep[] }
 *   warmup S       steps of the first WARM_BATCHES batches: ten on a CPU, twenty on a GPU, but no more than S seconds and no
 *                  fewer than two                               -> { milliseconds: the median step }
 *   block I N      a step of each of the batches I .. I + N - 1 -> { milliseconds }
 *   profile        one step, with its phases (r-at alone)       -> { profile }
 *   end            ends the process                             -> { peakMemoryBytes }
 */
import type { NativeModelOptions, NativeStepProfile } from "#dist/native/binding.js";
import type { TokenBatch } from "../workloads/batches.js";
import type { ModelKind } from "../workloads/models.js";

/** So many batches at the beginning are there to warm up on. */
export const WARM_BATCHES = 8;

export interface Method {
  readonly type: "none" | "fgm" | "r-drop" | "r-at";
  readonly epsilon: number;
  readonly klWeight: number;
  readonly forwards: number;
}

export interface RunnerCase {
  /** `r-at`, or one of the baselines. */
  readonly implementation: string;
  readonly model: {
    readonly name: string;
    readonly kind: ModelKind;
    readonly options: NativeModelOptions;
    readonly config: Readonly<Record<string, unknown>> | null;
  };
  /** Initial weights, safetensors. */
  readonly weights: string;
  readonly method: Method;
  readonly precision: "fp32" | "bf16";
  readonly device: string;
  readonly threads: number;
  /** Of the word models; encoders have their own rates. */
  readonly dropout: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly batches: readonly TokenBatch[];
}

/** Must agree between implementations before any time is taken. */
export interface GateStep {
  readonly cleanLoss: number;
  readonly adversarialLoss: number;
  readonly klLoss: number;
  readonly gradNorm: number;
}

export interface Answers {
  weights: Record<string, never>;
  gate: { readonly steps: readonly GateStep[] };
  warmup: { readonly milliseconds: number };
  block: { readonly milliseconds: number };
  profile: { readonly profile: NativeStepProfile };
  end: { readonly peakMemoryBytes: number };
}

export type Command = keyof Answers;
