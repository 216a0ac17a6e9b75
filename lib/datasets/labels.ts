/** From what a file says to a label: class names and their spellings, or scores. */
import { dataError, nameSome, type Place, shorten } from "./data-error.js";
import type { TaskDefinition } from "./definition.js";

/** Interprets the label of one row. */
export type LabelParser = (raw: string, place: Place) => string | number;

/**
 * The parser of a task's labels; without `labels` any text is a class name.
 *
 * The parser throws `ERR_RAT_LABEL`, with file and line, for a class that is none of the labels and for a score that is
 * not a finite number.
 */
export function labelParser(
  task: Pick<TaskDefinition, "name" | "kind" | "spellings">,
  labels: readonly string[] | null,
): LabelParser {
  if (task.kind === "regression") return parseScore;
  if (labels === null) return (raw) => raw;
  const byText = new Map(labels.map((label) => [label, label]));
  for (const [spelling, label] of Object.entries(task.spellings ?? {})) byText.set(spelling, label);
  return (raw, place) => {
    const label = byText.get(raw);
    if (label !== undefined) return label;
    const known = nameSome([...byText.keys()]);
    throw dataError(
      "ERR_RAT_LABEL",
      place,
      `${JSON.stringify(shorten(raw))} is not a label of ${task.name}; known are ${known}`,
    );
  };
}

function parseScore(raw: string, place: Place): number {
  const score = raw.trim() === "" ? Number.NaN : Number(raw);
  if (Number.isFinite(score)) return score;
  throw dataError(
    "ERR_RAT_LABEL",
    place,
    `expected a finite number as score but found ${JSON.stringify(shorten(raw))}`,
  );
}

/** Class names in index order: numeric if all are whole numbers, else by code unit. */
export function orderLabels(found: Iterable<string>): string[] {
  const labels = [...found];
  return labels.every((label) => /^-?\d{1,15}$/.test(label))
    ? labels.sort((a, b) => Number(a) - Number(b))
    : labels.sort();
}
