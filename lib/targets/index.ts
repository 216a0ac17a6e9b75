/** The kinds of target: a new one is a file here, its losses in `native/objective/`, and a line in each list. */
import { invalidArgument } from "../errors.js";
import { classification } from "./classification.js";
import type { TargetDefinition } from "./definition.js";
import { multilabel } from "./multilabel.js";
import { regression } from "./regression.js";

export type { Label, LabelArray, PredictionArray, TargetDefinition } from "./definition.js";

export const TARGETS = [classification, regression, multilabel] as const;

/** What labels are. */
export type TaskKind = (typeof TARGETS)[number]["kind"];
export const TASK_KINDS = TARGETS.map(({ kind }) => kind) as [TaskKind, ...TaskKind[]];

/** @throws RATError `ERR_RAT_INVALID_ARG`, with the kinds there are, for anything else. */
export function targetOf(kind: TaskKind, name = "kind"): TargetDefinition {
  const found = TARGETS.find((target) => target.kind === kind);
  return found ?? invalidArgument(name, TASK_KINDS.join(" or "), kind);
}

/** The `problem_type` of `config.json` by kind. */
export const PROBLEM_TYPES = TARGETS.map(({ problemType }) => problemType) as [string, ...string[]];

/** The kind that a `problem_type` says. */
export function kindOfProblem(problemType: string): TaskKind {
  return TARGETS.find((target) => target.problemType === problemType)?.kind ?? "classification";
}
