/** Rows of one file in a task's format, with or without labels: what `predict` and `evaluate` read. */
import type { Label } from "../targets/index.js";
import type { CustomColumns } from "./custom.js";
import { formatError } from "./data-error.js";
import { labelParser, parseLabel } from "./labels.js";
import type { LabelMode } from "./layout.js";
import { findTask } from "./registry.js";
import { readTaskRows, textOf } from "./task-rows.js";
import type { ReadOptions } from "./text-file.js";

/** What {@link readExamples} takes. The column options (`textColumn` to `kind`) belong to the task `custom`. */
export interface ReadExamplesOptions extends CustomColumns, ReadOptions {
  /** The task whose format the file has. */
  readonly task: string;
  /**
   * `required`: a row without a label is an error. `optional`: labels are read where the file has them. `ignored`: they
   * are not looked at. Default: `optional`.
   */
  readonly labelMode?: LabelMode | undefined;
}

/** A text or pair, with its label if the file has it. */
export interface MaybeLabelledExample {
  readonly text: string;
  readonly pair?: string;
  /** As {@link Example}'s. */
  readonly label?: Label;
  /** Of `idColumn`, where the file has it. */
  readonly id?: string;
}

/**
 * Reads a file in the format of a task, by its suffix or the task's own syntax, plain or gzip.
 *
 * @throws RATError as `loadTask`; `ERR_RAT_LABEL` for a row without a label where they are required.
 */
export async function readExamples(
  path: string,
  options: ReadExamplesOptions,
): Promise<MaybeLabelledExample[]> {
  const task = findTask(options.task, options);
  const parse = labelParser(task, task.labels);
  const examples: MaybeLabelledExample[] = [];
  for await (const row of readTaskRows(task, path, options.labelMode ?? "optional", options)) {
    const isRead = options.labelMode !== "ignored" && row.label !== undefined;
    const label = isRead ? parseLabel(parse, row.label, row, options) : undefined;
    if (isRead && label === undefined) continue;
    examples.push({
      ...textOf(row),
      ...(label !== undefined && { label }),
      ...(options.idColumn !== undefined && row.id !== undefined && { id: row.id }),
    });
  }
  if (examples.length === 0) throw formatError({ file: path, line: 1 }, "there are no rows in it");
  return examples;
}
