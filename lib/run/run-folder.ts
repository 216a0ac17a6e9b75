/**
 * The output folder of a run: `config.json`, `log.jsonl`, `summary.json`, `report.json`, `report.md`, `checkpoints/` and
 * `model/`, under a lock while the run lasts.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { SplitName } from "../datasets/types.js";
import { pathError } from "../errors.js";
import { exists } from "../files/atomic-folder.js";
import { makeFolder, putBack, removeLeftovers, replaceFile, syncFolder } from "../files/durable-file.js";
import { type FolderLock, lockFolder } from "../files/lock.js";
import type { EvaluationResult } from "../inference/evaluate.js";
import type { NativeTrainer } from "../native/binding.js";
import { renderRunReport } from "../render/class-report.js";
import {
  type Checkpoint,
  newestCheckpoint,
  pruneCheckpoints,
  type RunState,
  writeCheckpoint,
} from "./checkpoint.js";
import type { LoggedEvent, TrainSummary } from "./events.js";
import { RunLog } from "./run-log.js";

const CONFIG = "config.json";
const LOG = "log.jsonl";
const SUMMARY = "summary.json";
const REPORTS = ["report.json", "report.md"] as const;
const CHECKPOINTS = "checkpoints";
const MODEL = "model";
/** What a run leaves in its folder, and all that `overwrite` takes away. */
const RUN_ENTRIES: readonly string[] = [CONFIG, LOG, SUMMARY, ...REPORTS, CHECKPOINTS, MODEL];

/** The lock is left out: a run that waits for it may just be writing it. */
const LEFTOVERS = /^(config\.json|log\.jsonl|summary\.json|report\.(json|md)|model)$/;

/** What the model that is kept says of a split. */
export type SplitEvaluation = EvaluationResult & { readonly split: SplitName };

/** An output folder that this process holds the lock of. */
export class RunFolder {
  /** Absolute. */
  readonly path: string;
  readonly #lock: FolderLock;
  #log: RunLog | undefined;
  #kept: string[] = [];

  private constructor(path: string, lock: FolderLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Creates the folder if need be and takes its lock. Nothing in it is touched yet.
   *
   * @throws RATError `ERR_RAT_PATH` when it cannot be made or holds a run that is neither resumed nor overwritten;
   *   `ERR_RAT_LOCKED` when another run works there.
   */
  static async open(output: string, mode: { resume: boolean; overwrite: boolean }): Promise<RunFolder> {
    const path = resolve(output);
    try {
      await makeFolder(path);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw pathError(output, `The output folder ${output} cannot be made: ${reason}`, cause);
    }
    const lock = await lockFolder(path);
    try {
      await refuseOccupied(path, output, mode);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return new RunFolder(path, lock);
  }

  get modelPath(): string {
    return join(this.path, MODEL);
  }

  get #checkpoints(): string {
    return join(this.path, CHECKPOINTS);
  }

  /** See `newestCheckpoint`. */
  async findCheckpoint(warn: (message: string) => void): Promise<Checkpoint | undefined> {
    return (await exists(this.#checkpoints)) ? newestCheckpoint(this.#checkpoints, warn) : undefined;
  }

  /**
   * Gets the folder ready: empty of an old run, or cut back to `checkpoint`.
   *
   * @param config - What `config.json` is to hold.
   */
  async begin(config: Readonly<Record<string, unknown>>, checkpoint: Checkpoint | undefined): Promise<void> {
    const obsolete = checkpoint ? [SUMMARY, ...REPORTS] : RUN_ENTRIES;
    for (const name of obsolete) await rm(join(this.path, name), { recursive: true, force: true });
    if (checkpoint) await putBack(this.path, LEFTOVERS);
    await removeLeftovers(this.path, LEFTOVERS);
    await replaceFile(join(this.path, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
    if (checkpoint) {
      this.#kept = [checkpoint.path];
      await this.#cutLogBack(checkpoint.state);
    }
    this.#log = await RunLog.open(join(this.path, LOG), { append: checkpoint !== undefined });
    await syncFolder(this.path);
  }

  /** Steps that come after the checkpoint are taken again, so their lines go. */
  async #cutLogBack(state: RunState): Promise<void> {
    const path = join(this.path, LOG);
    const text = await readFile(path, "utf8").catch(() => "");
    const evaluated = new Set(state.evaluations.map(({ step }) => step));
    const kept = text.split("\n").filter((line) => {
      const event = parseEvent(line);
      if (event?.type === "step") return event.step <= state.step;
      if (event?.type === "diagnostics") return event.step <= (state.diagnosed ?? 0);
      return event?.type === "eval" && event.split === "dev" && evaluated.has(event.step);
    });
    await replaceFile(path, kept.map((line) => `${line}\n`).join(""));
  }

  log(event: LoggedEvent): void {
    this.#log?.write(event);
  }

  /**
   * Writes a checkpoint and deletes all but the last `kept` (at least this one) that this run wrote or went on from. The log
   * is on the disk first: what a checkpoint has behind it is not taken again, so a line that is lost then stays lost.
   */
  async checkpoint(model: NativeTrainer, state: RunState, kept: number): Promise<string> {
    await this.#log?.sync();
    const path = await writeCheckpoint(this.#checkpoints, model, state);
    this.#kept = [...this.#kept.filter((other) => other !== path), path].slice(-Math.max(kept, 1));
    await pruneCheckpoints(this.#checkpoints, this.#kept);
    return path;
  }

  /** Writes the scores by class of what was evaluated; scores of a regression have none. */
  async report(evaluated: readonly SplitEvaluation[]): Promise<void> {
    const splits = evaluated.filter(({ report }) => report !== null);
    if (splits.length === 0) return;
    const json = splits.map(({ split, loss, metrics, report, confusionMatrix }) => [
      split,
      { loss, metrics, report, confusionMatrix },
    ]);
    const texts = [
      `${JSON.stringify(Object.fromEntries(json), null, 2)}\n`,
      renderRunReport(basename(this.path), splits),
    ];
    for (const [i, name] of REPORTS.entries()) await replaceFile(join(this.path, name), texts[i] ?? "");
  }

  /** The last thing that a run writes: a folder with a summary holds a finished run. */
  async finish(summary: TrainSummary, kept: number): Promise<void> {
    await this.#log?.sync();
    await replaceFile(join(this.path, SUMMARY), `${JSON.stringify({ command: "train", ...summary })}\n`);
    if (kept === 0) await rm(this.#checkpoints, { recursive: true, force: true });
  }

  /** Whether it holds a run that has come to its end. */
  isFinished(): Promise<boolean> {
    return exists(join(this.path, SUMMARY));
  }

  /** Closes the log and gives the lock back. */
  async close(): Promise<void> {
    try {
      await this.#log?.close();
    } finally {
      await this.#lock.release();
    }
  }
}

async function refuseOccupied(
  path: string,
  output: string,
  { resume, overwrite }: { resume: boolean; overwrite: boolean },
): Promise<void> {
  const names = await readdir(path);
  if (names.includes("model.safetensors")) {
    throw pathError(output, `${output} is a model folder; give another folder for the run`);
  }
  if (resume || overwrite || !names.some((name) => RUN_ENTRIES.includes(name))) return;
  throw pathError(
    output,
    `${output} already holds a run. Use \`resume\` to go on from its checkpoint, \`overwrite\` to replace it, or another folder`,
  );
}

/** A line of the log; undefined for one that was cut off in the middle. */
function parseEvent(line: string): LoggedEvent | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === "object" && event !== null ? (event as LoggedEvent) : undefined;
  } catch {
    return undefined;
  }
}
