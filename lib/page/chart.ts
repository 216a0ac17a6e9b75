/** A picture of a page: what it shows in words, as a Vega-Lite specification, and as a table for those who do not see it. */
import type { TopLevelSpec } from "vega-lite";
import type { Cell } from "../render/table.js";

export interface Chart {
  /** Of its files and its anchor: lower case, digits, hyphens. */
  readonly id: string;
  readonly title: string;
  /** What is to be seen, in a sentence or two. */
  readonly caption: string;
  readonly spec: TopLevelSpec;
  readonly header: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** What all specifications have in common. Widths fit a phone held upright; a page gives wide screens two columns. */
const FRAME = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: 420,
  height: 240,
} as const;

const LEGEND = { orient: "bottom", columns: 3, symbolType: "stroke", symbolOpacity: 1 } as const;
const SERIES = { type: "nominal", title: null, legend: LEGEND } as const;
/** Longer names below a column are turned. */
const SHORT_NAME = 4;

/** A point of a line. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly series: string;
  /** Of a band around it. */
  readonly low?: number;
  readonly high?: number;
}

interface LinesOptions extends Omit<Chart, "spec" | "header" | "rows"> {
  readonly x: string;
  readonly y: string;
  readonly points: readonly Point[];
  /** Whether x is a category in the order of the points. */
  readonly isOrdinal?: boolean;
}

/** Rows of a table that says the same; of long lines every so many. */
const TABLE_ROWS = 60;

/** Lines by series, with bands where the points have them. */
export function lineChart({ points, x, y, isOrdinal = false, ...chart }: LinesOptions): Chart {
  const series = [...new Set(points.map((point) => point.series))];
  const horizontal = isOrdinal
    ? ({ field: "x", type: "ordinal", title: x, axis: { labelAngle: 0 } } as const)
    : ({ field: "x", type: "quantitative", title: x, scale: { zero: false, nice: false } } as const);
  const scale = { zero: false } as const;
  const color = series.length > 1 ? { color: { field: "series", sort: series, ...SERIES } } : {};
  const hasBands = points.some(({ low }) => low !== undefined);
  const step = Math.max(1, Math.ceil(points.length / TABLE_ROWS));
  return {
    ...chart,
    spec: {
      ...FRAME,
      data: { values: points.map((point) => ({ ...point })) },
      encoding: { x: horizontal, ...color },
      layer: [
        ...(hasBands
          ? [
              {
                mark: { type: "area", opacity: 0.18 } as const,
                encoding: {
                  y: { field: "low", type: "quantitative", title: y, scale } as const,
                  y2: { field: "high" },
                },
              },
            ]
          : []),
        {
          mark: { type: "line", strokeWidth: 1.8, point: points.length <= 40 } as const,
          encoding: { y: { field: "y", type: "quantitative", title: y, scale } as const },
        },
      ],
    },
    header: [x, "series", y, ...(hasBands ? ["from", "to"] : [])],
    rows: points
      .filter((_, i) => i % step === 0)
      .map(({ x: at, y: value, series: name, low, high }) => [
        at,
        name,
        value,
        ...(hasBands ? [low ?? null, high ?? null] : []),
      ]),
  };
}

interface HeatOptions extends Omit<Chart, "spec" | "header" | "rows"> {
  readonly rowTitle: string;
  readonly columnTitle: string;
  readonly rowNames: readonly string[];
  readonly columnNames: readonly string[];
  /** Null: nothing is known. */
  readonly values: readonly (readonly (number | null)[])[];
  readonly decimals?: number;
}

/** A square for each row and column, with its number where there is room. */
export function heatMap({
  rowTitle,
  columnTitle,
  rowNames,
  columnNames,
  values,
  decimals = 0,
  ...chart
}: HeatOptions): Chart {
  const cells = rowNames.flatMap((row, r) =>
    columnNames.flatMap((column, c) => {
      const value = values[r]?.[c];
      return value === null || value === undefined ? [] : [{ row, column, value }];
    }),
  );
  const numbers = cells.map(({ value }) => value);
  const middle = (Math.min(...numbers) + Math.max(...numbers)) / 2;
  const size = Math.max(14, Math.min(56, 420 / Math.max(1, columnNames.length)));
  const isRoomy = columnNames.length <= 12;
  const position = {
    x: {
      field: "column",
      type: "nominal",
      sort: [...columnNames],
      title: columnTitle,
      axis: {
        orient: "bottom",
        labelAngle: columnNames.every((name) => name.length <= SHORT_NAME) ? 0 : -40,
      },
    },
    y: { field: "row", type: "nominal", sort: [...rowNames], title: rowTitle },
  } as const;
  return {
    ...chart,
    spec: {
      ...FRAME,
      width: size * columnNames.length,
      height: Math.min(size, 40) * rowNames.length,
      data: { values: cells },
      encoding: position,
      layer: [
        {
          mark: "rect",
          encoding: {
            color: {
              field: "value",
              type: "quantitative",
              title: null,
              scale: { scheme: "blues", zero: false },
              legend: isRoomy ? null : {},
            },
          },
        },
        ...(isRoomy
          ? [
              {
                mark: { type: "text", fontSize: 11 } as const,
                encoding: {
                  text: { field: "value", type: "quantitative", format: `.${decimals}f` } as const,
                  color: { condition: { test: `datum.value > ${middle}`, value: "white" }, value: "#222" },
                },
              },
            ]
          : []),
      ],
    } as TopLevelSpec,
    header: [rowTitle, ...columnNames],
    rows: rowNames.map((row, r) => [row, ...columnNames.map((_, c) => values[r]?.[c] ?? null)]),
  };
}

/** Any other, in the common frame. */
export function framed({ spec, ...chart }: Chart): Chart {
  return { ...chart, spec: { ...FRAME, ...spec } as TopLevelSpec };
}
