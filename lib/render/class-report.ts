/** An evaluation's scores by class, as text for a terminal or as Markdown. */
import type { EvaluationResult } from "../inference/evaluate.js";
import type { ClassScores } from "../metrics/index.js";
import { formatMetrics } from "./metrics.js";
import { type Cell, renderTable, type TableOptions } from "./table.js";

/** Classes up to which a confusion matrix can be read as a table. */
const MOST_COLUMNS = 30;

type Format = NonNullable<TableOptions["format"]>;
type Report = Pick<EvaluationResult, "labels" | "report" | "confusionMatrix">;

/** Scores of each class, their means, and the confusion matrix; ends without a line break. */
export function renderClassReport(evaluation: Report, format: Format = "text"): string {
  const { labels, report, confusionMatrix } = evaluation;
  if (report === null) return "No report by class: the examples of this task have scores.";
  const line = (name: string, { precision, recall, f1, support }: ClassScores): Cell[] => [
    name,
    ...[precision, recall, f1].map((score) => score.toFixed(4)),
    support,
  ];
  const scores = renderTable(
    ["", "precision", "recall", "f1", "support"],
    [
      ...report.classes.map((scores) => line(scores.label, scores)),
      ["accuracy", "", "", report.accuracy?.toFixed(4) ?? "-", report.macro.support],
      ...(report.micro ? [line("micro average", report.micro)] : []),
      line("macro average", report.macro),
      line("weighted average", report.weighted),
    ],
    { format },
  );
  return [
    scores,
    renderConfusion(labels, confusionMatrix, format),
    renderNeverPredicted(report.neverPredicted),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function renderConfusion(
  labels: readonly string[],
  matrix: EvaluationResult["confusionMatrix"],
  format: Format,
): string {
  if (matrix === null) return "";
  if (labels.length > MOST_COLUMNS)
    return `The confusion matrix of ${labels.length} classes stands in report.json.`;
  const rows = matrix.map((row, index) => [labels[index] ?? String(index), ...row]);
  return renderTable(["reference \\ predicted", ...labels], rows, { format });
}

function renderNeverPredicted(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `Never predicted: ${labels.join(", ")}`;
}

/** What a run's `report.md` holds, of each split that was evaluated. */
export function renderRunReport(
  title: string,
  splits: readonly (Report & Pick<EvaluationResult, "loss" | "metrics"> & { readonly split: string })[],
): string {
  const sections = splits.map(({ split, loss, metrics, ...report }) => {
    const f1 = report.report
      ? `, macro F1 ${report.report.macro.f1.toFixed(4)}, weighted F1 ${report.report.weighted.f1.toFixed(4)}`
      : "";
    return `## ${split}\n\nloss ${loss.toFixed(4)}, ${formatMetrics(metrics)}${f1}\n\n${renderClassReport(report, "markdown")}`;
  });
  return `${[`# ${title}`, ...sections].join("\n\n")}\n`;
}
