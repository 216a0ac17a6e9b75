/** The pictures of one run. */
import type { Calibration } from "../metrics/calibration.js";
import type { DiagnosticsEvent, EvalEvent, StepEvent } from "../run/events.js";
import { thinned } from "./bands.js";
import { type Chart, framed, heatMap, lineChart, type Point } from "./chart.js";
import type { SplitScores } from "./read-run.js";

/** Points of a line; a longer log is thinned. */
const MOST_POINTS = 400;
/** Of more classes the squares have no room. */
const MOST_CLASSES = 40;

function lineOf(steps: readonly StepEvent[], of: (step: StepEvent) => number, series: string): Point[] {
  const known = steps.map((step) => ({ x: step.step, y: of(step) })).filter(({ y }) => Number.isFinite(y));
  return thinned(known, MOST_POINTS).map((point) => ({ ...point, series }));
}

export function lossChart(steps: readonly StepEvent[]): Chart {
  const parts: readonly [string, (step: StepEvent) => number][] = [
    ["total", ({ loss }) => loss],
    ["clean", ({ cleanLoss }) => cleanLoss],
    ["adversarial", ({ adversarialLoss }) => adversarialLoss],
    ["consistency (KL)", ({ klLoss }) => klLoss],
  ];
  const lines = parts.map(([name, of]) => lineOf(steps, of, name));
  return lineChart({
    ...{ id: "losses", title: "Training losses", x: "step", y: "loss" },
    caption:
      "What is minimised, and its parts, of the logged steps; the consistency loss is without its weight.",
    // What the method does not have is zero throughout.
    points: lines.filter((line) => line.some(({ y }) => y !== 0)).flat(),
  });
}

export function metricChart(evaluations: readonly EvalEvent[]): Chart | null {
  const onDev = evaluations.filter(({ split }) => split === "dev");
  const points = onDev.flatMap(({ step, metrics }) =>
    Object.entries(metrics).flatMap(([series, y]): Point[] =>
      y === null ? [] : [{ x: step, y: 100 * y, series }],
    ),
  );
  if (points.length === 0) return null;
  return lineChart({
    ...{ id: "metrics", title: "On the dev set", x: "step", y: "percent", points },
    caption: "Each evaluation during training. The best one by the first metric is the model that is kept.",
  });
}

/** What a step did. */
const STEP_VALUES: readonly {
  readonly id: string;
  readonly title: string;
  readonly y: string;
  readonly caption: string;
  of(step: StepEvent): number;
}[] = [
  {
    ...{ id: "delta", title: "Size of the perturbation", y: "‖δ‖₂" },
    caption: "L2 norm of what was added to the embeddings; 0 where a step had none.",
    of: ({ deltaNorm }) => deltaNorm,
  },
  {
    ...{ id: "gradient", title: "Size of the gradient", y: "‖g‖₂" },
    caption: "Global L2 norm before clipping.",
    of: ({ gradNorm }) => gradNorm,
  },
  {
    ...{ id: "rate", title: "Learning rate", y: "rate" },
    caption: "As each step used it.",
    of: ({ learningRate }) => learningRate,
  },
];

/** Perturbation, gradient, learning rate; a value that is always the same is no picture, but a line of `constants`. */
export function stepCharts(steps: readonly StepEvent[]): {
  readonly charts: readonly Chart[];
  readonly constants: readonly string[];
} {
  const charts: Chart[] = [];
  const constants: string[] = [];
  for (const { of, ...about } of STEP_VALUES) {
    const points = lineOf(steps, of, about.title);
    const values = points.map(({ y }) => y);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (points.length === 0 || high === 0) continue;
    // A norm that is ε but for rounding would fill the picture with noise.
    if (high - low > 1e-4 * high) charts.push(lineChart({ ...about, x: "step", points }));
    else constants.push(`${about.title} (${about.y}): ${Number(high.toPrecision(4))} in every step`);
  }
  return { charts, constants };
}

/** Section 6 of the paper. */
export function diagnosticCharts(events: readonly DiagnosticsEvent[]): Chart[] {
  const charts: readonly [string, string, string, string, (event: DiagnosticsEvent) => number][] = [
    [
      "flatness",
      "Input gradient",
      "‖∇ₓL‖₂",
      "How steep the loss is at a dev sample (equation 15): lower is flatter.",
      ({ inputGradientNorm }) => inputGradientNorm,
    ],
    [
      "divergence",
      "Between sub-models",
      "Bi-KL",
      "How far two dropout masks of the same model are apart.",
      ({ submodelDivergence }) => submodelDivergence,
    ],
    [
      "gap",
      "Training and testing",
      "total variation",
      "Between the mean of the sub-models and the model without dropout (equations 16 to 21).",
      ({ averagingGap }) => averagingGap,
    ],
  ];
  return charts.flatMap(([id, title, y, caption, of]) => {
    const points = events.map((event): Point => ({ x: event.step, y: of(event), series: title }));
    return points.length === 0 ? [] : [lineChart({ id, title, caption, x: "step", y, points })];
  });
}

export function confusionChart(split: string, { report, confusionMatrix }: SplitScores): Chart | null {
  if (!confusionMatrix || confusionMatrix.length > MOST_CLASSES) return null;
  const names = report.classes.map(({ label }) => label);
  return heatMap({
    ...{
      id: `confusion-${split}`,
      title: `Confusion matrix, ${split}`,
      rowTitle: "true",
      columnTitle: "predicted",
    },
    caption: "How many texts of each class (rows) were given each label (columns).",
    ...{ rowNames: names, columnNames: names, values: confusionMatrix },
  });
}

/** A reliability diagram. */
export function calibrationChart(split: string, { bins, expectedError }: Calibration): Chart {
  const rows = bins.flatMap(({ from, to, count, confidence, accuracy }) =>
    confidence === null || accuracy === null ? [] : [{ from, to, count, confidence, accuracy }],
  );
  const title = `Calibration, ${split}`;
  return framed({
    ...{ id: `calibration-${split}`, title },
    caption: `How often predictions of each confidence are right; on the diagonal probabilities mean what they say. Expected calibration error: ${((expectedError ?? 0) * 100).toFixed(1)} points over ${bins.length} bins.`,
    spec: {
      data: { values: rows },
      layer: [
        {
          mark: { type: "bar", opacity: 0.75 },
          encoding: {
            x: {
              field: "from",
              type: "quantitative",
              title: "confidence",
              scale: { domain: [0, 1] },
              bin: "binned",
            },
            x2: { field: "to" },
            y: { field: "accuracy", type: "quantitative", title: "accuracy", scale: { domain: [0, 1] } },
          },
        },
        {
          data: {
            values: [
              { a: 0, b: 0 },
              { a: 1, b: 1 },
            ],
          },
          mark: { type: "line", strokeDash: [4, 4], color: "#888" },
          encoding: { x: { field: "a", type: "quantitative" }, y: { field: "b", type: "quantitative" } },
        },
      ],
    },
    header: ["from", "to", "predictions", "mean confidence", "accuracy"],
    rows: rows.map(({ from, to, count, confidence, accuracy }) => [from, to, count, confidence, accuracy]),
  });
}
