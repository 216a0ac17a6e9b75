/** `r-at experiment`: the paper's tables and figures, or any comparison, as runs that are resumed, shared out and summed up. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { OptionName } from "../config/options.js";
import type { RunConfig } from "../config/schema.js";
import { RATError } from "../errors.js";
import type { Cell } from "../experiment/cells.js";
import { ENGINES, type Engine, type Shard, shardOfEnvironment } from "../experiment/emit.js";
import type { TaskCache } from "../experiment/estimate.js";
import type { ExperimentFolder, Outcome } from "../experiment/folder.js";
import type { PaperFigures } from "../experiment/paper-figures.js";
import { EXPERIMENT_FILE, type ExperimentPlan, firstSeeds } from "../experiment/plan.js";
import { readConfigFile } from "./config-file.js";
import { UsageError } from "./failure.js";
import { addRunFlags, asUsage, givenRunFlags, throwAsUsage } from "./flags.js";
import { note, print, printJson } from "./output.js";

interface ExperimentFlags {
  readonly output?: string;
  readonly models?: string[];
  readonly tasks?: string[];
  readonly methods?: string[];
  readonly seeds?: number[];
  readonly scale?: number;
  readonly jobs?: number;
  readonly devices?: string[];
  readonly dryRun?: boolean;
  readonly list?: boolean;
  readonly cell?: string;
  readonly shard?: string;
  readonly claim?: boolean;
  readonly lease?: number;
  readonly emit?: Engine;
  readonly keepModels?: boolean;
  readonly paper?: string;
  readonly json?: boolean;
}

/** Options of every run that make an experiment smaller, larger or another; `--model`, `--task` and `--seed` are its own. */
const OVERRIDES: readonly OptionName[] = [
  ...(["data", "split", "limitTrain", "limitDev", "limitTest", "epochs", "maxSteps", "batchSize"] as const),
  ...([
    "microBatchSize",
    "maxLength",
    "learningRate",
    "schedule",
    "warmupRatio",
    "epsilon",
    "klWeight",
  ] as const),
  ...(["dropout", "embeddingSize", "hiddenSize", "vocabularySize", "embeddingStd", "minimumCount"] as const),
  ...([
    "precision",
    "recompute",
    "attentionRng",
    "device",
    "threads",
    "evalEvery",
    "checkpointEvery",
    "diagnostics",
    "logEvery",
  ] as const),
];
const examples = `
Experiments: table1, table2, table3, table4, table8, figure2, figure3, figure5 (of the R-AT paper), compare

Examples:
  $ r-at experiment table3 --data data --output table3 --dry-run
  $ r-at experiment table3 --data data --output table3 --seeds 5 --jobs 2
  $ r-at experiment table3 --data data --models textcnn --tasks agnews --methods dropout,r-at --scale 0.1
  $ r-at experiment compare mine.yaml --output mine
  $ r-at experiment table3 --data data --output shared/table3 --claim      on each of several machines
  $ r-at experiment table3 --data data --output shared/table3 --emit slurm > job.sh

A cell is one training. What has a result in the folder is not trained again; what was interrupted goes on from its last
checkpoint. The same command, later, goes on where it stopped, and writes table.md, .csv, .tex and .json.`;

const list = (text: string) => text.split(",").map((part) => part.trim());

/** Adds the command. */
export function defineExperiment(program: Command, signal: AbortSignal): void {
  const command = program
    .command("experiment")
    .description("reproduce a table or figure of the paper, or compare methods on your own data")
    .argument("<name>", "which; compare takes a YAML or JSON file")
    .argument("[file]", "compare: models, tasks, methods, seeds, options")
    .option("--output <folder>", "folder of the experiment (default: experiments/<name>)")
    .option("--models <name,...>", "models; name=folder says where a pretrained one is", list)
    .option("--tasks <name,...>", "tasks", list)
    .option("--methods <name,...>", "methods", list)
    .option("--seeds <n|a,b,...>", "how many seeds (1 to n), or which (default: 3)", parseSeeds)
    .option("--scale <f>", "part of each training set, its first rows", parseScale)
    .option("--jobs <n>", "cells at a time (default: one for each of --devices)", parseCount)
    .option("--devices <name,...>", "devices for the jobs, in turn", list)
    .option("--dry-run", "list the cells with the time that they should take, and train nothing")
    .option("--list", "list the cells with their hashes and costs, and train nothing")
    .option("--cell <hash>", "run this cell alone, and write no table")
    .option(
      "--shard <i/n|auto>",
      "run the i-th of n parts (from 0); auto: as Slurm, Kubernetes or AWS Batch says",
    )
    .option("--claim", "share the folder with other workers, on any number of machines")
    .option(
      "--lease <seconds>",
      "after so long without a sign of life a worker's cell is another's (default: 60)",
      parseCount,
    )
    .option("--emit <engine>", "print a job file: slurm, k8s, snakemake or parallel", parseEngine)
    .option("--keep-models", "keep the trained models")
    .option("--paper <file>", "published figures to stand beside ours: YAML, model: method: column: percent")
    .option("--json", "print the table, or the list, as one JSON object")
    .addHelpText("after", examples);
  addRunFlags(command, OVERRIDES);
  command.action(async (name: string, file: string | undefined, flags: ExperimentFlags) => {
    const given = givenRunFlags(command, OVERRIDES) as Partial<RunConfig>;
    await experiment(name, file, flags, given, signal);
  });
}

async function experiment(
  name: string,
  file: string | undefined,
  flags: ExperimentFlags,
  given: Partial<RunConfig>,
  signal: AbortSignal,
): Promise<void> {
  const [{ cellsOf }, { ExperimentFolder }, { TaskCache }] = await Promise.all([
    import("../experiment/cells.js"),
    import("../experiment/folder.js"),
    import("../experiment/estimate.js"),
  ]);
  const tasks = new TaskCache(signal);
  const paper = flags.paper === undefined ? undefined : await paperOf(flags.paper);
  const unscaled = { ...(await planOf(name, file, flags, given)), paper };
  const plan = flags.scale === undefined ? unscaled : await scaledPlan(unscaled, flags.scale, tasks);
  const folder = new ExperimentFolder(resolve(flags.output ?? `experiments/${name}`));
  const all = await cellsOf(plan, signal).catch(throwAsUsage);
  const cells = chosen(all, flags);

  if (flags.emit !== undefined || flags.list || flags.dryRun) {
    const { listCells, printJobs } = await import("./experiment-list.js");
    if (flags.emit !== undefined) return printJobs(flags.emit, folder, cells);
    const { results } = await folder.ended(cells);
    return listCells(plan, cells, results, tasks, { ...flags, jobs: jobsOf(flags) }, signal);
  }

  const [{ lockFolder }, { makeFolder }, { describeExperiment }] = await Promise.all([
    import("../files/lock.js"),
    import("../files/durable-file.js"),
    import("../experiment/described.js"),
  ]);
  await makeFolder(folder.path);
  const isShared = flags.claim || flags.cell !== undefined || flags.shard !== undefined;
  const lock = isShared ? undefined : await lockFolder(folder.path);
  try {
    const isWhole = flags.cell === undefined;
    if (isWhole) await folder.write(EXPERIMENT_FILE, describeExperiment(plan, all));
    const { devices, keepModels, lease } = flags;
    const { trainCells } = await import("./experiment-run.js");
    const outcome = await trainCells(plan.name, cells, folder, {
      ...{ jobs: jobsOf(flags), devices, keepModels, signal, threads: given.threads },
      checkpointEvery: given.checkpointEvery,
      ...(lease !== undefined && { leaseMs: lease * 1000 }),
    });
    if (isWhole) await sumUp(plan, all, folder, outcome, flags);
    else await reportCell(cells, outcome, flags);
    if (outcome.failures.size > 0) process.exitCode = 1;
  } finally {
    await lock?.release();
  }
}

async function planOf(
  name: string,
  file: string | undefined,
  flags: ExperimentFlags,
  given: Partial<RunConfig>,
): Promise<ExperimentPlan> {
  const [{ planExperiment }, { planCompare }] = await Promise.all([
    import("../experiment/definitions.js"),
    import("../experiment/compare-file.js"),
  ]);
  // How often a cell is saved is no part of what it is.
  const { data, checkpointEvery: _, ...overrides } = given;
  const { models, tasks, methods, seeds } = flags;
  const options = { data, models, tasks, methods, overrides };
  if (name === "compare") {
    if (file === undefined) throw new UsageError("compare takes a file: r-at experiment compare FILE");
    const raw = await readConfigFile(file);
    return asUsage(() => planCompare(raw, { ...options, seeds }), file);
  }
  if (file !== undefined) throw new UsageError(`${name} takes no file; compare does`);
  return asUsage(() => planExperiment(name, { ...options, seeds: seeds ?? firstSeeds(3) }));
}

async function paperOf(file: string): Promise<PaperFigures> {
  const { parsePaperFigures } = await import("../experiment/paper-figures.js");
  const raw = await readConfigFile(file);
  return asUsage(() => parsePaperFigures(raw), file);
}

async function scaledPlan(plan: ExperimentPlan, scale: number, tasks: TaskCache): Promise<ExperimentPlan> {
  const { scaled } = await import("../experiment/scale.js");
  return scaled(plan, scale, tasks).catch(throwAsUsage);
}

/** One for each device, unless it is said. */
function jobsOf({ jobs, devices }: ExperimentFlags): number {
  return jobs ?? devices?.length ?? 1;
}

function chosen(cells: readonly Cell[], { cell, shard }: ExperimentFlags): readonly Cell[] {
  if (cell !== undefined) {
    const own = cells.filter(({ hash }) => hash === cell);
    if (own.length === 0)
      throw new UsageError(
        `There is no cell ${cell} in this experiment, with these options; --list shows all`,
      );
    return own.slice(0, 1);
  }
  if (shard === undefined) return cells;
  const { index, count } = shardOf(shard);
  // By what is to be trained: a cell that two rows share is one.
  const hashes = [...new Set(cells.map(({ hash }) => hash))].filter((_, i) => i % count === index);
  return cells.filter(({ hash }) => hashes.includes(hash));
}

function shardOf(text: string): Shard {
  if (text === "auto") {
    const found = shardOfEnvironment(process.env);
    if (found) return found;
    throw new UsageError(
      "--shard auto finds no array: no SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX (with RAT_SHARDS) or AWS_BATCH_JOB_ARRAY_INDEX",
    );
  }
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined || Number(index) >= Number(count))
    throw new UsageError(`Expected i/n with i from 0 to n - 1, or auto, for --shard but received ${text}`);
  return { index: Number(index), count: Number(count) };
}

/** The tables of all cells that have ended, whoever ran them. */
async function sumUp(
  plan: ExperimentPlan,
  all: readonly Cell[],
  folder: ExperimentFolder,
  outcome: Outcome,
  flags: ExperimentFlags,
): Promise<void> {
  const [{ tableOf }, { writeTables }, { renderExperiment }] = await Promise.all([
    import("../experiment/table.js"),
    import("../experiment/write-tables.js"),
    import("../experiment/render.js"),
  ]);
  const { results, failures } = await folder.ended(all);
  const table = tableOf(plan, all, results, failures);
  await writeTables(folder, table, all, results);
  const distinct = new Set(all.map(({ hash }) => hash)).size;
  const counts = {
    total: distinct,
    done: results.size,
    failed: failures.size,
    missing: distinct - results.size - failures.size,
  };
  if (flags.json) await printJson({ command: "experiment", output: folder.path, cells: counts, table });
  else await print(renderExperiment(table, "markdown").trimEnd());
  if (outcome.failures.size > 0)
    note(`${outcome.failures.size} cells failed; the same command tries them again.`);
}

async function reportCell(
  cells: readonly Cell[],
  { results, failures }: Outcome,
  flags: ExperimentFlags,
): Promise<void> {
  const [cell] = cells;
  const result = results.get(cell?.hash ?? "");
  const failure = failures.get(cell?.hash ?? "");
  if (failure) throw new RATError(failure.code as "ERR_RAT_INTERNAL", failure.message);
  if (flags.json) await printJson({ command: "experiment", cell: result });
  else await print(`${cell?.hash} ${result?.score}`);
}

function parseSeeds(text: string): number[] {
  const values = list(text).map(Number);
  const isWrong = values.some((value) => !Number.isSafeInteger(value) || value < 0);
  if (isWrong || (values.length === 1 && values[0] === 0))
    throw new InvalidArgumentError("Expected a number of seeds, or seeds with commas between them.");
  const [count = 0] = values;
  return values.length === 1 ? firstSeeds(count) : values;
}

function parseScale(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("Expected a number above 0, at most 1.");
  return value;
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}

function parseEngine(text: string): Engine {
  const found = ENGINES.find((engine) => engine === text);
  if (!found) throw new InvalidArgumentError(`Expected one of ${ENGINES.join(", ")}.`);
  return found;
}
