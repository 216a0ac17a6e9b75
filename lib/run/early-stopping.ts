/** Which evaluation was the best so far, and whether waiting for a better one has lasted long enough. */
import type { MetricName, Metrics } from "../metrics/types.js";

/** One evaluation on dev. */
export interface Evaluation {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly metrics: Metrics;
}

/**
 * The evaluations of a run in order. The best has the highest metric (the lowest loss, where that decides); of equals the
 * earlier. An undefined metric (null) is worse than any number.
 */
export class EvaluationHistory {
  readonly #metric: MetricName | "loss" | undefined;
  readonly #patience: number;
  readonly #evaluations: Evaluation[] = [];
  #best: Evaluation | undefined;

  /**
   * @param metric - What decides; undefined, of a task without metrics, the loss.
   * @param patience - Evaluations without a better one after which to stop; Infinity: never.
   * @param evaluations - Those of a run that is resumed.
   */
  constructor(
    metric: MetricName | "loss" | undefined,
    patience: number,
    evaluations: readonly Evaluation[] = [],
  ) {
    this.#metric = metric;
    this.#patience = patience;
    for (const evaluation of evaluations) this.record(evaluation);
  }

  /** Whether `evaluation` would be the best so far. The first always is. */
  isBetter(evaluation: Evaluation): boolean {
    return this.#best === undefined || this.#score(evaluation) > this.#score(this.#best);
  }

  record(evaluation: Evaluation): void {
    if (this.isBetter(evaluation)) this.#best = evaluation;
    this.#evaluations.push(evaluation);
  }

  get evaluations(): readonly Evaluation[] {
    return this.#evaluations;
  }

  get best(): Evaluation | undefined {
    return this.#best;
  }

  get last(): Evaluation | undefined {
    return this.#evaluations.at(-1);
  }

  /** Whether as many evaluations as `patience` have passed since the best one. */
  get isExhausted(): boolean {
    if (this.#best === undefined) return false;
    return this.#evaluations.length - 1 - this.#evaluations.indexOf(this.#best) >= this.#patience;
  }

  #score({ loss, metrics }: Evaluation): number {
    const metric = this.#metric ?? "loss";
    const value = metric === "loss" ? -loss : (metrics[metric] ?? Number.NEGATIVE_INFINITY);
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  }
}
