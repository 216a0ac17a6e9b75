/** A run's folder as its files have it: configuration, log, summary, scores by class. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathError } from "../errors.js";
import type { ClassificationReport } from "../metrics/index.js";
import type { DiagnosticsEvent, EvalEvent, StepEvent, TrainSummary } from "../run/events.js";

export interface SplitScores {
  readonly report: ClassificationReport;
  readonly confusionMatrix: readonly (readonly number[])[] | null;
}

export interface RunRecord {
  readonly path: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Null while the run goes on, or after it was stopped. */
  readonly summary: TrainSummary | null;
  readonly steps: readonly StepEvent[];
  readonly evaluations: readonly EvalEvent[];
  readonly diagnostics: readonly DiagnosticsEvent[];
  /** By split; empty for a regression. */
  readonly scores: Readonly<Record<string, SplitScores>>;
}

/**
 * Reads a run, a finished one or not.
 *
 * @throws RATError `ERR_RAT_PATH` for a folder without `config.json` or `log.jsonl`.
 */
export async function readRun(path: string): Promise<RunRecord> {
  const config = await readJson<Readonly<Record<string, unknown>>>(join(path, "config.json"));
  const log = await readFile(join(path, "log.jsonl"), "utf8").catch(() => null);
  if (config === null || log === null) {
    throw pathError(
      path,
      `${path} holds no run: there is no ${config === null ? "config.json" : "log.jsonl"}`,
    );
  }
  // The last line of a run that goes on may be half there.
  const events = log.split("\n").flatMap((line): (StepEvent | EvalEvent | DiagnosticsEvent)[] => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
  return {
    ...{ path, config, summary: await readJson<TrainSummary>(join(path, "summary.json")) },
    steps: events.filter((event) => event.type === "step"),
    evaluations: events.filter((event) => event.type === "eval"),
    diagnostics: events.filter((event) => event.type === "diagnostics"),
    scores: (await readJson<Record<string, SplitScores>>(join(path, "report.json"))) ?? {},
  };
}

async function readJson<T>(path: string): Promise<T | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw pathError(path, `${path} is no JSON: ${(cause as Error).message}`, cause);
  }
}
