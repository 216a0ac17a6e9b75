/** The order of a model's outputs beside that of a task's labels. */
import type { Dataset, Task } from "../datasets/types.js";
import { RATError } from "../errors.js";
import { areGenericLabels } from "../models/encoder-config.js";
import { type TaskKind, targetOf } from "../targets/index.js";

/**
 * The order of the model's outputs: that of the folder, whose head knows no other, where it names the same classes.
 *
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` when the folder's model is for other classes or another kind of task.
 */
export function labelsOfFolder(
  folder: { readonly kind: TaskKind; readonly labels: readonly string[] },
  task: Pick<Task<Dataset>, "name" | "kind" | "labels">,
  path: string,
): readonly string[] {
  const same =
    folder.labels.length === task.labels.length && task.labels.every((name) => folder.labels.includes(name));
  if (folder.kind === task.kind && (same || targetOf(task.kind).fewestLabels === 0)) return folder.labels;
  // Many models were saved without the names of their classes: then their number has to do.
  if (
    folder.kind === task.kind &&
    folder.labels.length === task.labels.length &&
    areGenericLabels(folder.labels)
  )
    return task.labels;
  const describe = ({ kind, labels }: Pick<Task, "kind" | "labels">) => targetOf(kind).describe(labels);
  throw new RATError(
    "ERR_RAT_MODEL_MISMATCH",
    `The model in ${path} is for ${describe(folder)}, the task ${task.name} has ${describe(task)}. Take a model for these, or train this one with a new head: \`resetHead\``,
    { details: { file: path } },
  );
}
