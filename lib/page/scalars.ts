/** A run's log as numbers by name, for TensorBoard. */
import type { Scalar } from "./event-file.js";
import type { RunRecord } from "./read-run.js";

/** `train/loss`, `dev/accuracy`, `diagnostics/averagingGap`, ...; what is not finite is left out. */
export function scalarsOf({
  steps,
  evaluations,
  diagnostics,
}: Pick<RunRecord, "steps" | "evaluations" | "diagnostics">): Scalar[] {
  const scalars = [
    ...steps.flatMap(({ type: _, step, epoch: __, examples: ___, tokens: ____, ...values }) =>
      named("train", step, values),
    ),
    ...evaluations.flatMap(({ step, split, loss, metrics }) => named(split, step, { loss, ...metrics })),
    ...diagnostics.flatMap(({ type: _, step, ...values }) => named("diagnostics", step, values)),
  ];
  return scalars.filter(({ value }) => typeof value === "number" && Number.isFinite(value));
}

function named(group: string, step: number, values: object): Scalar[] {
  return Object.entries(values).map(([name, value]) => ({
    tag: `${group}/${name}`,
    step,
    value: value as number,
  }));
}
