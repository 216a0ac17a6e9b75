/** Runs one cell in a process of its own (cell-process.ts), and puts its result together. */
import { fork } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { passesOf } from "../config/regularizer.js";
import type { ResolvedRunConfig } from "../config/resolve.js";
import { abortedError, RATError, type RATErrorCode } from "../errors.js";
import { makeFolder } from "../files/durable-file.js";
import type { MetricName, Metrics } from "../metrics/types.js";
import type { TrainSummary } from "../run/events.js";
import type { CellMessage } from "./cell-process.js";
import type { Cell } from "./cells.js";
import type { CellResult, ExperimentFolder } from "./folder.js";

/** Where and how a cell runs; no part of what it is. */
export interface CellPlace {
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** Steps between two checkpoints: what a killed cell loses at most. Default: 500. */
  readonly checkpointEvery?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Keeps the trained model. Default: its scores, its log and its configuration are enough. */
  readonly keepModel?: boolean | undefined;
  onProgress?(done: number, total: number): void;
  onWarning?(message: string): void;
}

const CHECKPOINT_EVERY = 500;
/** A process that was told to stop has so long to write its checkpoint. */
const GRACE_MS = 20_000;
/** What may pass: the process of a worker that was killed may still be on its way out; one that was ended had bad luck, once. */
const RETRIES: Partial<Record<RATErrorCode, number>> = { ERR_RAT_LOCKED: 60, ERR_RAT_INTERNAL: 1 };
const RETRY_WAIT_MS = 250;

/**
 * Trains a cell, or goes on with it from its last checkpoint.
 *
 * @throws RATError what the training throws; `ERR_RAT_INTERNAL` if its process ended without a word; `ERR_RAT_ABORTED`.
 */
export async function runCell(cell: Cell, folder: ExperimentFolder, place: CellPlace): Promise<CellResult> {
  const path = folder.cell(cell.hash);
  await makeFolder(path);
  const summary = (await finishedRun(path)) ?? (await trainWithRetries(configOf(cell, path, place), place));
  const result = await resultOf(cell, path, summary);
  if (!place.keepModel) await rm(join(path, "model"), { recursive: true, force: true });
  return result;
}

/** What a worker has left that was killed before it published it: the summary is the last that a run writes. */
async function finishedRun(path: string): Promise<TrainSummary | undefined> {
  const text = await readFile(join(path, "summary.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { command: _, ...summary } = JSON.parse(text) as TrainSummary & { readonly command: "train" };
  return summary;
}

function configOf({ resolved }: Cell, output: string, place: CellPlace): ResolvedRunConfig {
  const { device = resolved.device, threads = resolved.threads } = place;
  const { checkpointEvery = CHECKPOINT_EVERY } = place;
  return {
    ...resolved,
    ...{ device, ...(threads !== undefined && { threads }), output, checkpointEvery, keepCheckpoints: 0 },
    ...{ resume: true, overwrite: false, allowResumeElsewhere: true },
  };
}

async function trainWithRetries(config: ResolvedRunConfig, place: CellPlace): Promise<TrainSummary> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await train(config, place);
    } catch (error) {
      if (!(error instanceof RATError) || attempt >= (RETRIES[error.code] ?? 0)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS));
    }
  }
}

function train(
  config: ResolvedRunConfig,
  { signal, onProgress, onWarning }: CellPlace,
): Promise<TrainSummary> {
  if (signal?.aborted) return Promise.reject(abortedError(signal));
  const child = fork(new URL("./cell-process.js", import.meta.url), {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = `${stderr}${text}`.slice(-2000);
  });
  return new Promise((resolve, reject) => {
    let outcome: TrainSummary | RATError | undefined;
    const stop = () => {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), GRACE_MS).unref();
    };
    signal?.addEventListener("abort", stop, { once: true });
    child.on("message", (message: CellMessage) => {
      if (message.type === "progress") onProgress?.(message.done, message.total);
      if (message.type === "warning") onWarning?.(message.message);
      if (message.type === "done") outcome = message.summary;
      if (message.type === "failed") outcome = new RATError(message.code as RATErrorCode, message.message);
    });
    child.on("error", (error) => {
      outcome ??= new RATError("ERR_RAT_INTERNAL", `its process cannot be started: ${error.message}`);
    });
    child.on("close", (code, killedBy) => {
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) return reject(abortedError(signal));
      if (outcome instanceof RATError) return reject(outcome);
      if (outcome !== undefined) return resolve(outcome);
      const end = killedBy === null ? `with exit code ${code}` : `by ${killedBy}`;
      const words = stderr.trim() === "" ? "" : `: ${stderr.trim().split("\n").at(-1)}`;
      reject(new RATError("ERR_RAT_INTERNAL", `its process was ended ${end}${words}`));
    });
    child.send(config);
  });
}

async function resultOf(cell: Cell, path: string, summary: TrainSummary): Promise<CellResult> {
  const split = summary.test !== null ? "test" : "dev";
  const metrics: Metrics | null = summary[split];
  const [metric] = Object.keys(metrics ?? {}) as MetricName[];
  if (metrics === null || metric === undefined)
    throw new RATError(
      "ERR_RAT_CONFIG",
      `${summary.task} has neither a dev nor a test set: there is nothing to compare`,
    );
  const score = metrics[metric] ?? null;
  return {
    ...{ hash: cell.hash, score, metric, split, metrics },
    isCollapsed: score === null || (await saysOneThing(path, split)),
    passes: passesOf({ ...cell.resolved, type: cell.resolved.regularizer }),
    summary,
  };
}

/** Whether only one class was ever predicted; a regression's scores have no classes. */
async function saysOneThing(path: string, split: "dev" | "test"): Promise<boolean> {
  const text = await readFile(join(path, "report.json"), "utf8").catch(() => undefined);
  if (text === undefined) return false;
  const report = JSON.parse(text) as Record<string, { confusionMatrix?: readonly (readonly number[])[] }>;
  const matrix = report[split]?.confusionMatrix;
  if (!matrix || matrix.length === 0) return false;
  const predicted = (matrix[0] ?? []).map((_, c) => matrix.reduce((sum, row) => sum + (row[c] ?? 0), 0));
  return predicted.filter((count) => count > 0).length === 1;
}
