/** Learning rates by step, as the schedules of Hugging Face's `transformers` define them. */
export type ScheduleType = "linear" | "cosine" | "constant";

/** The course of the learning rate. */
export interface Schedule {
  readonly type: ScheduleType;
  /** Largest learning rate. */
  readonly learningRate: number;
  /** Part of the steps with a rising rate, 0 to 1; `constant` warms up too. */
  readonly warmupRatio: number;
  /** Optimizer steps in all. */
  readonly totalSteps: number;
}

/** Steps with a rising rate: ceil(ratio x steps). */
export function warmupSteps({ warmupRatio, totalSteps }: Schedule): number {
  return Math.ceil(warmupRatio * totalSteps);
}

/**
 * The learning rate of one step.
 *
 * @param index - Counts from 0, so a run that warms up takes its first step at rate 0.
 */
export function learningRateAt(index: number, schedule: Schedule): number {
  const { type, learningRate, totalSteps } = schedule;
  const warmup = warmupSteps(schedule);
  if (index < warmup) return learningRate * (index / Math.max(1, warmup));
  const progress = (index - warmup) / Math.max(1, totalSteps - warmup);
  switch (type) {
    case "constant":
      return learningRate;
    case "linear":
      return learningRate * Math.max(0, (totalSteps - index) / Math.max(1, totalSteps - warmup));
    case "cosine":
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    default:
      return type satisfies never;
  }
}
