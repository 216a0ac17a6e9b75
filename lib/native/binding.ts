/**
 * The native boundary: the one typed declaration of everything that `native/addon` exports, and the only place that
 * loads it. Typed arrays, numbers, strings and plain objects cross; no tensor ever does.
 */
import { isMainThread } from "node:worker_threads";
import type { TaskKind } from "../targets/index.js";
import { loadAddon, preloadAddon } from "./load.js";

/** Examples laid end to end without padding. B examples, T tokens in all. Copied before the call returns. */
export interface PackedBatch {
  /** Token ids, `[T]`. */
  readonly tokens: Int32Array;
  /** Where each example starts in `tokens`, and T at the end (`cu_seqlens`), `[B + 1]`. No example is empty. */
  readonly sequenceStarts: Int32Array;
  /** Segment of each token, `[T]`. Only encoders read it. */
  readonly tokenTypes?: Uint8Array;
  /** Class indices `[B]`, scores `[B]`, or a 1 or 0 for each label `[B, outputs]`. Not needed to predict. */
  readonly labels?: Int32Array | Float32Array;
  /** Row of each example in the training set, `[B]`: the key of its dropout masks. */
  readonly exampleIds: Int32Array;
}

/** What a Transformer encoder has besides the sizes that every model has (`lib/models/families/`). */
export interface NativeEncoderOptions {
  readonly heads: number;
  /** Width of the feed-forward layer. */
  readonly intermediateSize: number;
  /** Rows of the position embeddings. */
  readonly maxPositions: number;
  /** Row of a text's first token among them. */
  readonly positionOffset: number;
  /** Rows of the token type embeddings; 0 = there are none. */
  readonly tokenTypes: number;
  readonly layerNormEps: number;
  readonly activation: "gelu" | "gelu_new" | "relu";
  /**
   * pooler: dense, tanh (BERT, ALBERT). dense: dropout before them too (RoBERTa). dense-gelu: so, with GELU (ELECTRA).
   * pre-classifier: dense, ReLU (DistilBERT).
   */
  readonly head: "pooler" | "dense" | "dense-gelu" | "pre-classifier";
  /** The model's own dropout rates, where the regularizer leaves them to it. */
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly classifierDropout: number;
  /** Whether there is dropout after the attention's output layer, and after the feed-forward layer. */
  readonly attentionOutputDropout: boolean;
  readonly feedForwardDropout: boolean;
  /** Standard deviation of the normal distribution of initial weights. */
  readonly initializerRange: number;
  /** Whether all but the head will be loaded, so that there is no need to draw it. */
  readonly pretrained: boolean;
  /** How many layers from the top are drawn all the same. Default: 0. */
  readonly freshLayers?: number;
  /** Whether layers keep only what they began with, and compute the rest again in the backward pass. Default: false. */
  readonly recomputes?: boolean;
  /**
   * Whether attention is LibTorch's while training, too, with masks by its generator: on a GPU, FlashAttention 2 in bf16,
   * memory-efficient attention in fp32. Default: false.
   */
  readonly takesTorchAttention?: boolean;
  /** How the names of each set of layer weights begin. */
  readonly layerPrefixes: readonly string[];
  /** Which set each layer uses. */
  readonly layerOrder: readonly number[];
  readonly names: NativeEncoderNames;
}

/** Names of an encoder's tensors without `.weight` and `.bias`. */
export interface NativeEncoderNames {
  readonly wordEmbeddings: string;
  readonly positionEmbeddings: string;
  readonly tokenTypeEmbeddings?: string;
  readonly embeddingNorm: string;
  /** From the embeddings to a wider model (ALBERT). */
  readonly projection?: string;
  /** Of a layer, from here on after its prefix. */
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attentionOutput: string;
  readonly attentionNorm: string;
  readonly intermediate: string;
  readonly output: string;
  readonly outputNorm: string;
  /** The head: the layer before the last, and the last. */
  readonly dense: string;
  readonly classifier: string;
}

/** Sizes of a model; those of a from-scratch model stand under the same names in its `config.json`, in snake case. */
export interface NativeModelOptions {
  readonly type: "bilstm" | "textcnn" | "texthan" | "encoder";
  readonly vocabularySize: number;
  /** Number of classes; 1 for regression. */
  readonly outputs: number;
  readonly embeddingSize: number;
  /** bilstm, texthan: width a direction. textcnn: number of filters a window width. encoder: width. */
  readonly hiddenSize: number;
  /** bilstm, texthan: recurrent layers. encoder: layers. */
  readonly layers: number;
  /** textcnn: window widths. */
  readonly windows: readonly number[];
  /** The token whose row has no gradient and no perturbation. */
  readonly paddingId: number;
  /** Standard deviation of the normal distribution of the initial embeddings (word models). */
  readonly embeddingStd: number;
  /** encoder: all the rest. */
  readonly encoder?: NativeEncoderOptions;
}

/** The passes and losses of one step. Lists have one entry, or one for each forward. */
export interface NativeRegularizerOptions {
  readonly type: "none" | "fgm" | "pgd" | "freelb" | "r-drop" | "r-at" | "r3f" | "smart";
  /** Number of (adversarial) forwards K. */
  readonly forwards: number;
  /** L2 radius of the perturbation, for each forward. */
  readonly epsilon: readonly number[];
  readonly klWeight: number;
  readonly klReduction: "batch-mean" | "sum" | "element-mean";
  /** What the consistency loss of two forwards is. Default: bi-kl. */
  readonly consistency?: "bi-kl" | "kl" | "ce" | "js" | "mae" | "mse";
  /** What the logits are divided by before all losses. Default: 1. */
  readonly temperature?: number;
  /** Part of each label that is spread over all classes. Default: 0. */
  readonly labelSmoothing?: number;
  /** Dropout rate of the clean pass; null = the model's own (encoders). */
  readonly cleanDropout: number | null;
  /** Dropout rate of each of the K forwards. */
  readonly forwardDropout: readonly (number | null)[];
  /** What one perturbation is of: the whole matrix, by token type, or each example, by position. Default: matrix. */
  readonly scope?: "matrix" | "example";
  /** pgd, freelb, smart: steps of the ascent, 1 to 16, and the L2 norm of each. */
  readonly ascentSteps?: number;
  readonly stepSize?: number;
  /** pgd, freelb: where the ascent begins. Default: zero. */
  readonly ascentInit?: "zero" | "uniform";
  /** freelb: whether all steps of the ascent have the dropout masks of the first. Default: false. */
  readonly sameMasks?: boolean;
  /** r3f: of which each number is epsilon times one. Default: uniform. */
  readonly noise?: "uniform" | "normal";
  /** smart: weight of the consistency with the averaged weights, and how much of the average stays in a step. Default: 0. */
  readonly bregmanWeight?: number;
  readonly bregmanDecay?: number;
  /** Ids of tokens that no perturbation touches. Default: none. */
  readonly sparedTokens?: Int32Array;
}

export interface NativeOptimizerOptions {
  readonly type: "adamw" | "bertadam" | "sgd";
  readonly weightDecay: number;
  /** Largest global gradient norm; 0 = no clipping. */
  readonly clipNorm: number;
  /** What the learning rate is multiplied with from a layer to the one below it. Default: 1. */
  readonly layerDecay?: number;
  /** Depths that learn nothing, from below: 1 = the embeddings, 1 + n = the first n layers too. Default: 0. */
  readonly frozenDepths?: number;
}

export interface NativeTrainerOptions {
  readonly model: NativeModelOptions;
  readonly kind: TaskKind;
  /** Both, or neither for a model that only predicts. */
  readonly regularizer?: NativeRegularizerOptions;
  readonly optimizer?: NativeOptimizerOptions;
  /** 0 to 2^53 - 1. */
  readonly seed: number;
  /** `cpu` or `cuda:N` (`cuda-sim:N` where devices are simulated). */
  readonly device: string;
  /** bf16 (encoders): matrix products in bf16, weights and everything else in fp32. */
  readonly precision: Precision;
  /** Compute threads of this trainer. */
  readonly threads: number;
  /** Has every step say where its time went, which costs time: for benchmarks. Default: false. */
  readonly profile?: boolean;
  /** As if so many processes shared each step, all with the same batches: for tests. Default: 1. */
  readonly replicas?: number;
}

/** What one optimizer step did. Losses as `log.jsonl` defines them. */
export interface NativeStepResult {
  readonly loss: number;
  readonly cleanLoss: number;
  readonly adversarialLoss: number;
  readonly klLoss: number;
  /** smart: consistency with what the averaged weights say, without its weight; else 0. */
  readonly bregmanLoss: number;
  /** L2 norm of the perturbation that was added, measured on its rows; the mean over the forwards if they differ. */
  readonly deltaNorm: number;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /**
   * How many clean gradients were zero or not finite, so that there was no perturbation: 1 at most, or one an example with
   * scope `example`. On a GPU of all steps since the last that was read.
   */
  readonly skippedPerturbations: number;
  /** If it was asked for. */
  readonly profile?: NativeStepProfile;
}

/** Where the time of a step went. On a GPU the host waits at the end of each phase, so the phases are a little longer. */
export interface NativeStepProfile {
  /**
   * Milliseconds. copy: checks, and the batch to the device. clean: the clean forward and backward. perturb: δ. adversarial:
   * the K forwards and their backward. optimizer: norm, losses to the host, clipping, update.
   */
  readonly phases: Readonly<
    Partial<Record<"copy" | "clean" | "perturb" | "adversarial" | "optimizer", number>>
  >;
  /** Operators of LibTorch that were called. */
  readonly operators: number;
  /** How often memory was asked for (by the trainer's thread and autograd's), and how many bytes in all. */
  readonly allocations: number;
  readonly allocatedBytes: number;
}

/** Sums over the examples of a batch; native/trainer/diagnostics.h defines them. */
export interface NativeDiagnostics {
  readonly inputGradientNorm: number;
  readonly submodelDivergence: number;
  readonly averagingGap: number;
}

export interface NativeTensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface NativeStepOptions {
  /** Whether the result is wanted, for which a GPU is waited for. Default: true. */
  readonly read?: boolean;
  /** Examples of the whole step, where other processes have a part of it. Default: those of the batches. */
  readonly examples?: number;
  /** Likewise the weights of their labels' classes. */
  readonly labelWeight?: number;
}

/**
 * A model with its optimizer on a thread of its own. Calls queue up and run in order; each returns at once with a
 * promise. After `cancel()` whatever is queued or running rejects with `ERR_RAT_ABORTED`; after `dispose()` every call
 * rejects with `ERR_RAT_DISPOSED`.
 */
export interface NativeTrainer {
  /**
   * One optimizer step from a batch, or from several that are run one after the other (micro-batches): one perturbation, one
   * mean over all their examples, one update. `step` counts from 1 and keys the dropout masks. If it fails, calls that were
   * queued behind it before the failure was told reject with `ERR_RAT_ABORTED`.
   *
   * With `read: false` nothing waits for a GPU, and the result is null there. That the step was not finite is said by the
   * next call that reads, saves or uses the weights; they stay as they were before it.
   */
  trainStep(
    batches: PackedBatch | readonly PackedBatch[],
    step: number,
    learningRate: number,
    options?: NativeStepOptions & { readonly read?: true },
  ): Promise<NativeStepResult>;
  trainStep(
    batches: PackedBatch | readonly PackedBatch[],
    step: number,
    learningRate: number,
    options: NativeStepOptions,
  ): Promise<NativeStepResult | null>;
  /** Logits without dropout, row-major `[B, outputs]`. */
  predict(batch: PackedBatch): Promise<Float64Array>;
  /**
   * What the model as it is does around a batch with labels (section 6 of the paper), summed over its examples. Changes nothing;
   * the masks of the `submodels` dropout samples, 2 to 8, are the same at every call.
   */
  diagnose(batch: PackedBatch, submodels: number): Promise<NativeDiagnostics>;
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
  /** Copies tensors of any safetensors file into parameters: `names` maps a parameter's name to the tensor's. */
  loadTensors(path: string, names: Readonly<Record<string, string>>): Promise<void>;
  /** Keeps a copy of the weights (host memory); `restore` brings it back. */
  snapshot(): Promise<void>;
  restore(): Promise<void>;
  /** Overwrites rows of the word embeddings before training: `values` is row-major `[rows, embeddingSize]`. */
  setEmbeddingRows(rows: Int32Array, values: Float32Array): Promise<void>;
  /**
   * What each class counts in the supervised loss from now on, `[outputs]`; means are then over the sum of the weights of a
   * step's labels.
   */
  setClassWeights(weights: Float64Array): Promise<void>;
  /** Names and shapes of the parameters, in the order of the model. */
  parameters(): Promise<NativeTensorInfo[]>;
  /** Peak device memory (CUDA) in bytes; 0 on the CPU, where the process's peak is what counts. */
  peakDeviceMemoryBytes(): Promise<number>;
  /**
   * Times one operator alone on this trainer's device and threads, in the type of its products, for benchmarks: matmul, copy
   * (the machine's best), linear, linear_gelu, attention, dropout, add_norm, embedding_norm, conv_max_pool, attention_pool,
   * lstm, gru, losses.
   */
  timeOperator(
    operator: string,
    shape: NativeOperatorShape,
    repetitions: number,
  ): Promise<NativeOperatorTimes>;
  /** Rejects what is queued and stops the running step between two passes. Later calls work again. */
  cancel(): void;
  /** Does what `cancel()` does, waits for the running command, and frees everything. Idempotent. */
  dispose(): Promise<void>;
}

/** Sequences of equal length, and what a layer makes of their tokens. */
export interface NativeOperatorShape {
  readonly sequences: number;
  readonly length: number;
  readonly width: number;
  /** Width of the result; filters a width (conv_max_pool), hidden states a direction, classes. */
  readonly outputs: number;
  readonly heads: number;
}

export interface NativeOperatorTimes {
  /** Milliseconds, one a repetition; an operator without a gradient has no backward. */
  readonly forwardMs: Float64Array;
  readonly backwardMs: Float64Array;
  /** Floating-point operations of forward and backward that are needed; 0 where moving memory is the work. */
  readonly flop: number;
  /** Bytes that must be read and written; 0 where products are the work. */
  readonly bytes: number;
}

/** Arithmetic of a model: `bf16` and `tf32` are of its matrix products alone. */
export type Precision = "fp32" | "fp64" | "bf16" | "tf32";

/** Row-major; `transposed`: what is meant is the transpose, by a view. */
export interface NativeMatrix {
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
  readonly transposed?: boolean;
}

export interface NativeBuildInfo {
  /** LibTorch the addon was compiled against, as `2.13.0+cpu`. */
  readonly libtorchVersion: string;
  /** Of the addon's sources, compiler and options. */
  readonly build: string;
  /** Whether the addon was compiled with CUDA. */
  readonly cudaBuild: boolean;
  /** Whether its CUDA devices are simulated on the CPU, as in this project's own tests. */
  readonly simulated: boolean;
  /** CUDA devices that can be used now; empty on the CPU or without a driver. */
  readonly cudaDevices: readonly {
    readonly name: string;
    readonly memoryBytes: number;
    readonly capability: string;
  }[];
  /** Instruction set of the CPU kernels LibTorch chose: `AVX512`, `AVX2`, `DEFAULT`, ... */
  readonly cpuCapability: string;
  readonly hardwareThreads: number;
  /** What `RAT_DISABLE` turns off (native/core/savings.h). Reading this throws `ERR_RAT_CONFIG` if it names something else. */
  readonly disabledSavings: readonly string[];
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
  /** One block of Philox 4x32-10, for tests: `counter` has four words, `key` two. */
  philox(counter: Uint32Array, key: Uint32Array): Uint32Array;
  /** GELU of each number, or its slope there, as encoders compute it in fp32 on the CPU, for tests. */
  gelu(x: Float32Array, backward: boolean): Float32Array;
  /** x times the transpose of the weight, plus the bias: what the CPU's layers take. For tests. */
  product(options: {
    readonly x: NativeMatrix;
    readonly weight: NativeMatrix;
    readonly bias?: NativeMatrix;
    /** What the product is added to, in place of a bias. */
    readonly sum?: NativeMatrix;
    readonly precision: "fp32" | "fp64" | "bf16";
    /** Of bf16, whether the result is rounded to it, too; else it is in fp32. Default: false. */
    readonly rounds?: boolean;
  }): Float64Array;
  /**
   * The losses of K forwards of one batch and their gradient, for tests. `logits` is `[forwards, B, C]`, row-major; `dlogits`
   * is the gradient of `supervised + klWeight * consistency`. `kind` is by default what the labels' type says; `outputs` is
   * needed for label sets.
   */
  forwardLosses(options: {
    logits: Float64Array;
    labels: Int32Array | Float32Array;
    forwards: number;
    klWeight: number;
    klReduction: NativeRegularizerOptions["klReduction"];
    consistency?: NativeRegularizerOptions["consistency"];
    temperature?: number;
    kind?: TaskKind;
    outputs?: number;
  }): { supervised: number; consistency: number; dlogits: Float64Array };
  /** Has the `n`-th request for memory of a tensor on the CPU from now on fail, once; 0: none. For tests. */
  failAllocation(n: number): void;
  /** What this process may take of a GPU's memory beside what it holds; by default all. For tests. */
  limitDeviceMemory(device: string, more?: number | undefined): void;
  /** Bytes outside its heap that V8 was told of, of which `process.memoryUsage()` says nothing. For tests. */
  externalMemory(): number;
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

let loading: Promise<NativeBinding> | undefined;

/**
 * {@link native} without holding the event loop for as long as LibTorch takes to load.
 *
 * @throws RATError (rejects) `ERR_RAT_NATIVE_LOAD`.
 */
export async function loadNative(): Promise<NativeBinding> {
  if (binding) return binding;
  loading ??= preloadAddon(native).finally(() => {
    loading = undefined;
  });
  return loading;
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
