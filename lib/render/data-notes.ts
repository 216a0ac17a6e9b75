/** What is said of a task's data before anything is done with them: counts, and what looks wrong. */

import type { BadRow } from "../datasets/bad-row.js";
import type { ClassCount, Concerns } from "../datasets/concerns.js";
import type { LoadedTask } from "../datasets/types.js";
import { formatCount as count } from "./numbers.js";

/** Classes that are listed one by one. */
const LISTED_CLASSES = 20;
const LISTED_ROWS = 10;

/** `custom: 1,200 train, 133 dev, 148 test rows; 6 labels`, and the rows of each class. */
export function describeTask(task: LoadedTask, counts: readonly ClassCount[]): string[] {
  const { name, kind, labels, train, dev, test, skippedRows = 0 } = task;
  const rows = `${count(train.length)} train, ${count(dev?.length ?? 0)} dev, ${count(test?.length ?? 0)} test rows`;
  const classes = labels.length === 0 ? kind : `${labels.length} labels`;
  const skipped = skippedRows > 0 ? `; ${count(skippedRows)} damaged or unlabelled rows left out` : "";
  return [
    `${name}: ${rows}; ${classes}${skipped}`,
    ...(counts.length === 0 || counts.length > LISTED_CLASSES
      ? []
      : [`training rows: ${counts.map((each) => `${each.label} ${count(each.rows)}`).join(", ")}`]),
  ];
}

/** A line for each thing that is worth a look. */
export function describeConcerns(concerns: Concerns): string[] {
  const { imbalance, emptyClasses, similarLabels, listedLabels, conflicting, overlaps } = concerns;
  const lines: string[] = [];
  if (imbalance) {
    const { largest, smallest } = imbalance;
    const times = Math.floor(largest.rows / smallest.rows);
    lines.push(
      `classes are uneven: ${show(largest.label)} has ${times} times the rows of ${show(smallest.label)} (${count(largest.rows)} and ${count(smallest.rows)}); --class-weights balanced makes them count alike`,
    );
  }
  if (emptyClasses.length > 0) lines.push(`classes without a training row: ${some(emptyClasses)}`);
  for (const group of similarLabels)
    lines.push(`${group.map(show).join(" and ")} are different classes: are they meant to be one?`);
  if (listedLabels) {
    const { separator, example } = listedLabels;
    const flag = separator === "JSON" ? "" : ` --label-separator '${separator}'`;
    lines.push(`${show(example)} looks like a list of labels: --kind multilabel${flag} takes it as one`);
  }
  if (conflicting > 0)
    lines.push(`${count(conflicting)} training rows have the text of an earlier one and another label`);
  for (const overlap of overlaps)
    lines.push(
      `${count(overlap.rows)} ${overlap.split} rows have a text that also stands in ${overlap.with}`,
    );
  return lines;
}

/** How many rows were left out, and the first of them with the reason. */
export function describeBadRows(rows: readonly BadRow[]): string[] {
  if (rows.length === 0) return [];
  const more = rows.length > LISTED_ROWS ? [`  and ${count(rows.length - LISTED_ROWS)} more`] : [];
  return [
    `rows left out because they cannot be read: ${count(rows.length)}`,
    ...rows.slice(0, LISTED_ROWS).map(({ file, line, problem }) => `  ${file}:${line}: ${problem}`),
    ...more,
  ];
}

const show = (label: string) => JSON.stringify(label);

function some(names: readonly string[]): string {
  const more = names.length > LISTED_ROWS ? `, and ${names.length - LISTED_ROWS} more` : "";
  return `${names.slice(0, LISTED_ROWS).map(show).join(", ")}${more}`;
}
