/** The tasks by name, and what `r-at data` lists about them. */
import { RATError } from "../errors.js";
import type { MetricName } from "../metrics/types.js";
import { didYouMean } from "../nearest.js";
import type { TaskKind } from "../targets/index.js";
import { agnews } from "./agnews.js";
import { iflytek, tnews } from "./clue.js";
import { CUSTOM_OPTIONS, type CustomColumns, customTask } from "./custom.js";
import type { TaskDefinition } from "./definition.js";
import { GLUE_TASKS } from "./glue.js";
import { imdb } from "./imdb.js";

const BUILT_IN: readonly TaskDefinition[] = [...GLUE_TASKS, imdb, agnews, tnews, iflytek];

/**
 * The definition of a task.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an unknown name (the message lists the valid ones), and for column options
 * on a task other than `custom`.
 */
export function findTask(name: string, options: CustomColumns = {}): TaskDefinition {
  if (name === "custom") return customTask(options);
  const task = BUILT_IN.find((each) => each.name === name);
  if (!task) {
    const names = [...BUILT_IN.map((each) => each.name), "custom"];
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `Unknown task ${JSON.stringify(name)}${didYouMean(String(name), names)}; known are ${names.join(", ")}`,
    );
  }
  const foreign = CUSTOM_OPTIONS.find((option) => options[option] !== undefined);
  if (foreign) {
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `${foreign} belongs to the task "custom"; the format of ${name} is fixed`,
    );
  }
  return task;
}

/** One task in the list of `r-at data`. */
export interface TaskSummary {
  readonly name: string;
  readonly kind: TaskKind;
  /** Number of classes; null for regression, and where they are found in the data. */
  readonly labels: number | null;
  readonly metrics: readonly MetricName[];
  /** What the task's folder holds, each plain or `.gz`; alternatives are separated by `|`. */
  readonly files: readonly string[];
  readonly description: string;
  /** What the split `paper` is; null if there is none. */
  readonly paperSplit: string | null;
}

/** Every task and what it expects. */
export function taskCatalogue(): TaskSummary[] {
  return [...BUILT_IN, customTask({})].map((task) => ({
    name: task.name,
    kind: task.kind,
    labels: task.labels?.length || null,
    metrics: task.metrics,
    files: [task.official.train, task.official.dev.files, task.official.test?.files ?? []]
      .filter((names) => names.length > 0)
      .map((names) => names.join("|")),
    description: task.description,
    paperSplit: task.paperNote,
  }));
}
