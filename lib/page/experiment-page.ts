/** The page of an experiment: its table, gains, curves over seeds, and heat maps or size curves where it is a figure. */

import { gainRows, scoreRows } from "../experiment/render.js";
import type { ExperimentTable } from "../experiment/table.js";
import { bandOf, type Line, thinned } from "./bands.js";
import { type Chart, heatMap, lineChart, type Point } from "./chart.js";
import type { Block, Page, Section } from "./html.js";
import type { RunRecord } from "./read-run.js";

/** One cell's run, as far as it has come. */
export interface CellCurve {
  readonly group: string;
  readonly row: string;
  readonly column: string;
  readonly seed: number;
  readonly run: RunRecord;
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
  const bands = groups.flatMap((group) => table.columns.flatMap((column) => curvesOf(group, column, curves)));
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
      : { id: "curves", title: "While training", blocks: [{ type: "charts", charts: bands }] },
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

/** What is drawn over the steps, of every run. */
const CURVES: readonly {
  readonly id: string;
  readonly title: string;
  readonly y: string;
  readonly caption: string;
  line(run: RunRecord): Line;
}[] = [
  {
    ...{ id: "dev", title: "dev", y: "percent", caption: "The metric that counts, at each evaluation" },
    line: ({ evaluations }) =>
      evaluations
        .filter(({ split }) => split === "dev")
        .map(({ step, metrics }) => ({ x: step, y: 100 * (Object.values(metrics)[0] ?? Number.NaN) })),
  },
  {
    ...{
      id: "loss",
      title: "clean loss",
      y: "loss",
      caption: "Cross-entropy of the clean pass, in training",
    },
    line: ({ steps }) =>
      thinned(
        steps.map(({ step, cleanLoss }) => ({ x: step, y: cleanLoss })),
        MOST_POINTS,
      ),
  },
  {
    ...{
      id: "kl",
      title: "consistency",
      y: "KL",
      caption: "The consistency loss, without its weight, in training",
    },
    line: ({ steps }) =>
      thinned(
        steps.map(({ step, klLoss }) => ({ x: step, y: klLoss })),
        MOST_POINTS,
      ),
  },
];

const MOST_POINTS = 60;

/** The curves of a model on one column, by method, with bands over the seeds; those that are zero throughout are left out. */
function curvesOf(group: string, column: string, curves: readonly CellCurve[]): Chart[] {
  const own = curves.filter((curve) => curve.group === group && curve.column === column);
  const rows = [...new Set(own.map(({ row }) => row))];
  return CURVES.flatMap(({ id, title, caption, line, y }) => {
    const points = rows
      .map((row) =>
        bandOf(
          row,
          own.filter((curve) => curve.row === row).map(({ run }) => line(run)),
        ),
      )
      .filter((band) => band.some((point) => point.y !== 0))
      .flat();
    // One evaluation is a point, and stands in the table.
    if (new Set(points.map(({ x }) => x)).size < 2) return [];
    return [
      lineChart({
        ...{ id: `${id}-${slug(group)}-${slug(column)}`, title: `${group}, ${column}: ${title}` },
        ...{
          x: "step",
          y,
          points,
          caption: `${caption}: mean over the seeds, bands ± one standard deviation.`,
        },
      }),
    ];
  });
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
