/**
 * One run of `fit`: what it has done so far and what a step, an evaluation and a checkpoint are. The order in which they
 * happen stands in `rat-trainer.ts`.
 */

import type { SplitName } from "../datasets/types.js";
import { abortedError, fromNative } from "../errors.js";
import { batchIndices, packBatch } from "../inference/batching.js";
import type { EncodedDataset } from "../inference/encoded-dataset.js";
import { type EvaluationResult, type EvaluationTask, evaluateDataset } from "../inference/evaluate.js";
import type { Operation } from "../inference/operation.js";
import { type NativeStepResult, native } from "../native/binding.js";
import type { Checkpoint, RunEnvironment, RunState, RunTotals } from "./checkpoint.js";
import { loadCheckpoint } from "./checkpoint.js";
import { diagnose } from "./diagnostics.js";
import { type Evaluation, EvaluationHistory } from "./early-stopping.js";
import type { LoggedEvent, StepEvent, TrainEvent, TrainSummary } from "./events.js";
import type { RunProgress } from "./options.js";
import type { TrainerParts } from "./parts.js";
import type { Plan, Position } from "./plan.js";
import type { Provenance } from "./provenance.js";
import type { RunFolder, SplitEvaluation } from "./run-folder.js";
import { saveModel } from "./save-model.js";
import { peakMemoryBytes, summarize } from "./summary.js";

/** Steps handed to the native side ahead of their results: it never waits for this thread, and an abort loses little. */
const QUEUED_STEPS = 3;

/** The data sets of a run, encoded. */
export interface SessionData {
  readonly train: EncodedDataset;
  readonly dev: EncodedDataset | null;
  readonly mismatched: EncodedDataset | null;
  readonly test: EncodedDataset | null;
}

/** What a session is given. */
export interface SessionOptions {
  readonly parts: TrainerParts;
  readonly plan: Plan;
  readonly data: SessionData;
  readonly operation: Operation;
  readonly emit: (event: TrainEvent) => void;
  readonly folder: RunFolder | undefined;
  /** Everything that the course of the run depends on. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly checkpoint: Checkpoint | undefined;
  readonly provenance: Provenance;
  readonly onProgress: (progress: RunProgress) => void;
}

interface QueuedStep {
  readonly step: number;
  readonly learningRate: number;
  readonly examples: number;
  readonly tokens: number;
  /** null where nothing was read. */
  readonly result: Promise<NativeStepResult | null>;
}

const NO_TOTALS: RunTotals = {
  examples: 0,
  tokens: 0,
  skippedPerturbations: 0,
  seconds: 0,
  trainingSeconds: 0,
};

/** A run in progress. */
export class TrainingSession {
  readonly #options: SessionOptions;
  readonly #history: EvaluationHistory;
  readonly #queue: QueuedStep[] = [];
  /** Steps whose results have been seen: the weights are those after this step once the queue is empty. */
  #done: number;
  #totals: RunTotals;
  /** The last step that was measured; where a run begins there is nothing to measure. */
  #diagnosed: number;
  #startedAt = performance.now();
  #secondsApart = 0;
  /** What the newest checkpoint holds; undefined as long as the weights are not those of this run. */
  #saved: { readonly step: number; readonly evaluations: number } | undefined;
  #order: { epoch: number; rows: Int32Array } | undefined;
  /** What the best weights say of dev, if this process has evaluated them. */
  #bestOnDev: EvaluationResult | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const state = options.checkpoint?.state;
    const { metric = options.parts.task.metrics[0], patience = Number.POSITIVE_INFINITY } =
      options.plan.settings;
    this.#history = new EvaluationHistory(metric, patience, state?.evaluations);
    this.#done = state?.step ?? options.plan.begin.step;
    this.#totals = state?.totals ?? NO_TOTALS;
    this.#diagnosed = state?.diagnosed ?? this.#done;
  }

  /** Brings back what a checkpoint holds; the clock starts afterwards. */
  async begin(): Promise<void> {
    const { checkpoint, parts } = this.#options;
    if (checkpoint) await loadCheckpoint(checkpoint, parts.model);
    this.#saved = { step: checkpoint ? this.#done : -1, evaluations: this.#history.evaluations.length };
    this.#startedAt = performance.now();
    this.#tellTraining();
  }

  /** The task with the metric that chooses the best among its own. */
  get #task(): EvaluationTask {
    const { parts, plan } = this.#options;
    const { metric } = plan.settings;
    const { kind, labels, metrics, threshold } = parts.config;
    const isOwn = metric === undefined || metric === "loss" || metrics.includes(metric);
    const { f1Average } = parts.task;
    return { kind, labels, metrics: isOwn ? metrics : [...metrics, metric], f1Average, threshold };
  }

  /** Steps of the run, those before a checkpoint included. */
  get totalSteps(): number {
    return this.#options.plan.totalSteps;
  }

  /** Whether the steps are used up, or patience is. */
  get isOver(): boolean {
    return this.#handedOver >= this.#options.plan.lastStep || this.#history.isExhausted;
  }

  /** Where the next run of the trainer begins. */
  get position(): Position {
    return this.#options.plan.positionAfter(this.#done);
  }

  /** The last step that was handed to the native side. */
  get #handedOver(): number {
    return this.#done + this.#queue.length;
  }

  /** Hands the next step to the native side; waits for an earlier one when enough are queued. */
  async step(): Promise<void> {
    const { plan, parts, data, operation } = this.#options;
    operation.throwIfAborted();
    const step = this.#handedOver + 1;
    const rows = this.#rowsOf(step);
    const { batchSize, microBatchSize = batchSize } = plan.settings;
    const batches = batchIndices(rows, microBatchSize).map((some) =>
      packBatch(data.train.texts, data.train.labels, some),
    );
    const learningRate = plan.learningRateOf(step);
    const result = parts.model.trainStep(batches, step, learningRate, { read: plan.isLogged(step) });
    // Several may fail at once while only the first is awaited.
    result.catch(() => undefined);
    const tokens = batches.reduce((sum, batch) => sum + batch.tokens.length, 0);
    this.#queue.push({ step, learningRate, examples: rows.length, tokens, result });
    if (this.#queue.length >= QUEUED_STEPS) await this.#retire();
  }

  #rowsOf(step: number): Int32Array {
    const { plan, parts, data } = this.#options;
    const epoch = plan.epochOf(step);
    if (this.#order?.epoch !== epoch) {
      const { size } = data.train;
      const inFileOrder = () => Int32Array.from({ length: size }, (_, row) => row);
      const rows = plan.settings.shuffle
        ? native().permutation(parts.settings.seed, epoch, size)
        : inFileOrder();
      this.#order = { epoch, rows };
    }
    const first = plan.firstRowOf(step);
    return this.#order.rows.subarray(first, first + plan.settings.batchSize);
  }

  /** Takes the result of the oldest step in the queue. */
  async #retire(): Promise<void> {
    const [head] = this.#queue;
    if (head === undefined) return;
    const result = await head.result;
    this.#queue.shift();
    this.#done = head.step;
    this.#totals = {
      ...this.#totals,
      examples: this.#totals.examples + head.examples,
      tokens: this.#totals.tokens + head.tokens,
    };
    this.#tellTraining();
    if (result === null) return;
    this.#countSkipped(head.step, result.skippedPerturbations);
    if (this.#options.plan.isLogged(head.step)) this.#log(stepEvent(head, result, this.#options));
  }

  /** Waits until every step that was handed over is done. */
  async settle(): Promise<void> {
    while (this.#queue.length > 0) await this.#retire();
  }

  /** Evaluates on dev if it is time, and keeps the weights if they are the best so far. */
  async evaluateIfDue(): Promise<void> {
    const { plan, data, parts } = this.#options;
    const step = this.#handedOver;
    if (data.dev === null || !plan.isEvaluated(step) || this.#history.last?.step === step) return;
    await this.settle();
    const from = performance.now();
    const result = await this.#evaluate("dev", data.dev);
    const { loss, metrics } = result;
    const evaluation: Evaluation = { step, epoch: plan.epochOf(step), loss, metrics };
    // An abort may come before the snapshot is taken; then this evaluation has not happened and is made again on resume.
    if (this.#history.isBetter(evaluation)) {
      await parts.model.snapshot();
      this.#bestOnDev = result;
    }
    this.#history.record(evaluation);
    this.#log({ type: "eval", step, epoch: evaluation.epoch, split: "dev", loss, metrics });
    this.#setApart(from);
    this.#tellTraining();
  }

  #evaluate(split: SplitName, examples: EncodedDataset): Promise<EvaluationResult> {
    const { parts, operation, onProgress } = this.#options;
    const tell = (done: number) => onProgress({ stage: "evaluating", split, done, total: examples.size });
    tell(0);
    return evaluateDataset(parts.model, examples, this.#task, operation.signal, tell);
  }

  #tellTraining(): void {
    const { plan, onProgress } = this.#options;
    onProgress({ stage: "training", done: this.#done, total: plan.lastStep });
  }

  #tellSaving(): void {
    this.#options.onProgress({ stage: "saving", done: 0, total: 0 });
  }

  /** Measures the model on dev if it is time. */
  async diagnoseIfDue(): Promise<void> {
    const { plan, data, parts } = this.#options;
    const step = this.#handedOver;
    if (data.dev === null || !plan.isDiagnosed(step) || this.#diagnosed === step) return;
    await this.settle();
    const from = performance.now();
    this.#log({ type: "diagnostics", step, ...(await diagnose(parts.model, data.dev)) });
    this.#diagnosed = step;
    this.#setApart(from);
  }

  async checkpointIfDue(): Promise<void> {
    if (!this.#options.plan.isCheckpointed(this.#handedOver)) return;
    await this.settle();
    await this.#checkpoint();
  }

  async #checkpoint(): Promise<void> {
    const { folder, parts, plan, identity, emit } = this.#options;
    if (folder === undefined) return;
    const from = performance.now();
    this.#tellSaving();
    const state: RunState = {
      begin: plan.begin,
      step: this.#done,
      epoch: plan.epochOf(this.#done),
      evaluations: this.#history.evaluations,
      identity,
      environment: environmentOf(parts),
      diagnosed: this.#diagnosed,
      lastStep: plan.lastStep,
      totals: this.#currentTotals(),
    };
    const path = await folder.checkpoint(parts.model, state, plan.settings.keepCheckpoints);
    this.#saved = { step: this.#done, evaluations: this.#history.evaluations.length };
    emit({ type: "checkpoint", step: this.#done, path });
    this.#setApart(from);
    this.#tellTraining();
  }

  /**
   * Writes a last checkpoint, which the run can be made longer from, puts the best weights back, tests them, and writes what
   * belongs into the folder.
   */
  async finish(): Promise<TrainSummary> {
    const { parts, data, plan, operation, folder, provenance } = this.#options;
    await this.settle();
    if (this.#hasUnsaved) await this.#checkpoint();
    const totals = this.#currentTotals();
    const { best } = this.#history;
    if (best && best.step !== this.#done) await parts.model.restore();
    const bestStep = best?.step ?? this.#done;
    const evaluated: SplitEvaluation[] = [];
    if (data.dev)
      evaluated.push({ split: "dev", ...(this.#bestOnDev ?? (await this.#evaluate("dev", data.dev))) });
    const atTheEnd = async (split: "dev-mismatched" | "test", examples: EncodedDataset | null) => {
      if (examples === null) return null;
      const result = await this.#evaluate(split, examples);
      const { loss, metrics } = result;
      evaluated.push({ split, ...result });
      this.#log({ type: "eval", step: bestStep, epoch: plan.epochOf(bestStep), split, loss, metrics });
      return metrics;
    };
    const devMismatched = await atTheEnd("dev-mismatched", data.mismatched);
    const test = await atTheEnd("test", data.test);
    if (totals.skippedPerturbations > 0) {
      const steps = this.#done - plan.begin.step;
      parts.logger.warn(`${totals.skippedPerturbations} of ${steps} steps had no perturbation`);
    }
    const summary = summarize({
      parts,
      totals: { ...totals, seconds: this.#currentTotals().seconds },
      ...{ steps: this.#done, bestStep, dev: best?.metrics ?? null, test },
      devMismatched: parts.task["dev-mismatched"] === undefined ? undefined : devMismatched,
      peakMemoryBytes: await peakMemoryBytes(parts),
      output: folder?.path ?? null,
      provenance,
    });
    if (folder) {
      this.#tellSaving();
      await saveModel(parts, folder.modelPath, operation.signal);
      await folder.report(evaluated);
      await folder.finish(summary, plan.settings.keepCheckpoints);
    }
    return summary;
  }

  /**
   * Comes to rest after a failure: takes the results of the steps that were finished and, if the run was aborted, writes
   * a checkpoint of them.
   *
   * @returns What the run is to fail with.
   */
  async interrupt(error: unknown): Promise<Error> {
    const { operation, parts } = this.#options;
    const cause = fromNative(error);
    const isAborted = operation.signal.aborted && cause.code === "ERR_RAT_ABORTED";
    parts.model.cancel();
    await Promise.allSettled(this.#queue.map(({ result }) => result));
    await this.settle().catch(() => undefined);
    this.#queue.length = 0;
    if (!isAborted) return cause;
    try {
      if (this.#hasUnsaved) await this.#checkpoint();
    } catch (checkpointError) {
      return fromNative(checkpointError);
    }
    return abortedError(operation.signal);
  }

  /** Not while a checkpoint is being loaded, and not if nothing has happened since the last one. */
  get #hasUnsaved(): boolean {
    const { evaluations } = this.#history;
    return (
      this.#saved !== undefined &&
      (this.#saved.step !== this.#done || this.#saved.evaluations !== evaluations.length)
    );
  }

  #log(event: LoggedEvent): void {
    this.#options.folder?.log(event);
    this.#options.emit(event);
  }

  /** The first is said at once; how many there were is said at the end. */
  #countSkipped(step: number, count: number): void {
    const { emit, parts } = this.#options;
    const before = this.#totals.skippedPerturbations;
    this.#totals = { ...this.#totals, skippedPerturbations: before + count };
    if (count === 0 || before > 0) return;
    const message = `Step ${step} had no perturbation: the gradient of the embeddings was zero or not finite`;
    parts.logger.warn(message);
    emit({ type: "warning", step, message });
  }

  /** Takes the time since `from` out of the training time. */
  #setApart(from: number): void {
    this.#secondsApart += (performance.now() - from) / 1000;
  }

  /** The sums with the time of this process added. */
  #currentTotals(): RunTotals {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return {
      ...this.#totals,
      seconds: this.#totals.seconds + seconds,
      trainingSeconds: this.#totals.trainingSeconds + seconds - this.#secondsApart,
    };
  }
}

/** What decides the bits of a computation besides the run itself. */
export function environmentOf({ build, settings }: TrainerParts): RunEnvironment {
  const { device, threads } = settings;
  const gpu = build.cudaDevices[Number(/:(\d+)$/.exec(device)?.[1])];
  return {
    ...{ libtorch: build.libtorchVersion, addon: build.build, cpuCapability: build.cpuCapability },
    ...{ device, deviceName: gpu?.name ?? null, threads },
  };
}

function stepEvent(
  queued: QueuedStep,
  result: NativeStepResult,
  { parts, plan }: Pick<SessionOptions, "parts" | "plan">,
): StepEvent {
  const { loss, cleanLoss, adversarialLoss, klLoss, bregmanLoss, deltaNorm, gradNorm } = result;
  const { step, learningRate, examples, tokens } = queued;
  return {
    ...{ type: "step", step, epoch: plan.epochOf(step) },
    ...{ loss, cleanLoss, adversarialLoss, klLoss },
    ...(parts.regularizer.bregmanWeight ? { bregmanLoss } : {}),
    ...{ deltaNorm, gradNorm, learningRate, examples, tokens },
  };
}
