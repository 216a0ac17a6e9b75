/**
 * The native boundary: the one typed declaration of everything that `native/addon` exports, and the only place that
 * loads it. Typed arrays, numbers, strings and plain objects cross; no tensor ever does.
 */
import { isMainThread } from "node:worker_threads";
import { loadAddon } from "./load.js";

/** Examples laid end to end without padding. B examples, T tokens in all. Copied before the call returns. */
export interface PackedBatch {
  /** Token ids, `[T]`. */
  readonly tokens: Int32Array;
  /** Where each example starts in `tokens`, and T at the end (`cu_seqlens`), `[B + 1]`. No example is empty. */
  readonly sequenceStarts: Int32Array;
  /** Segment of each token, `[T]`. Only encoders read it. */
  readonly tokenTypes?: Uint8Array;
  /** Class indices, or scores for regression, `[B]`. Not needed to predict. */
  readonly labels?: Int32Array | Float32Array;
  /** Row of each example in the training set, `[B]`: the key of its dropout masks. */
  readonly exampleIds: Int32Array;
}

/** Sizes of a from-scratch model; the same names stand in its `config.json`, in snake case. */
export interface NativeModelOptions {
  readonly type: "bilstm" | "textcnn" | "texthan";
  readonly vocabularySize: number;
  /** Number of classes; 1 for regression. */
  readonly outputs: number;
  readonly embeddingSize: number;
  /** bilstm, texthan: width a direction. textcnn: number of filters a window width. */
  readonly hiddenSize: number;
  /** bilstm, texthan: recurrent layers. */
  readonly layers: number;
  /** textcnn: window widths. */
  readonly windows: readonly number[];
  /** The token whose row has no gradient and no perturbation. */
  readonly paddingId: number;
  /** Standard deviation of the normal distribution of the initial embeddings. */
  readonly embeddingStd: number;
}

/** The loss of one step (DESIGN: none, FGM, R-Drop, R-AT). Lists have one entry, or one for each forward. */
export interface NativeObjectiveOptions {
  readonly type: "none" | "fgm" | "r-drop" | "r-at";
  /** Number of (adversarial) forwards K. */
  readonly forwards: number;
  /** L2 radius of the perturbation, for each forward. */
  readonly epsilon: readonly number[];
  readonly klWeight: number;
  readonly klReduction: "batch-mean" | "sum" | "element-mean";
  /** Dropout rate of the clean pass. */
  readonly cleanDropout: number;
  /** Dropout rate of each of the K forwards. */
  readonly forwardDropout: readonly number[];
}

export interface NativeOptimizerOptions {
  readonly type: "adamw" | "bertadam" | "sgd";
  readonly weightDecay: number;
  /** Largest global gradient norm; 0 = no clipping. */
  readonly clipNorm: number;
}

export interface NativeTrainerOptions {
  readonly model: NativeModelOptions;
  readonly kind: "classification" | "regression";
  readonly objective: NativeObjectiveOptions;
  readonly optimizer: NativeOptimizerOptions;
  /** 0 to 2^53 - 1. */
  readonly seed: number;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  readonly precision: "fp32" | "fp64";
  /** Compute threads of this trainer. */
  readonly threads: number;
}

/** What one optimizer step did. Losses as `log.jsonl` defines them. */
export interface NativeStepResult {
  readonly loss: number;
  readonly cleanLoss: number;
  readonly adversarialLoss: number;
  readonly klLoss: number;
  /** L2 norm of the perturbation; the mean over the forwards if they differ. */
  readonly deltaNorm: number;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** 1 if the clean gradient was zero or not finite, so that there was no perturbation. */
  readonly skippedPerturbations: number;
}

export interface NativeTensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * A model with its optimizer on a thread of its own. Calls queue up and run in order; each returns at once with a
 * promise. After `cancel()` whatever is queued or running rejects with `ERR_RAT_ABORTED`; after `dispose()` every call
 * rejects with `ERR_RAT_DISPOSED`.
 */
export interface NativeTrainer {
  /** One optimizer step. `step` counts from 1 and keys the dropout masks. */
  trainStep(batch: PackedBatch, step: number, learningRate: number): Promise<NativeStepResult>;
  /** Logits without dropout, row-major `[B, outputs]`. */
  predict(batch: PackedBatch): Promise<Float64Array>;
  /**
   * Writes tensors as a complete, fsynced safetensors file at `path` (which must not exist).
   * `model`: the weights; `best`: the last snapshot; `optimizer`: the optimizer's moments.
   */
  save(what: "model" | "best" | "optimizer", path: string, metadata: Record<string, string>): Promise<void>;
  /**
   * Reads a file that `save` (or anybody) wrote; names, shapes and sizes must match exactly. Tensors whose names begin
   * with `except` stay as they are, whatever the file has for them.
   */
  load(
    what: "model" | "best" | "optimizer",
    path: string,
    options?: { readonly except: string },
  ): Promise<void>;
  /** Keeps a copy of the weights (host memory); `restore` brings it back. */
  snapshot(): Promise<void>;
  restore(): Promise<void>;
  /** Overwrites rows of the word embeddings before training: `values` is row-major `[rows, embeddingSize]`. */
  setEmbeddingRows(rows: Int32Array, values: Float32Array): Promise<void>;
  /** Names and shapes of the parameters, in the order of the model. */
  parameters(): Promise<NativeTensorInfo[]>;
  /** Peak device memory (CUDA) in bytes; 0 on the CPU, where the process's peak is what counts. */
  peakDeviceMemoryBytes(): Promise<number>;
  /** Rejects what is queued and stops the running step between two passes. Later calls work again. */
  cancel(): void;
  /** Waits for the running command, frees everything. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativeBuildInfo {
  /** LibTorch the addon was compiled against, as `2.13.0+cpu`. */
  readonly libtorchVersion: string;
  /** Whether the addon was compiled with CUDA. */
  readonly cudaBuild: boolean;
  /** CUDA devices that can be used now; empty on the CPU or without a driver. */
  readonly cudaDevices: readonly {
    readonly name: string;
    readonly memoryBytes: number;
    readonly capability: string;
  }[];
  /** Instruction set of the CPU kernels LibTorch chose: `AVX512`, `AVX2`, `DEFAULT`, ... */
  readonly cpuCapability: string;
  readonly hardwareThreads: number;
}

export interface NativeBinding {
  readonly Trainer: new (options: NativeTrainerOptions) => NativeTrainer;
  buildInfo(): NativeBuildInfo;
  /** A permutation of 0..n-1 that depends on (seed, epoch) alone: the data order of an epoch. */
  permutation(seed: number, epoch: number, n: number): Int32Array;
  /** The dropout mask (1 = kept) that the counter gives for one example, for tests. `[count]` */
  dropoutMask(options: {
    seed: number;
    step: number;
    exampleId: number;
    site: number;
    layer: number;
    pass: number;
    probability: number;
    count: number;
  }): Uint8Array;
  /** Names, dtypes and shapes in a safetensors file, strictly validated. */
  inspectSafetensors(
    path: string,
  ): Promise<{ metadata: Record<string, string>; tensors: (NativeTensorInfo & { dtype: string })[] }>;
  /** Number of trainers of this environment that have not been disposed. */
  liveTrainers(): number;
  /**
   * Cancels and joins every trainer of this environment. Returns false if one did not stop in time.
   * For the exit hook only: nothing may be called afterwards.
   */
  shutdown(timeoutMs: number): boolean;
  /** `_exit(code)`: ends the process without running static destructors under a running step. */
  exitNow(code: number): never;
}

let binding: NativeBinding | undefined;

/**
 * The addon, loaded at the first call.
 *
 * @throws RATError `ERR_RAT_NATIVE_LOAD` when it has not been built, or was built against another LibTorch.
 */
export function native(): NativeBinding {
  binding ??= installExitHook(loadAddon() as NativeBinding);
  return binding;
}

/**
 * A plain `process.exit()` while a step runs crashes in static destructors, and the environment's clean-up hook does
 * not run on the main thread then. So: cancel and join here, and if a step cannot be stopped, leave without destructors.
 * In a worker thread the clean-up hook does run, and leaving would end the whole process.
 */
function installExitHook(loaded: NativeBinding): NativeBinding {
  if (!isMainThread) return loaded;
  process.on("exit", (code) => {
    if (!loaded.shutdown(4_000)) loaded.exitNow(code & 0xff);
  });
  return loaded;
}
