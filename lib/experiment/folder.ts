/**
 * The folder of an experiment: `experiment.json` (what was asked for), `cells/HASH/` (a run's folder, and `result.json` when it
 * has ended or `failure.json` if it failed), `claims/` (claims.ts), and the tables.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRATError, pathError, RATError } from "../errors.js";
import { createFile, makeFolder, replaceFile } from "../files/durable-file.js";
import type { Metrics } from "../metrics/types.js";
import type { TrainSummary } from "../run/events.js";

/** What a cell came to. */
export interface CellResult {
  readonly hash: string;
  /** The metric that counts, of the split that is reported; a fraction, null where it is undefined. */
  readonly score: number | null;
  readonly metric: string;
  readonly split: "dev" | "test";
  readonly metrics: Metrics;
  /** Whether it says the same of every example. */
  readonly isCollapsed: boolean;
  /** Forwards with a backward in a step. */
  readonly passes: number;
  readonly summary: TrainSummary;
}

/** Why a cell has no result. */
export interface CellFailure {
  readonly hash: string;
  readonly code: string;
  readonly message: string;
  readonly date: string;
}

/** How cells have ended, by hash; a cell that several rows share stands once. */
export interface Outcome {
  readonly results: ReadonlyMap<string, CellResult>;
  readonly failures: ReadonlyMap<string, CellFailure>;
}

export class ExperimentFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where a cell's run goes. */
  cell(hash: string): string {
    return join(this.path, "cells", hash);
  }

  /** @throws RATError `ERR_RAT_CHECKPOINT_WRITE`. */
  async write(name: string, content: string): Promise<void> {
    await makeFolder(this.path).catch((cause: unknown) => {
      throw pathError(
        this.path,
        `The folder ${this.path} cannot be made: ${(cause as Error).message}`,
        cause,
      );
    });
    await replaceFile(join(this.path, name), content);
  }

  /** Null for a cell that has not ended. */
  result(hash: string): Promise<CellResult | null> {
    return readJson<CellResult>(join(this.cell(hash), "result.json"));
  }

  /** Of those that have. */
  async ended(cells: readonly { readonly hash: string }[]): Promise<Outcome> {
    const results = new Map<string, CellResult>();
    const failures = new Map<string, CellFailure>();
    for (const { hash } of cells) {
      const result = await this.result(hash);
      const failure = result === null ? await this.failure(hash) : null;
      if (result !== null) results.set(hash, result);
      if (failure !== null) failures.set(hash, failure);
    }
    return { results, failures };
  }

  failure(hash: string): Promise<CellFailure | null> {
    return readJson<CellFailure>(join(this.cell(hash), "failure.json"));
  }

  /**
   * Publishes a result, complete, once: of two workers that have one the first counts.
   *
   * @returns Whether it was the first.
   * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`.
   */
  async publish(result: CellResult): Promise<boolean> {
    const path = join(this.cell(result.hash), "result.json");
    if (!(await createFile(path, `${JSON.stringify(result, null, 2)}\n`))) return false;
    await rm(join(this.cell(result.hash), "failure.json"), { force: true });
    return true;
  }

  async fail(failure: CellFailure): Promise<void> {
    await makeFolder(this.cell(failure.hash));
    await replaceFile(join(this.cell(failure.hash), "failure.json"), `${JSON.stringify(failure, null, 2)}\n`);
  }
}

/** @throws RATError `ERR_RAT_DATA_FORMAT` for a file that is no JSON: somebody has touched it. */
async function readJson<T>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (cause) {
    if (!isRATError(cause) && (cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new RATError("ERR_RAT_DATA_FORMAT", `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
