/** How long a run is and what is due when: a pure function of its options and the size of the training data. */
import { type ModelKind, type Resolved, withDefaults } from "../config/defaults.js";
import type { FitSettings } from "../config/schema.js";
import { learningRateAt, type Schedule } from "./schedule.js";

/** How far a trainer has come: where its next run begins. */
export interface Position {
  /** Steps done. */
  readonly step: number;
  /** Epochs begun. */
  readonly epoch: number;
}

/** Of a trainer that has not trained yet. */
export const START: Position = { step: 0, epoch: 0 };

/** The course of a run. A trainer's steps count from 1 and its epochs from 0, over all of its runs. */
export class Plan {
  /** Where the run begins, always with a new epoch. */
  readonly begin: Position;
  /** `fit`'s options with everything filled in, by their names in a run's configuration. */
  readonly settings: Resolved<"fit">;
  readonly schedule: Schedule;
  readonly stepsPerEpoch: number;
  /** Steps of this run: `maxSteps`, else all epochs. */
  readonly totalSteps: number;
  /** The number that its last step has. */
  readonly lastStep: number;

  /**
   * @param examples - Number of training examples.
   * @param begin - Where earlier runs of the trainer ended.
   * @param modelKind - Decides some of the defaults.
   */
  constructor(
    given: FitSettings,
    examples: number,
    begin: Position = START,
    modelKind: ModelKind = "fromScratch",
  ) {
    this.begin = begin;
    this.settings = withDefaults(["fit"], given, modelKind);
    const { epochs, maxSteps, batchSize, schedule: type, learningRate, warmupRatio } = this.settings;
    this.stepsPerEpoch = Math.ceil(examples / batchSize);
    this.totalSteps = maxSteps ?? epochs * this.stepsPerEpoch;
    this.lastStep = begin.step + this.totalSteps;
    this.schedule = { type, learningRate, warmupRatio, totalSteps: this.totalSteps };
  }

  /** The epoch of a step; that of a run that has not taken one is its first. */
  epochOf(step: number): number {
    return this.begin.epoch + Math.floor(Math.max(0, this.#indexOf(step)) / this.stepsPerEpoch);
  }

  /** Where a step's batch begins in its epoch's order. */
  firstRowOf(step: number): number {
    return (this.#indexOf(step) % this.stepsPerEpoch) * this.settings.batchSize;
  }

  learningRateOf(step: number): number {
    return learningRateAt(this.#indexOf(step), this.schedule);
  }

  isLogged(step: number): boolean {
    return step % this.settings.logEvery === 0 || step === this.lastStep;
  }

  /** At the end, and every `evalEvery` steps or else after each epoch. A run of no steps evaluates what is there. */
  isEvaluated(step: number): boolean {
    if (step === this.lastStep) return true;
    if (step === this.begin.step) return false;
    const { evalEvery } = this.settings;
    return evalEvery === undefined
      ? (step - this.begin.step) % this.stepsPerEpoch === 0
      : step % evalEvery === 0;
  }

  isDiagnosed(step: number): boolean {
    const { diagnostics } = this.settings;
    return diagnostics !== undefined && step % diagnostics === 0;
  }

  isCheckpointed(step: number): boolean {
    const { checkpointEvery } = this.settings;
    return checkpointEvery !== undefined && step % checkpointEvery === 0;
  }

  /** Where the next run of the trainer begins if this one ends after `step`. */
  positionAfter(step: number): Position {
    return step === this.begin.step ? this.begin : { step, epoch: this.epochOf(step) + 1 };
  }

  /** Of a step in this run, from 0. */
  #indexOf(step: number): number {
    return step - 1 - this.begin.step;
  }
}
