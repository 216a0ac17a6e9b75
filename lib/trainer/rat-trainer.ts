/**
 * The trainer: a model, a task and a regularizer. What a run does in which order stands in `#train` below; the
 * arithmetic of a step stands in `native/trainer/trainer.cc`, behind `lib/native/binding.ts`.
 */

import { checkFitOptions } from "../config/fit-options.js";
import { checkFolderOptions } from "../config/folder-options.js";
import { parseOptions } from "../config/parse.js";
import { fitSettingsSchema } from "../config/schema.js";
import { type Dataset, SPLIT_NAMES, type SplitName } from "../datasets/types.js";
import { configError, invalidArgument, RATError } from "../errors.js";
import { type EncodedDataset, encodeDataset } from "../inference/encoded-dataset.js";
import { type EvaluationResult, evaluateDataset } from "../inference/evaluate.js";
import { type Operation, Operations } from "../inference/operation.js";
import { predictTexts, type TextInput } from "../inference/predictions.js";
import type { Checkpoint } from "../run/checkpoint.js";
import { setClassWeights } from "../run/class-weights.js";
import type { TrainEvent, TrainSummary } from "../run/events.js";
import type { FitOptions } from "../run/options.js";
import type { TrainerParts } from "../run/parts.js";
import { Plan, START } from "../run/plan.js";
import { describeProvenance } from "../run/provenance.js";
import { Run } from "../run/run.js";
import { RunFolder } from "../run/run-folder.js";
import { checkResume, runIdentity, runRecord } from "../run/run-identity.js";
import { saveModel } from "../run/save-model.js";
import { environmentOf, type SessionData, TrainingSession } from "../run/session.js";
import { peakMemoryBytes } from "../run/summary.js";
import type { Prediction } from "../targets/definition.js";
import type { TaskKind } from "../targets/index.js";
import { countUnknown } from "../tokenizers/unknown.js";
import type { EvaluateOptions, EvaluationData, TrainerOptions } from "./options.js";
import { setUpTrainer } from "./set-up-trainer.js";
import { checkMetric } from "./task-options.js";

/**
 * Trains a text classifier or regressor.
 *
 * One thing at a time: while `fit` runs, every other call rejects with `ERR_RAT_BUSY`, and `fit` does so while anything
 * else runs. Reading calls (`evaluate`, `predict`, `save`) may overlap. The native side has a thread of its own, so that
 * the event loop stays free.
 */
export class RATTrainer implements AsyncDisposable {
  readonly #parts: TrainerParts;
  readonly #encoded = new Map<SplitName, EncodedDataset>();
  readonly #operations = new Operations("trainer");
  #position = START;
  #isFitting = false;
  #disposal: Promise<void> | undefined;

  private constructor(parts: TrainerParts) {
    this.#parts = parts;
  }

  /**
   * Builds a new model, or loads one from a folder. Where the folder's model has the task's labels in another order, that
   * order is kept; for other labels, or another kind of task, `resetHead` puts a new head on it, initialised from `seed`.
   * `vectors` is a file of word vectors (GloVe, word2vec or fastText in text form, plain or .gz, as wide as the embeddings:
   * 300 by default), which take the place of the random embeddings of a new model where the vocabulary has their words.
   *
   * `classWeights` are in the order of `task.labels`; `balanced` is examples / (classes x examples of the class).
   * `freeze` and `layerDecay` count layers from below; δ comes from the embeddings' gradient even where they are frozen.
   *
   * Defaults: `regularizer` R-AT with weight 0.5, two forwards and ε 1 (encoders 0.1); dropout 0.5 and 400 tokens (a folder's
   * model: its own); AdamW without decay (encoders 0.01) and with gradients clipped to norm 1; seed 1; device `auto` (the first
   * GPU of a CUDA build, else the CPU); fp32; all cores, shared among the live trainers. ε and the spread of the embeddings
   * (0.1 initially) go together: what counts is their ratio.
   *
   * @throws RATError `ERR_RAT_CONFIG` or `ERR_RAT_INVALID_ARG` for an option; `ERR_RAT_PATH`, `ERR_RAT_MODEL_MISMATCH`,
   *   `ERR_RAT_SAFETENSORS_INVALID`, `ERR_RAT_UNSAFE_FORMAT` or `ERR_RAT_TOKENIZER_INVALID` for a model folder;
   *   `ERR_RAT_PATH`, `ERR_RAT_DATA_FORMAT` (with file and line) or `ERR_RAT_DATA_ENCODING` for word vectors;
   *   `ERR_RAT_DEVICE`; `ERR_RAT_NATIVE_LOAD` when the native part is not built; `ERR_RAT_ABORTED`.
   */
  static async create(options: TrainerOptions): Promise<RATTrainer> {
    return new RATTrainer(await setUpTrainer(options));
  }

  /** Class names in the order of the model's outputs; empty for regression. */
  get labels(): readonly string[] {
    return this.#parts.config.labels;
  }

  get kind(): TaskKind {
    return this.#parts.config.kind;
  }

  /** `cpu` or `cuda:N`. */
  get device(): string {
    return this.#parts.settings.device;
  }

  /** Compute threads. */
  get threads(): number {
    return this.#parts.settings.threads;
  }

  /**
   * Trains, and tests the result. The run starts at once; await it for the summary, iterate it for its events.
   *
   * With a dev set, the model is evaluated at each epoch's end (or every `evalEvery` steps, and at the end); the trainer
   * holds the weights that were best by the task's first metric afterwards (of equals the earlier), and without one the
   * last. `patience` stops after as many evaluations without a better one. Step events come every `logEvery` steps.
   *
   * A second `fit` goes on where the first one ended: it begins a new epoch with the weights and the optimizer's state that
   * are there, and steps, epochs and dropout masks count on. So, at a constant rate and without earlier weights that were
   * better on dev, two runs of one epoch are bit for bit one run of two. Schedule, `patience` and the choice of the best
   * are each run's own.
   *
   * With `output`, the run is kept in that folder. An aborted run writes a checkpoint there first, and `resume` goes on
   * from the newest intact one: on the same machine bit for bit as if it had never stopped.
   *
   * `microBatchSize` gives each step to the model in parts: less memory, the same step to rounding. `metric` chooses the
   * best in place of the task's first.
   *
   * Defaults: 3 epochs (`maxSteps` overrides them), batches of 32, learning rate 1e-3 constant without warm-up (encoders 2e-5,
   * linear after 6 % warm-up), shuffled, a log entry every 10 steps.
   *
   * @returns A run that rejects with: `ERR_RAT_CONFIG` for an option; `ERR_RAT_LABEL`, `ERR_RAT_DATA_FORMAT` or
   *   `ERR_RAT_INVALID_ARG` for the data; `ERR_RAT_PATH` or `ERR_RAT_LOCKED` for the output folder;
   *   `ERR_RAT_CHECKPOINT_WRITE`; `ERR_RAT_CHECKPOINT_CORRUPT`, `ERR_RAT_RESUME_CONFIG` or `ERR_RAT_RESUME_ENV` on resume;
   *   `ERR_RAT_NON_FINITE` when a loss or gradient is; `ERR_RAT_ABORTED`; `ERR_RAT_BUSY`; `ERR_RAT_DISPOSED`.
   */
  fit(options: FitOptions = {}): Run {
    return new Run((emit, begin) =>
      this.#exclusively(options, async (operation) => {
        const { signal: _, config: __, onProgress, ...plain } = options;
        if (onProgress !== undefined && typeof onProgress !== "function")
          invalidArgument("onProgress", "a function", onProgress);
        const settings = parseOptions(fitSettingsSchema, plain, "fit");
        const { output, resume = false, overwrite = false } = settings;
        checkFolderOptions(settings);
        checkFitOptions(settings);
        checkMetric(settings.metric, this.#parts.task);
        if (settings.diagnostics !== undefined && !this.#parts.task.dev)
          throw configError("diagnostics", "diagnostics are measured on a dev set, and the task has none");
        const folder = output === undefined ? undefined : await RunFolder.open(output, { resume, overwrite });
        try {
          const session = await this.#prepare(options, operation, emit, folder);
          begin({ totalSteps: session.totalSteps });
          return await this.#train(session);
        } finally {
          await folder?.close();
        }
      }),
    );
  }

  /** A run, step by step. */
  async #train(session: TrainingSession): Promise<TrainSummary> {
    try {
      await session.begin();
      // A resumed run may have stopped just before a measurement or an evaluation; a run of no steps evaluates the initial model.
      await session.diagnoseIfDue();
      await session.evaluateIfDue();
      while (!session.isOver) {
        await session.step();
        await session.diagnoseIfDue();
        await session.evaluateIfDue();
        await session.checkpointIfDue();
      }
      return await session.finish();
    } catch (error) {
      throw await session.interrupt(error);
    } finally {
      this.#position = session.position;
    }
  }

  /** Encodes the data, and finds out where the run begins. */
  async #prepare(
    options: FitOptions,
    operation: Operation,
    emit: (event: TrainEvent) => void,
    folder: RunFolder | undefined,
  ): Promise<TrainingSession> {
    const parts = this.#parts;
    const data = await this.#encodeTask(operation.signal, options.onProgress);
    const checkpoint = folder && options.resume ? await this.#findCheckpoint(folder, emit) : undefined;
    const plan = new Plan(
      options,
      data.train.size,
      checkpoint?.state.begin ?? this.#position,
      parts.modelKind,
    );
    await setClassWeights(parts, data.train.labels);
    const identity = folder ? await runIdentity(parts, plan, data) : {};
    if (checkpoint) {
      checkResume(checkpoint, {
        identity,
        lastStep: plan.lastStep,
        environment: environmentOf(parts),
        allowElsewhere: options.allowResumeElsewhere ?? false,
      });
      parts.logger.info(describeResumption(checkpoint, plan, folder?.path));
    }
    const provenance = await describeProvenance(parts.build.libtorchVersion, parts.task.source?.files);
    operation.throwIfAborted();
    await folder?.begin(runRecord(parts, plan, options, provenance), checkpoint);
    operation.onAbort(() => parts.model.cancel());
    return new TrainingSession({
      ...{ parts, plan, data, operation, emit, folder, identity, checkpoint, provenance },
      onProgress: options.onProgress ?? (() => undefined),
    });
  }

  async #findCheckpoint(
    folder: RunFolder,
    emit: (event: TrainEvent) => void,
  ): Promise<Checkpoint | undefined> {
    const { logger } = this.#parts;
    const checkpoint = await folder.findCheckpoint((message) => {
      logger.warn(message);
      emit({ type: "warning", step: 0, message });
    });
    if (checkpoint) return checkpoint;
    if (await folder.isFinished()) {
      throw new RATError(
        "ERR_RAT_CHECKPOINT_NOT_FOUND",
        `The run in ${folder.path} is finished and kept no checkpoint, so there is nothing to go on from. Train its model further in another folder (\`model\` ${folder.modelPath}), or replace it with \`overwrite\``,
        { details: { file: folder.path } },
      );
    }
    logger.info(`There is no checkpoint in ${folder.path}: the run starts afresh`);
    return undefined;
  }

  async #encodeTask(signal: AbortSignal, onProgress: FitOptions["onProgress"]): Promise<SessionData> {
    const { task } = this.#parts;
    const encode = (split: SplitName) => {
      onProgress?.({ stage: "tokenising", split, done: 0, total: 0 });
      return this.#encodeSplit(split, signal);
    };
    const train = await encode("train");
    const dev = task.dev && (await encode("dev"));
    const mismatched = task["dev-mismatched"] && (await encode("dev-mismatched"));
    const test = task.test && (await encode("test"));
    return { train, dev, mismatched: mismatched ?? null, test };
  }

  /** Each data set is read and encoded once. */
  async #encodeSplit(split: SplitName, signal: AbortSignal): Promise<EncodedDataset> {
    const known = this.#encoded.get(split);
    if (known) return known;
    const data = this.#parts.task[split];
    if (!data) {
      throw new RATError("ERR_RAT_DATA_FORMAT", `The task ${this.#parts.task.name} has no ${split} data`);
    }
    const encoded = await this.#encode(data, split, signal);
    this.#encoded.set(split, encoded);
    return encoded;
  }

  async #encode(data: Dataset, name: string, signal: AbortSignal): Promise<EncodedDataset> {
    const { config, tokenizer, settings, logger } = this.#parts;
    const { kind, labels } = config;
    const { maxLength } = settings;
    const encoded = await encodeDataset(data, { kind, labels, tokenizer, maxLength, name, signal });
    const { truncated } = encoded.texts;
    if (truncated > 0) {
      const share = ((100 * truncated) / encoded.size).toFixed(1);
      logger.info(
        `${truncated} of ${encoded.size} ${name} texts (${share} %) were cut at ${maxLength} tokens (\`maxLength\`)`,
      );
    }
    const unknown = await countUnknown(encoded.texts, tokenizer);
    const unknownShare = (100 * unknown) / encoded.texts.tokens.length;
    if (unknownShare >= 0.1)
      logger.info(`${unknownShare.toFixed(1)} % of the ${name} tokens are unknown words`);
    return encoded;
  }

  /**
   * Loss and metrics of the present weights on a data set of the task, or on any examples.
   *
   * @throws RATError `ERR_RAT_DATA_FORMAT` when the task lacks that data set; `ERR_RAT_LABEL`; `ERR_RAT_INVALID_ARG`;
   *   `ERR_RAT_ABORTED`; `ERR_RAT_BUSY`; `ERR_RAT_DISPOSED`.
   */
  evaluate(data: EvaluationData, options: EvaluateOptions = {}): Promise<EvaluationResult> {
    return this.#reading(options, async ({ signal }) => {
      if (typeof data === "string" && !SPLIT_NAMES.includes(data)) {
        invalidArgument("data", `${SPLIT_NAMES.join(", ")} or examples`, data);
      }
      const encoded =
        typeof data === "string"
          ? await this.#encodeSplit(data, signal)
          : await this.#encode(data, "examples", signal);
      const { model, config, task } = this.#parts;
      return evaluateDataset(model, encoded, { ...config, f1Average: task.f1Average }, signal);
    });
  }

  /**
   * Classifies (or scores) texts with the present weights; results are in input order.
   *
   * @throws RATError `ERR_RAT_INVALID_ARG`; `ERR_RAT_ABORTED`; `ERR_RAT_BUSY`; `ERR_RAT_DISPOSED`.
   */
  predict(
    texts: string | readonly TextInput[],
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Prediction[]> {
    return this.#reading(options, ({ signal }) => {
      const { model, tokenizer, config, settings } = this.#parts;
      const { kind, labels, threshold } = config;
      const { maxLength } = settings;
      return predictTexts({ model, tokenizer, kind, labels, maxLength, threshold }, texts, signal);
    });
  }

  /**
   * Writes the present model as a folder that {@link Classifier.load} and `model: { path }` read: complete or not at all.
   * A model folder that stands there is replaced.
   *
   * @throws RATError `ERR_RAT_PATH` when `folder` holds anything else; `ERR_RAT_CHECKPOINT_WRITE` when it cannot be
   *   written and `ERR_RAT_ABORTED`, both with the old one intact; `ERR_RAT_BUSY`; `ERR_RAT_DISPOSED`.
   */
  save(folder: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#reading(options, async ({ signal }) => {
      if (typeof folder !== "string" || folder === "") invalidArgument("folder", "a path", folder);
      await saveModel(this.#parts, folder, signal);
    });
  }

  /**
   * The most memory so far, in bytes: of this trainer on its GPU, of the process on the CPU.
   *
   * @throws RATError `ERR_RAT_DISPOSED`.
   */
  peakMemoryBytes(): Promise<number> {
    return this.#reading({}, () => peakMemoryBytes(this.#parts));
  }

  /**
   * Aborts what is in progress, waits for it, and frees the native side. Idempotent; later calls reject with
   * `ERR_RAT_DISPOSED`.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    const { model, tokenizer, ownsTokenizer } = this.#parts;
    await this.#operations.end();
    await model.dispose();
    if (ownsTokenizer) await tokenizer.dispose();
  }

  async #exclusively<T>(
    options: { readonly signal?: AbortSignal | undefined },
    call: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    if (this.#operations.areRunning) throw busy("fit cannot start", "another call is in progress");
    return this.#operations.perform(options, async (operation) => {
      this.#isFitting = true;
      try {
        return await call(operation);
      } finally {
        this.#isFitting = false;
      }
    });
  }

  async #reading<T>(
    options: { readonly signal?: AbortSignal | undefined },
    call: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    if (this.#isFitting) throw busy("The trainer cannot be used", "fit is in progress");
    return this.#operations.perform(options, call);
  }
}

function describeResumption({ path, state }: Checkpoint, plan: Plan, folder = path): string {
  const { step } = state;
  if (step < plan.lastStep) return `Going on from step ${step} (${path})`;
  const { epochs, maxSteps } = plan.settings;
  const length = maxSteps === undefined ? `\`epochs\` above ${epochs}` : `\`maxSteps\` above ${maxSteps}`;
  return `The run in ${folder} is finished: ${step} steps are done, and none is made again. It goes on for longer with ${length}`;
}

function busy(what: string, why: string): RATError {
  return new RATError("ERR_RAT_BUSY", `${what} while ${why}; await it first`, { retryable: true });
}
