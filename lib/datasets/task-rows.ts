/** The rows of one file of a task, labels still as the file spells them. */
import { stat } from "node:fs/promises";
import { invalidArgument } from "../errors.js";
import { targetOf } from "../targets/index.js";
import type { TaskDefinition } from "./definition.js";
import { type LabelMode, type RawExample, readRows, syntaxOf } from "./layout.js";
import type { ReadOptions } from "./text-file.js";

/**
 * The rows of a file, or of a folder where the task comes as one. The suffix decides on the syntax, then the task.
 *
 * @throws RATError as `readRows`, and `ERR_RAT_INVALID_ARG` for a path that is none, or whose syntax cannot be told.
 */
export async function* readTaskRows(
  task: TaskDefinition,
  path: string,
  labels: LabelMode,
  options: ReadOptions & { readonly onSkip?: () => void },
): AsyncGenerator<RawExample> {
  if (typeof path !== "string" || path === "") invalidArgument("a data file", "a path", path);
  const { readFolder, layouts, unlabelled, skipsShortRows, delimiter } = task;
  const syntax = syntaxOf(path, task.syntax);
  if (readFolder && (await isFolder(path))) yield* readFolder(path, options);
  else {
    const haveSets = targetOf(task.kind).label === "set";
    yield* readRows(path, {
      ...options,
      ...{ layouts, labels, syntax, unlabelled, skipsShortRows, delimiter, haveSets },
    });
  }
}

/** The text or pair of a row. */
export function textOf({ text, pair }: RawExample): { text: string; pair?: string } {
  return pair === undefined ? { text } : { text, pair };
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}
