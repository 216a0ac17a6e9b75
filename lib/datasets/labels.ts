/** From what a file says to a label: class names and their spellings, or scores. */
import { isRATError } from "../errors.js";
import { didYouMean } from "../nearest.js";
import { type Label, targetOf } from "../targets/index.js";
import { dataError, leaveOut, nameSome, type Place, shorten } from "./data-error.js";
import type { TaskDefinition } from "./definition.js";
import type { ReadOptions } from "./text-file.js";

/** Interprets the label of one row. */
export type LabelParser = (raw: string, place: Place) => Label;

/**
 * The parser of a task's labels; without `labels` any text is a class name.
 *
 * The parser throws `ERR_RAT_LABEL`, with file and line, for a class that is none of the labels and for a score that is
 * not a finite number.
 */
export function labelParser(
  task: Pick<TaskDefinition, "name" | "kind" | "spellings" | "labelSeparator">,
  labels: readonly string[] | null,
): LabelParser {
  const target = targetOf(task.kind);
  const nameOf = classNames(task, labels);
  return (raw, place) => {
    const label = target.parse(raw, {
      separator: task.labelSeparator,
      nameOf: (name) => nameOf(name, place),
    });
    if (label !== undefined) return label;
    throw dataError(
      "ERR_RAT_LABEL",
      place,
      `expected ${target.syntax} but found ${JSON.stringify(shorten(raw))}`,
    );
  };
}

/** The label of a row; undefined for one that is left out because of it. */
export function parseLabel(
  parse: LabelParser,
  raw: string,
  place: Place,
  { onBadRow }: ReadOptions,
): Label | undefined {
  try {
    return parse(raw, place);
  } catch (error) {
    if (!isRATError(error, "ERR_RAT_LABEL")) throw error;
    leaveOut(error, onBadRow);
    return undefined;
  }
}

/** From a spelling to the name of a class. */
function classNames(
  { name: task, spellings = {} }: Pick<TaskDefinition, "name" | "spellings">,
  labels: readonly string[] | null,
): (raw: string, place: Place) => string {
  if (labels === null) return (raw) => raw;
  const bySpelling = new Map([
    ...labels.map((label) => [label, label] as const),
    ...Object.entries(spellings),
  ]);
  return (raw, place) => {
    const label = bySpelling.get(raw);
    if (label !== undefined) return label;
    const names = [...bySpelling.keys()];
    throw dataError(
      "ERR_RAT_LABEL",
      place,
      `${JSON.stringify(shorten(raw))} is not a label of ${task}${didYouMean(raw, names)}; known are ${nameSome(names)}`,
    );
  };
}

/** Class names in index order: numeric if all are whole numbers, else by code unit. */
export function orderLabels(found: Iterable<string>): string[] {
  const labels = [...found];
  return labels.every((label) => /^-?\d{1,15}$/.test(label))
    ? labels.sort((a, b) => Number(a) - Number(b))
    : labels.sort();
}
