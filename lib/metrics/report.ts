/** Scores class by class, and how to print them. */
import { invalidArgument } from "../errors.js";
import { accuracy } from "./accuracy.js";
import { classCounts, confusionMatrix, sum } from "./confusion.js";
import { type ClassScores, classScores, presentClasses } from "./f1.js";

/** What a report is made from. */
export interface ReportInput {
  /** Class names in index order. */
  readonly labels: readonly string[];
  /** Class indices, `[N]`. */
  readonly predictions: ArrayLike<number>;
  /** Class indices, `[N]`. */
  readonly references: ArrayLike<number>;
}

/** Scores of one class. */
export interface LabelledScores extends ClassScores {
  readonly label: string;
}

/** Scores of every class and their means; fractions from 0 to 1. */
export interface ClassificationReport {
  /** In index order; a class that occurs nowhere has zeros. */
  readonly classes: readonly LabelledScores[];
  /** Null without rows. */
  readonly accuracy: number | null;
  /** Plain means over the classes that occur in references or predictions. */
  readonly macro: ClassScores;
  /** Means weighted by support. */
  readonly weighted: ClassScores;
}

/**
 * Precision, recall, F1 and support of every class, as `sklearn.metrics.classification_report`.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for lists of different lengths or an index that is no class.
 */
export function classificationReport({ labels, predictions, references }: ReportInput): ClassificationReport {
  if (!Array.isArray(labels) || labels.length === 0) {
    invalidArgument("labels", "a list of class names", labels);
  }
  const matrix = confusionMatrix({ labels: labels.length, predictions, references });
  const scores = classCounts(matrix).map(classScores);
  const present = presentClasses(matrix).map(classScores);
  return {
    classes: scores.map((score, index) => ({ label: labels[index] ?? "", ...score })),
    accuracy: accuracy(matrix),
    macro: average(present, () => 1),
    weighted: average(present, ({ support }) => support),
  };
}

function average(scores: readonly ClassScores[], weight: (score: ClassScores) => number): ClassScores {
  const total = sum(scores.map(weight));
  const mean = (of: (score: ClassScores) => number) =>
    total === 0 ? 0 : scores.reduce((all, score) => all + of(score) * weight(score), 0) / total;
  return {
    precision: mean(({ precision }) => precision),
    recall: mean(({ recall }) => recall),
    f1: mean(({ f1 }) => f1),
    support: sum(scores.map(({ support }) => support)),
  };
}

/** The report as a table for people, one class a line; ends with a line feed. */
export function renderClassificationReport(report: ClassificationReport): string {
  const line = (name: string, { precision, recall, f1, support }: ClassScores) => [
    name,
    ...[precision, recall, f1].map((score) => score.toFixed(4)),
    String(support),
  ];
  const accuracyLine = ["accuracy", "", "", report.accuracy?.toFixed(4) ?? "-", String(report.macro.support)];
  return renderTable([
    ["", "precision", "recall", "f1", "support"],
    ...report.classes.map((scores) => line(scores.label, scores)),
    [],
    accuracyLine,
    line("macro average", report.macro),
    line("weighted average", report.weighted),
  ]);
}

/** A confusion matrix as a table for people: a line for each reference, a column for each prediction. */
export function renderConfusionMatrix(
  matrix: readonly (readonly number[])[],
  labels: readonly string[],
): string {
  return renderTable([
    ["reference \\ predicted", ...labels],
    ...matrix.map((row, index) => [labels[index] ?? String(index), ...row.map(String)]),
  ]);
}

/** Columns two spaces apart, the first one left-aligned. An empty row is an empty line. */
function renderTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column] ?? ""))),
  );
  const pad = (cell: string, column: number) => {
    const space = " ".repeat((widths[column] ?? 0) - displayWidth(cell));
    return column === 0 ? cell + space : space + cell;
  };
  return rows.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
}

/** Columns that a terminal gives a text: Chinese, Japanese and Korean characters take two. */
function displayWidth(text: string): number {
  const wide =
    /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
  return Array.from(text).reduce((width, character) => width + (wide.test(character) ? 2 : 1), 0);
}
