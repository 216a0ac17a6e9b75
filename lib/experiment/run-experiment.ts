/** Works through the cells of an experiment: those that have no result yet, several at a time, beside other workers. */
import { isRATError, throwIfAborted } from "../errors.js";
import type { Cell } from "./cells.js";
import { claimCell, forgetClaims } from "./claims.js";
import type { CellFailure, CellResult, ExperimentFolder, Outcome } from "./folder.js";
import { type CellPlace, runCell } from "./run-cell.js";

export interface RunOptions extends Pick<CellPlace, "threads" | "checkpointEvery" | "signal"> {
  /** Cells at a time. Default: 1. */
  readonly jobs?: number | undefined;
  /** One for each job, in turn. Default: what the configuration says. */
  readonly devices?: readonly string[] | undefined;
  readonly keepModels?: boolean | undefined;
  readonly leaseMs?: number | undefined;
  onEvent?(event: ExperimentEvent): void;
}

/** What happens. */
export type ExperimentEvent =
  | { readonly type: "start"; readonly cell: Cell }
  | { readonly type: "progress"; readonly cell: Cell; readonly done: number; readonly total: number }
  | { readonly type: "warning"; readonly cell: Cell; readonly message: string }
  | { readonly type: "done"; readonly cell: Cell; readonly result: CellResult; readonly isReused: boolean }
  | { readonly type: "failed"; readonly cell: Cell; readonly failure: CellFailure };

const POLL_MS = 500;

/**
 * Runs what has no result, in the order of the cells, and waits for those that other workers have taken. A cell that fails is
 * reported, and the others go on; it is tried again the next time.
 *
 * @throws RATError `ERR_RAT_ABORTED`; what the folder cannot do.
 */
export async function runCells(
  cells: readonly Cell[],
  folder: ExperimentFolder,
  options: RunOptions = {},
): Promise<Outcome> {
  const { jobs = 1, devices = [], signal } = options;
  const results = new Map<string, CellResult>();
  const failures = new Map<string, CellFailure>();
  const since = new Date().toISOString();
  const open = new Map(cells.map((cell) => [cell.hash, cell]));
  const busy = new Set<string>();

  /** Whether there was something to do. */
  const work = async (place: CellPlace): Promise<boolean> => {
    for (const cell of open.values()) {
      throwIfAborted(signal);
      if (busy.has(cell.hash)) continue;
      busy.add(cell.hash);
      try {
        const ended = await tryCell(cell, folder, options, place, since);
        if (ended === null) continue; // another worker has it
        open.delete(cell.hash);
        if ("score" in ended) results.set(cell.hash, ended);
        else failures.set(cell.hash, ended);
        return true;
      } finally {
        busy.delete(cell.hash);
      }
    }
    return false;
  };
  const job = async (place: CellPlace): Promise<void> => {
    while (open.size > 0) {
      throwIfAborted(signal);
      if (await work(place)) continue;
      // What is left is another job's, or another worker's.
      if (open.size > 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  const { threads, checkpointEvery, keepModels: keepModel } = options;
  const places = Array.from({ length: jobs }, (_, i): CellPlace => {
    return { device: devices[i % Math.max(devices.length, 1)], threads, checkpointEvery, keepModel, signal };
  });
  // All end before anything is thrown: no cell's process stays behind.
  const ended = await Promise.allSettled(places.map(job));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return { results, failures };
}

/** Null: another worker has it. */
async function tryCell(
  cell: Cell,
  folder: ExperimentFolder,
  { leaseMs, onEvent }: RunOptions,
  place: CellPlace,
  since: string,
): Promise<CellResult | CellFailure | null> {
  const failed = await folder.failure(cell.hash);
  if (failed !== null && failed.date > since) {
    onEvent?.({ type: "failed", cell, failure: failed }); // another worker's
    return failed;
  }
  const known = await folder.result(cell.hash);
  if (known !== null) {
    onEvent?.({ type: "done", cell, result: known, isReused: true });
    return known;
  }
  const claim = await claimCell(folder.path, cell.hash, { leaseMs });
  if (claim === null) return null;
  try {
    const meanwhile = await folder.result(cell.hash);
    if (meanwhile !== null) {
      onEvent?.({ type: "done", cell, result: meanwhile, isReused: true });
      return meanwhile;
    }
    onEvent?.({ type: "start", cell });
    const result = await runCell(cell, folder, {
      ...place,
      onProgress: (done, total) => onEvent?.({ type: "progress", cell, done, total }),
      onWarning: (message) => onEvent?.({ type: "warning", cell, message }),
    });
    // One that was too slow to say that it lives has lost the cell; what it has may be half of two runs.
    if (!(await claim.isHeld()) || !(await folder.publish(result))) return null;
    await forgetClaims(folder.path, cell.hash);
    onEvent?.({ type: "done", cell, result, isReused: false });
    return result;
  } catch (error) {
    if (!isRATError(error) || error.code === "ERR_RAT_ABORTED") throw error;
    const { code, message } = error;
    const failure = { hash: cell.hash, code, message, date: new Date().toISOString() };
    await folder.fail(failure);
    onEvent?.({ type: "failed", cell, failure });
    return failure;
  } finally {
    await claim.release();
  }
}
