/** `r-at report`: a run or an experiment as one HTML file, with its pictures as files beside it. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { EXPERIMENT_FILE } from "../experiment/plan.js";
import type { Chart } from "../page/chart.js";
import type { CellCurve } from "../page/experiment-page.js";
import type { Page } from "../page/html.js";
import type { RunRecord } from "../page/read-run.js";
import { note, print, printJson } from "./output.js";

interface ReportFlags {
  readonly output?: string;
  readonly plots?: boolean;
  readonly tensorboard?: boolean;
  readonly predictions?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  $ r-at report runs/imdb
  $ r-at report runs/imdb --tensorboard && tensorboard --logdir runs/imdb/tensorboard
  $ r-at report experiments/table3 --output table3.html

report.html needs nothing else: no network, no script. plots/ has every picture as SVG and PNG.`;

/** What a folder amounts to. */
interface Report {
  readonly page: Page;
  readonly charts: readonly Chart[];
  readonly runs: readonly RunRecord[];
}

/** Adds the command. */
export function defineReport(program: Command, signal: AbortSignal): void {
  program
    .command("report")
    .description("draw a run or an experiment as one HTML file")
    .argument("<folder>", "of a run, or of an experiment")
    .option("--output <file>", "the page (default: report.html in the folder)")
    .option("--no-plots", "do not write the pictures as files too")
    .option("--no-predictions", "do not run the model for calibration and mistakes")
    .option("--tensorboard", "write event files for TensorBoard, into tensorboard/ in the folder")
    .option("--json", "print what was written as one JSON object")
    .addHelpText("after", examples)
    .action(async (folder: string, flags: ReportFlags) => {
      const path = resolve(folder);
      const report = existsSync(join(path, EXPERIMENT_FILE))
        ? await ofExperiment(path)
        : await ofRun(path, flags, signal);
      const written = await write(path, report, flags);
      if (flags.json) await printJson({ command: "report", ...written });
      else await print(written.output);
    });
}

async function ofRun(path: string, flags: ReportFlags, signal: AbortSignal): Promise<Report> {
  const [{ readRun }, { runPage }] = await Promise.all([
    import("../page/read-run.js"),
    import("../page/run-page.js"),
  ]);
  const run = await readRun(path);
  return { ...runPage(run, await predictionsOf(run, flags, signal)), runs: [run] };
}

/** A report without them is better than none: what is missing is said in it. */
async function predictionsOf(run: RunRecord, flags: ReportFlags, signal: AbortSignal) {
  if (flags.predictions === false) return "The model was not run (--no-predictions).";
  const [{ readPredictions }, { resolveRunConfig }] = await Promise.all([
    import("../page/predictions.js"),
    import("../config/resolve.js"),
  ]);
  try {
    const found = await readPredictions(run.path, resolveRunConfig(run.config), signal);
    return found ?? "There is no model in the folder, or it is no classifier of single labels.";
  } catch (error) {
    if (signal.aborted) throw error;
    const reason = `The model could not be run over its test texts: ${(error as Error).message}`;
    note(`warning: ${reason}`);
    return reason;
  }
}

async function ofExperiment(path: string): Promise<Report> {
  const [{ readExperiment }, { readRun }, { experimentPage }] = await Promise.all([
    import("../experiment/described.js"),
    import("../page/read-run.js"),
    import("../page/experiment-page.js"),
  ]);
  const { table, command, cells } = await readExperiment(path);
  const runs: RunRecord[] = [];
  const curves: CellCurve[] = [];
  for (const { hash, group, row, column, seed } of cells) {
    const run = await readRun(join(path, "cells", hash)).catch(() => null);
    if (run === null) continue; // not begun
    runs.push(run);
    curves.push({ group, row, column, seed, run });
  }
  return { ...experimentPage(table, curves, command), runs };
}

async function write(path: string, { page, charts, runs }: Report, flags: ReportFlags) {
  const [{ renderPage }, { drawPng, drawSvg }, files] = await Promise.all([
    import("../page/html.js"),
    import("../page/draw.js"),
    import("../files/durable-file.js"),
  ]);
  const output = resolve(flags.output ?? join(path, "report.html"));
  await files.replaceFile(output, await renderPage(page));
  const plots: string[] = [];
  if (flags.plots !== false) {
    const folder = join(path, "plots");
    await files.makeFolder(folder);
    for (const { id, spec } of charts) {
      const svg = await drawSvg(spec);
      for (const [name, content] of [
        [`${id}.svg`, svg],
        [`${id}.png`, await drawPng(svg)],
      ] as const) {
        await files.replaceFile(join(folder, name), content);
        plots.push(join(folder, name));
      }
    }
  }
  const events = flags.tensorboard ? await writeEvents(path, runs) : [];
  return { output, plots, events };
}

async function writeEvents(path: string, runs: readonly RunRecord[]): Promise<string[]> {
  const [{ eventFile }, { scalarsOf }, files] = await Promise.all([
    import("../page/event-file.js"),
    import("../page/scalars.js"),
    import("../files/durable-file.js"),
  ]);
  const written: string[] = [];
  for (const run of runs) {
    const name = run.path === path ? "." : (run.path.split("/").at(-1) ?? "");
    const folder = join(path, "tensorboard", name);
    await files.makeFolder(folder);
    const date = run.summary ? Date.parse(run.summary.provenance.date) / 1000 : 0;
    const file = join(folder, `events.out.tfevents.${Math.round(date)}.r-at`);
    await files.replaceFile(file, eventFile(scalarsOf(run), date));
    written.push(file);
  }
  return written;
}
