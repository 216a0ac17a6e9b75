/** The page of an experiment: its table, gains, curves over seeds, and heat maps or size curves where it is a figure. */

import { gainRows, scoreRows } from "../experiment/render.js";
import type { ExperimentTable } from "../experiment/table.js";
import type { EvalEvent } from "../run/events.js";
import { type Chart, heatMap, lineChart, type Point } from "./chart.js";
import type { Block, Page, Section } from "./html.js";

/** Dev evaluations of one cell, as its log has them. */
export interface CellCurve {
  readonly group: string;
  readonly row: string;
  readonly column: string;
  readonly seed: number;
  readonly evaluations: readonly EvalEvent[];
}

export interface ExperimentPage {
  readonly page: Page;
  readonly charts: readonly Chart[];
}

export function experimentPage(
  table: ExperimentTable,
  curves: readonly CellCurve[],
  command: string,
): ExperimentPage {
  const groups = [...new Set(table.entries.map(({ group }) => group))];
  const pictures = groups.flatMap((group) => pictureOf(table, group) ?? []);
  const bands = groups.flatMap((group) =>
    table.columns.flatMap((column) => bandsOf(group, column, curves) ?? []),
  );
  const { header, rows } = scoreRows(table);
  const gains = gainRows(table);
  const results: Block[] = [
    { type: "list", items: table.notes },
    { type: "table", caption: "Percent: mean ± standard deviation over seeds", header, rows },
    ...(gains.rows.length === 0
      ? []
      : [{ type: "table", caption: "Gains, seed by seed, in points", ...gains } as const]),
  ];
  const sections: (Section | null)[] = [
    { id: "table", title: "Table", blocks: results },
    pictures.length === 0
      ? null
      : { id: "pictures", title: "Figure", blocks: [{ type: "charts", charts: pictures }] },
    bands.length === 0
      ? null
      : { id: "curves", title: "On the dev set while training", blocks: [{ type: "charts", charts: bands }] },
    { id: "reproduce", title: "How to make it again", blocks: [{ type: "code", text: command }] },
  ];
  const runs = table.entries.reduce((sum, { seeds }) => sum + seeds.length, 0);
  return {
    page: {
      title: table.title,
      subtitle: `${runs} runs, ${groups.join(", ")}`,
      sections: sections.filter((section) => section !== null),
    },
    charts: [...pictures, ...bands],
  };
}

/** Where columns are numbers: a heat map if the rows are too, else curves. */
function pictureOf(table: ExperimentTable, group: string): Chart | null {
  const own = table.entries.filter((entry) => entry.group === group && entry.spread !== null);
  const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text));
  if (own.length === 0 || !table.columns.every(isNumber)) return null;
  const rowNames = [...new Set(own.map(({ row }) => row))];
  const about = { id: `${table.name}-${slug(group)}`, title: `${table.title}: ${group}` };
  if (rowNames.every(isNumber)) {
    const values = rowNames.map((row) =>
      table.columns.map((column) => {
        const mean = own.find((entry) => entry.row === row && entry.column === column)?.spread?.mean;
        return mean === undefined ? null : 100 * mean;
      }),
    );
    return heatMap({
      ...{
        ...about,
        rowTitle: "first forward",
        columnTitle: "second forward",
        rowNames,
        values,
        decimals: 1,
      },
      ...{ columnNames: table.columns, caption: "Percent, mean over the seeds." },
    });
  }
  const points = own.map(({ row, column, spread }): Point => {
    const { mean = 0, deviation = null } = spread ?? {};
    const half = deviation ?? 0;
    return {
      x: Number(column),
      y: 100 * mean,
      series: row,
      low: 100 * (mean - half),
      high: 100 * (mean + half),
    };
  });
  return lineChart({
    ...about,
    caption: "Percent; bands are ± one standard deviation over the seeds.",
    x: "training rows",
    y: "percent",
    points,
    isOrdinal: true,
  });
}

/** Mean ± standard deviation over seeds at each evaluation that all of them have. */
function bandsOf(group: string, column: string, curves: readonly CellCurve[]): Chart | null {
  const own = curves.filter((curve) => curve.group === group && curve.column === column);
  const rows = [...new Set(own.map(({ row }) => row))];
  const points = rows.flatMap((row) => {
    const lines = own
      .filter((curve) => curve.row === row)
      .map(({ evaluations }) => evaluations.filter(({ split }) => split === "dev"));
    const length = Math.min(...lines.map((line) => line.length));
    return Array.from({ length: Number.isFinite(length) ? length : 0 }, (_, i): Point | null => {
      const values = lines
        .map((line) => Object.values(line[i]?.metrics ?? {})[0])
        .filter((value) => typeof value === "number");
      if (values.length === 0) return null;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation =
        values.length < 2
          ? 0
          : Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
      return {
        x: lines[0]?.[i]?.step ?? 0,
        y: 100 * mean,
        series: row,
        low: 100 * (mean - deviation),
        high: 100 * (mean + deviation),
      };
    }).filter((point) => point !== null);
  });
  if (points.length === 0) return null;
  return lineChart({
    ...{
      id: `dev-${slug(group)}-${slug(column)}`,
      title: `${group}, ${column}`,
      x: "step",
      y: "percent",
      points,
    },
    caption:
      "The metric that counts, at each evaluation: mean over the seeds, bands ± one standard deviation.",
  });
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
