/** The page of one run. */
import { basename } from "node:path";
import { formatMetrics } from "../render/metrics.js";
import { formatCount } from "../render/numbers.js";
import { formatSeconds } from "../report/words.js";
import type { Chart } from "./chart.js";
import type { Block, Page, Section } from "./html.js";
import type { PredictionsRecord } from "./predictions.js";
import type { RunRecord } from "./read-run.js";
import {
  calibrationChart,
  confusionChart,
  diagnosticCharts,
  lossChart,
  metricChart,
  stepCharts,
} from "./run-charts.js";

export interface RunPage {
  readonly page: Page;
  readonly charts: readonly Chart[];
}

/** @param predictions - Or why there are none. */
export function runPage(run: RunRecord, predictions: PredictionsRecord | string): RunPage {
  const { summary, config, steps, evaluations, diagnostics, scores } = run;
  const ofSteps = stepCharts(steps);
  const curves = [
    ...(steps.length > 0 ? [lossChart(steps)] : []),
    ...[metricChart(evaluations)].filter((chart) => chart !== null),
    ...ofSteps.charts,
  ];
  const measured = diagnosticCharts(diagnostics);
  const confusions = Object.entries(scores).flatMap(([split, own]) => confusionChart(split, own) ?? []);
  const calibration =
    typeof predictions === "string" ? [] : [calibrationChart(predictions.split, predictions.calibration)];
  const constants: Block[] =
    ofSteps.constants.length === 0 ? [] : [{ type: "list", items: ofSteps.constants }];
  const sections: (Section | null)[] = [
    { id: "result", title: "Result", blocks: [{ type: "facts", facts: factsOf(run) }, ...scoresOf(run)] },
    curves.length === 0
      ? null
      : {
          ...{ id: "training", title: "Training" },
          blocks: [{ type: "charts", charts: curves }, ...constants],
        },
    sectionOf("diagnostics", "Flatness and consistency (section 6 of the paper)", measured),
    sectionOf("confusion", "Which classes are taken for which", confusions),
    {
      id: "predictions",
      title: "Can its probabilities be believed?",
      blocks:
        typeof predictions === "string"
          ? [{ type: "text", text: predictions }]
          : [{ type: "charts", charts: calibration }, mistakesOf(predictions)],
    },
    { id: "reproduce", title: "How to make it again", blocks: reproduction(run) },
  ];
  const { task, model, regularizer, seed } = summary ?? config;
  return {
    page: {
      title: `${basename(String(model))} with ${String(regularizer)} on ${String(task)}`,
      subtitle: `Seed ${String(seed)}${summary ? `, ${formatCount(summary.steps)} steps, ${summary.provenance.date.slice(0, 10)}` : "; not finished"}`,
      sections: sections.filter((section) => section !== null),
    },
    charts: [...curves, ...measured, ...confusions, ...calibration],
  };
}

function sectionOf(id: string, title: string, charts: readonly Chart[]): Section | null {
  return charts.length === 0 ? null : { id, title, blocks: [{ type: "charts", charts }] };
}

function factsOf({ summary, steps }: RunRecord): [string, string][] {
  if (!summary) return [["state", `not finished: ${steps.at(-1)?.step ?? 0} steps are logged`]];
  const { dev, devMismatched, test, bestStep, seconds, tokensPerSecond, peakMemoryBytes, device, precision } =
    summary;
  return [
    ...(test ? [["test", formatMetrics(test)] as [string, string]] : []),
    ...(dev ? [["dev, of the model that was best there", formatMetrics(dev)] as [string, string]] : []),
    ...(devMismatched ? [["dev, mismatched", formatMetrics(devMismatched)] as [string, string]] : []),
    ["best step", formatCount(bestStep)],
    ["time", formatSeconds(seconds)],
    ["tokens a second", formatCount(Math.round(tokensPerSecond))],
    ["peak memory", `${(peakMemoryBytes / 1e6).toFixed(0)} MB`],
    ["computed on", `${device}, ${precision}`],
  ];
}

function scoresOf({ scores }: RunRecord): Block[] {
  return Object.entries(scores).map(([split, { report }]) => ({
    type: "table",
    caption: `Scores by class, ${split}`,
    header: ["class", "precision", "recall", "F1", "texts"],
    rows: report.classes.map(({ label, precision, recall, f1, support }) => [
      label,
      precision,
      recall,
      f1,
      support,
    ]),
  }));
}

function mistakesOf({ mistakes, split }: PredictionsRecord): Block {
  return {
    type: "table",
    caption: `The mistakes that the model was surest of, ${split}`,
    header: ["confidence", "said", "is", "text"],
    rows: mistakes.map(({ confidence, predicted, reference, text }) => [
      confidence,
      predicted,
      reference,
      text,
    ]),
  };
}

function reproduction({ summary, config, path }: RunRecord): Block[] {
  const { provenance } = summary ?? {};
  return [
    { type: "code", text: `r-at train --config ${path}/config.json --output again` },
    ...(provenance
      ? ([
          { type: "text", text: `It was: ${provenance.command}` },
          {
            type: "facts",
            facts: [
              ["r-at", provenance.rAt],
              ["LibTorch", provenance.libtorch],
              ["Node", provenance.node],
              ["host", provenance.host],
            ],
          },
          {
            type: "table",
            caption: "Data",
            header: ["split", "file", "rows", "SHA-256"],
            rows: provenance.data.map(({ split, path: file, rows, sha256 }) => [split, file, rows, sha256]),
          },
        ] as Block[])
      : []),
    { type: "code", text: JSON.stringify(withoutProvenance(config), null, 2) },
  ];
}

function withoutProvenance({ provenance: _, ...config }: Readonly<Record<string, unknown>>): object {
  return config;
}
