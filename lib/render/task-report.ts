/** A {@link TaskReport} as text for people. */
import type { SplitReport, TaskReport } from "../datasets/check.js";
import type { Quantiles } from "../datasets/text-statistics.js";
import { describeBadRows, describeConcerns } from "./data-notes.js";
import { formatCount as count } from "./numbers.js";

const BAR_WIDTH = 40;
/** Classes that are listed one by one; of more, the smallest and the largest are named. */
const LISTED_CLASSES = 20;

/**
 * The report as lines of text, with a histogram of the training texts' lengths; at most about 100 columns wide. Ends
 * without a line break.
 */
export function renderTaskReport(report: TaskReport): string {
  const classes = report.kind === "classification" ? `, ${report.classes} classes` : "";
  const sections = [
    [`${report.task}: ${report.kind}${classes}`],
    ...report.splits.map(renderSplit),
    renderHistogram(report),
    renderWarnings(report),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function renderSplit(split: SplitReport): string[] {
  return [
    `${split.split}: ${count(split.rows)} rows`,
    `  words       ${renderQuantiles(split.words)}`,
    `  characters  ${renderQuantiles(split.characters)}`,
    ...(split.scores
      ? [
          `  scores      min ${split.scores.min}, mean ${split.scores.mean.toFixed(3)}, max ${split.scores.max}`,
        ]
      : renderLabels(split)),
  ];
}

function renderQuantiles({ min, median, p90, max }: Quantiles): string {
  return `min ${count(min)}, median ${count(median)}, 90 % up to ${count(p90)}, max ${count(max)}`;
}

function renderLabels({ labels, rows }: SplitReport): string[] {
  if (labels.length > LISTED_CLASSES) {
    const counts = labels.map((each) => each.rows);
    return [`  labels      ${count(Math.min(...counts))} to ${count(Math.max(...counts))} rows a class`];
  }
  const width = Math.max(...labels.map(({ label }) => label.length));
  return [
    "  labels",
    ...labels.map((each) => {
      const share = `${((100 * each.rows) / rows).toFixed(1)} %`;
      return `    ${each.label.padEnd(width)}  ${count(each.rows).padStart(9)}  ${share.padStart(7)}`;
    }),
  ];
}

function renderHistogram({ histogram: { unit, bins } }: TaskReport): string[] {
  const most = Math.max(...bins.map(({ rows }) => rows), 1);
  const ranges = bins.map(({ from, to }) => `${count(from)} to ${count(to)}`);
  const width = Math.max(...ranges.map((range) => range.length));
  return [
    `training texts by length in ${unit}`,
    ...bins.map(({ rows }, bin) => {
      // A bin that is not empty shows at least a mark.
      const bar = "█".repeat(Math.round((BAR_WIDTH * rows) / most)) || (rows > 0 ? "▏" : "");
      return `  ${(ranges[bin] ?? "").padStart(width)}  ${count(rows).padStart(9)}  ${bar}`.trimEnd();
    }),
  ];
}

function renderWarnings(report: TaskReport): string[] {
  const lines: string[] = [];
  for (const { split, empty, duplicates, labels } of report.splits) {
    if (empty > 0) lines.push(`  ${split}: rows without any text: ${count(empty)}`);
    if (duplicates > 0)
      lines.push(`  ${split}: rows that repeat the text of an earlier row: ${count(duplicates)}`);
    const missing = labels.filter(({ rows }) => rows === 0).length;
    if (missing > 0 && split !== "train")
      lines.push(`  ${split}: classes without a row: ${count(missing)} of ${labels.length}`);
  }
  lines.push(...describeConcerns(report.concerns).map((line) => `  ${line}`));
  if (report.skippedRows > 0) {
    lines.push(`  rows left out, damaged or without a label: ${count(report.skippedRows)}`);
  }
  lines.push(...describeBadRows(report.badRows ?? []).map((line) => `  ${line}`));
  return lines.length > 0 ? ["worth a look", ...lines] : [];
}
