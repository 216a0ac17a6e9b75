/** Checks the task that a caller hands over. */
import type { Dataset, Task } from "../datasets/types.js";
import { invalidArgument } from "../errors.js";
import { targetOf } from "../targets/index.js";

/**
 * Returns `task` if it can be trained on.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` naming the field that is wrong.
 */
export function checkTask(task: Task<Dataset>): Task<Dataset> {
  if (typeof task !== "object" || task === null)
    invalidArgument("task", "a task, as loadTask gives it", task);
  if (typeof task.name !== "string") invalidArgument("task.name", "a string", task.name);
  const target = targetOf(task.kind, "task.kind");
  const { labels, metrics, kind } = task;
  if (!Array.isArray(labels) || labels.some((label) => typeof label !== "string")) {
    invalidArgument("task.labels", "an array of class names", labels);
  }
  const { fewestLabels } = target;
  if (labels.length < fewestLabels) {
    const fewest = `at least ${fewestLabels === 2 ? "two class names" : "one name"}`;
    invalidArgument("task.labels", fewest, labels.length);
  }
  if (new Set(labels).size !== labels.length)
    invalidArgument("task.labels", "different class names", labels.join());
  if (!Array.isArray(metrics)) invalidArgument("task.metrics", "an array of metric names", metrics);
  const { f1Average } = task;
  if (f1Average !== undefined && f1Average !== "binary" && f1Average !== "macro")
    invalidArgument("task.f1Average", "binary or macro", f1Average);
  if (f1Average === "binary" && labels.length !== 2)
    invalidArgument("task.f1Average", "macro: binary is for two classes", f1Average);
  const stranger = metrics.find((name) => !target.metrics.includes(name));
  if (stranger !== undefined) {
    invalidArgument("task.metrics", `names out of ${target.metrics.join(", ")} (${kind})`, stranger);
  }
  return task;
}
