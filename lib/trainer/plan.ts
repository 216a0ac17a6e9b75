/** How long a run is and what is due when: a pure function of its options and the size of the training data. */
import { FROM_SCRATCH } from "../config/resolve.js";
import type { FitSettings } from "../config/schema.js";
import { learningRateAt, type Schedule } from "./schedule.js";

const DEFAULT_EPOCHS = 3;
const DEFAULT_BATCH_SIZE = 32;
const DEFAULT_LOG_EVERY = 10;

/** The course of a run. Steps count from 1, epochs from 0. */
export class Plan {
  readonly epochs: number;
  readonly maxSteps: number | undefined;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly logEvery: number;
  readonly evalEvery: number | undefined;
  readonly checkpointEvery: number | undefined;
  readonly patience: number | undefined;
  readonly schedule: Schedule;
  readonly stepsPerEpoch: number;
  /** `maxSteps`, else all epochs. */
  readonly totalSteps: number;

  /** @param examples - Number of training examples. */
  constructor(settings: FitSettings, examples: number) {
    this.epochs = settings.epochs ?? DEFAULT_EPOCHS;
    this.maxSteps = settings.maxSteps;
    this.batchSize = settings.batchSize ?? DEFAULT_BATCH_SIZE;
    this.shuffle = settings.shuffle ?? true;
    this.logEvery = settings.logEvery ?? DEFAULT_LOG_EVERY;
    this.evalEvery = settings.evalEvery;
    this.checkpointEvery = settings.checkpointEvery;
    this.patience = settings.patience;
    this.stepsPerEpoch = Math.ceil(examples / this.batchSize);
    this.totalSteps = this.maxSteps ?? this.epochs * this.stepsPerEpoch;
    this.schedule = {
      type: settings.schedule ?? FROM_SCRATCH.schedule,
      learningRate: settings.learningRate ?? FROM_SCRATCH.learningRate,
      warmupRatio: settings.warmupRatio ?? FROM_SCRATCH.warmupRatio,
      totalSteps: this.totalSteps,
    };
  }

  /** The epoch of a step; that of step 0, before any, is 0. */
  epochOf(step: number): number {
    return Math.floor(Math.max(0, step - 1) / this.stepsPerEpoch);
  }

  /** Where a step's batch begins in its epoch's order. */
  firstRowOf(step: number): number {
    return ((step - 1) % this.stepsPerEpoch) * this.batchSize;
  }

  learningRateOf(step: number): number {
    return learningRateAt(step - 1, this.schedule);
  }

  isLogged(step: number): boolean {
    return step % this.logEvery === 0 || step === this.totalSteps;
  }

  /** At the end, and every `evalEvery` steps or else after each epoch. A run of no steps evaluates the initial model. */
  isEvaluated(step: number): boolean {
    if (step === this.totalSteps) return true;
    return step > 0 && step % (this.evalEvery ?? this.stepsPerEpoch) === 0;
  }

  isCheckpointed(step: number): boolean {
    return this.checkpointEvery !== undefined && step % this.checkpointEvery === 0;
  }
}
