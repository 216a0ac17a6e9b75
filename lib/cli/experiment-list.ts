/** What `r-at experiment` prints in place of training: its cells, or a job file that trains them. */
import type { Cell } from "../experiment/cells.js";
import type { Engine } from "../experiment/emit.js";
import type { CellEstimate, TaskCache } from "../experiment/estimate.js";
import type { CellResult, ExperimentFolder } from "../experiment/folder.js";
import type { ExperimentPlan } from "../experiment/plan.js";
import { note, print, printJson } from "./output.js";

/** What the list depends on. */
export interface ListFlags {
  readonly dryRun?: boolean;
  readonly jobs: number;
  readonly json?: boolean;
}

export async function printJobs(
  engine: Engine,
  folder: ExperimentFolder,
  cells: readonly Cell[],
): Promise<void> {
  const [{ emit }, { commandLine }] = await Promise.all([
    import("../experiment/emit.js"),
    import("../run/provenance.js"),
  ]);
  const argv = process.argv.filter(
    (word, i, words) => !/^--emit(=|$)/.test(word) && words[i - 1] !== "--emit",
  );
  const distinct = cells.filter((cell, i) => cells.findIndex(({ hash }) => hash === cell.hash) === i);
  await print(emit(engine, { command: commandLine(argv), output: folder.path, cells: distinct }).trimEnd());
}

export async function listCells(
  plan: ExperimentPlan,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
  tasks: TaskCache,
  flags: ListFlags,
  signal: AbortSignal,
): Promise<void> {
  const [{ costsOf, estimateCells }, { renderTable }, { formatSeconds }] = await Promise.all([
    import("../experiment/estimate.js"),
    import("../render/table.js"),
    import("../report/words.js"),
  ]);
  const estimates = flags.dryRun
    ? await estimateCells(cells, results, tasks, signal)
    : new Map(
        [...(await costsOf(cells, tasks))].map(([hash, cost]): [string, CellEstimate] => [
          hash,
          { cost, seconds: null },
        ]),
      );
  const lines = cells.map(({ hash, group, row, column, seed }) => ({
    ...{ hash, model: group, method: row, column, seed, state: results.has(hash) ? "done" : "open" },
    ...(estimates.get(hash) ?? { cost: 0, seconds: null }),
  }));
  if (flags.json)
    return void (await printJson({
      command: "experiment",
      name: plan.name,
      notes: plan.notes,
      cells: lines,
    }));
  for (const line of plan.notes) note(line);
  const rows = lines.map((line) => [
    ...[line.hash, line.model, line.method, line.column, line.seed, line.state, Math.round(line.cost)],
    ...(line.seconds === null ? [] : [formatSeconds(line.seconds)]),
  ]);
  const header = [
    "cell",
    "model",
    "method",
    "column",
    "seed",
    "state",
    "cost",
    ...(flags.dryRun ? ["time"] : []),
  ];
  await print(renderTable(header, rows));
  const open = new Map(
    lines.filter(({ state }) => state === "open").map((line) => [line.hash, line.seconds ?? 0]),
  );
  const total = [...open.values()].reduce((sum, seconds) => sum + seconds, 0);
  note(
    `${lines.length} cells, ${open.size} of them to be trained${flags.dryRun ? `: ${formatSeconds(total / flags.jobs)} on this machine` : ""}`,
  );
}
