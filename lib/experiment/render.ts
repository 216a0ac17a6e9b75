/** A table of an experiment as Markdown, CSV, LaTeX or JSON. Scores are shown in percent. */
import { csvField } from "../render/csv-field.js";
import { type Cell, renderTable } from "../render/table.js";
import type { Entry, ExperimentTable } from "./table.js";

type Format = "markdown" | "csv" | "latex" | "json";

export function renderExperiment(table: ExperimentTable, format: Format): string {
  switch (format) {
    case "markdown":
      return markdown(table);
    case "csv":
      return csv(table);
    case "latex":
      return latex(table);
    case "json":
      return `${JSON.stringify(table, null, 2)}\n`;
  }
}

const percent = (fraction: number, decimals = 2) => (100 * fraction).toFixed(decimals);

/** `88.31 ± 0.42`; `†` after it where a run collapsed, in brackets the runs where some are missing. */
function score({ spread, seeds, paper }: Entry): string {
  const published = paper === null ? "" : `, paper ${percent(paper, 1)}`;
  if (spread === null) return seeds.some(({ state }) => state === "failed") ? "failed" : "";
  const deviation = spread.deviation === null ? "" : ` ± ${percent(spread.deviation)}`;
  const mark = seeds.some(({ state }) => state === "collapsed") ? " †" : "";
  const some = spread.n < seeds.length ? ` (${spread.n} of ${seeds.length})` : "";
  const difference = paper === null ? "" : ` (${signed(spread.mean - paper)})`;
  return `${percent(spread.mean)}${deviation}${mark}${some}${published}${difference}`;
}

function signed(fraction: number): string {
  return `${fraction < 0 ? "" : "+"}${percent(fraction)}`;
}

function p(value: number | null): string {
  return value === null ? "-" : value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** Rows of the scores: group, row, passes, and the columns. */
export function scoreRows(table: ExperimentTable): { readonly header: string[]; readonly rows: string[][] } {
  const rows = new Map<string, string[]>();
  for (const entry of table.entries) {
    const key = JSON.stringify([entry.group, entry.row]);
    const row = rows.get(key) ?? [entry.group, entry.row, "", ...table.columns.map(() => "")];
    if (entry.passes !== null) row[2] = String(entry.passes);
    row[3 + table.columns.indexOf(entry.column)] = score(entry);
    rows.set(key, row);
  }
  return { header: ["model", "method", "passes", ...table.columns], rows: [...rows.values()] };
}

/** Rows of the gains over the baselines. */
export function gainRows({ entries }: ExperimentTable): {
  readonly header: string[];
  readonly rows: Cell[][];
} {
  const header = ["model", "column", "method", "against", "pairs", "mean gain", "95 % interval"];
  const rows = entries.flatMap((entry) =>
    entry.gains.map((gain): Cell[] => [
      ...[entry.group, entry.column, entry.row, gain.baseline, gain.n, signed(gain.mean)],
      gain.interval ? `${signed(gain.interval[0])} to ${signed(gain.interval[1])}` : "-",
      ...[p(gain.tTest), p(gain.tTestHolm), p(gain.wilcoxon), p(gain.wilcoxonHolm)],
    ]),
  );
  return { header: [...header, "t-test", "Holm", "Wilcoxon", "Holm"], rows };
}

function markdown(table: ExperimentTable): string {
  const { header, rows } = scoreRows(table);
  const metrics = [
    ...new Set(table.entries.flatMap(({ metric, split }) => (metric ? [`${metric} on ${split}`] : []))),
  ];
  const gains = gainRows(table);
  const variances = table.entries.flatMap((entry): Cell[][] =>
    entry.varianceTest === null ? [] : [[entry.group, entry.column, p(entry.varianceTest)]],
  );
  const sections = [
    `# ${table.title}`,
    table.notes.map((note) => `- ${note}`).join("\n"),
    `Percent (${metrics.join(", ") || "nothing has run yet"}): mean ± standard deviation over seeds. Passes: forwards with a backward in a step.`,
    renderTable(header, rows, { format: "markdown" }),
    ...(gains.rows.length === 0
      ? []
      : [
          "## Gains, seed by seed",
          "Points; the interval is a bootstrap's over the seeds, p is two-sided; Holm corrects for all rows of this table.",
          renderTable(gains.header, gains.rows, { format: "markdown" }),
        ]),
    ...(variances.length === 0
      ? []
      : [
          "## Does the consistency loss change how much seeds differ?",
          "R-AT with and without it: p of the Brown-Forsythe test.",
          renderTable(["model", "column", "p"], variances, { format: "markdown" }),
        ]),
  ];
  return `${sections.join("\n\n")}\n`;
}

/** One line a run: what a spreadsheet or a statistics package wants. */
function csv({ entries }: ExperimentTable): string {
  const lines = entries.flatMap((entry) =>
    entry.seeds.map(({ seed, hash, score: value, state }) =>
      [
        entry.group,
        entry.row,
        entry.column,
        seed,
        entry.split ?? "",
        entry.metric ?? "",
        value ?? "",
        state,
        hash,
      ]
        .map((value) => csvField(String(value)))
        .join(","),
    ),
  );
  return `${["model,method,column,seed,split,metric,score,state,cell", ...lines].join("\n")}\n`;
}

function latex(table: ExperimentTable): string {
  const { header, rows } = scoreRows(table);
  const line = (cells: readonly string[]) => `${cells.map(escaped).join(" & ")} \\\\`;
  const body = rows.map((row, i) => {
    const isNewGroup = i > 0 && row[0] !== rows[i - 1]?.[0];
    return `${isNewGroup ? "\\midrule\n" : ""}${line(row)}`;
  });
  return [
    ...table.notes.map((note) => `% ${note}`),
    `\\begin{tabular}{ll${"r".repeat(header.length - 2)}}`,
    ...["\\toprule", line(header), "\\midrule", ...body, "\\bottomrule", "\\end{tabular}", ""],
  ].join("\n");
}

function escaped(text: string): string {
  return text
    .replace(/[&%$#_{}]/g, "\\$&")
    .replaceAll("±", "$\\pm$")
    .replaceAll("†", "$\\dagger$")
    .replaceAll("ε", "$\\epsilon$");
}
