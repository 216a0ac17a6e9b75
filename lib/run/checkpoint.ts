/**
 * Checkpoints: folders `step-<n>` with all that a run needs to go on bit for bit. All randomness is a counter of seed,
 * step and example, so weights, optimizer state and the number of steps done are enough; there is no generator state.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { RATError } from "../errors.js";
import { writeFolder } from "../files/atomic-folder.js";
import { hashFile, hashText } from "../files/checksum.js";
import { makeFolder, removeLeftovers, writeNewFile } from "../files/durable-file.js";
import type { NativeTrainer } from "../native/binding.js";
import type { Evaluation } from "./early-stopping.js";
import type { Position } from "./plan.js";

/** Version of the layout below. */
const FORMAT = 2;
const STATE_FILE = "state.json";
const FOLDER_NAME = /^step-(\d+)$/;

/** What decides the bits of a computation besides the run itself. */
export interface RunEnvironment {
  readonly libtorch: string;
  /** Build of the addon; absent in checkpoints from before it was kept, as is `deviceName`. */
  readonly addon?: string;
  readonly cpuCapability: string;
  readonly device: string;
  /** Name of the GPU; null on the CPU. */
  readonly deviceName?: string | null;
  readonly threads: number;
}

/** A run at the end of a step, without its tensors. */
export interface RunState {
  /** Where the run began: not at 0 if its trainer had trained before. */
  readonly begin: Position;
  /** Steps done, those before the run included. */
  readonly step: number;
  readonly epoch: number;
  /** Evaluations on dev so far. */
  readonly evaluations: readonly Evaluation[];
  /** The last step that was measured for diagnostics; absent in checkpoints from before they were. */
  readonly diagnosed?: number;
  /** Everything that the course of the run depends on; compared on resume. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly environment: RunEnvironment;
  /** The last step of the run as it was planned: one that has come so far may be made longer, whatever its schedule. */
  readonly lastStep: number;
  /** Sums since the run began, over interruptions. */
  readonly totals: RunTotals;
}

export interface RunTotals {
  readonly examples: number;
  readonly tokens: number;
  readonly skippedPerturbations: number;
  /** Wall time. */
  readonly seconds: number;
  /** Wall time of the steps alone. */
  readonly trainingSeconds: number;
}

/** A checkpoint on disk that verified. */
export interface Checkpoint {
  readonly path: string;
  readonly state: RunState;
}

/** What the native side saves and loads. */
type TensorSet = Parameters<NativeTrainer["save"]>[0];

/**
 * Writes `checkpoints/step-<n>`, complete or not at all.
 *
 * @returns Its path.
 * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`.
 */
export async function writeCheckpoint(
  checkpoints: string,
  model: NativeTrainer,
  state: RunState,
): Promise<string> {
  const path = join(checkpoints, `step-${state.step}`);
  await writeFolder(path, async (folder) => {
    const files: Record<string, string> = {};
    for (const [what, name] of tensorFiles(state)) {
      await model.save(what, join(folder, name), { format: "pt" });
      files[name] = await hashFile(join(folder, name));
    }
    const content = JSON.stringify({ format: FORMAT, ...state, files });
    await writeNewFile(
      join(folder, STATE_FILE),
      JSON.stringify({ sha256: hashText(content), state: content }),
    );
  });
  return path;
}

/**
 * Brings weights, optimizer state and the best weights so far back.
 *
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` or `ERR_RAT_SAFETENSORS_INVALID` when they do not fit the model.
 */
export async function loadCheckpoint(checkpoint: Checkpoint, model: NativeTrainer): Promise<void> {
  for (const [what, name] of tensorFiles(checkpoint.state)) {
    await model.load(what, join(checkpoint.path, name));
  }
}

/** Before the first step there is no optimizer state, before the first evaluation no best model. */
function tensorFiles({ step, evaluations }: RunState): [TensorSet, string][] {
  const sets: TensorSet[] = ["model"];
  if (step > 0) sets.push("optimizer");
  if (evaluations.length > 0) sets.push("best");
  return sets.map((what) => [what, `${what}.safetensors`]);
}

/**
 * The newest checkpoint in which every byte is as it was written. Damaged ones are passed over.
 *
 * @param warn - Told about each that is passed over.
 * @returns undefined when there is none at all.
 * @throws RATError `ERR_RAT_CHECKPOINT_CORRUPT` when there are some and all are damaged.
 */
export async function newestCheckpoint(
  checkpoints: string,
  warn: (message: string) => void,
): Promise<Checkpoint | undefined> {
  const problems: string[] = [];
  for (const path of await listCheckpoints(checkpoints)) {
    try {
      return { path, state: await verify(path) };
    } catch (error) {
      problems.push(`${basename(path)}: ${error instanceof Error ? error.message : String(error)}`);
      warn(`A damaged checkpoint is passed over, ${problems.at(-1)}`);
    }
  }
  if (problems.length === 0) return undefined;
  throw new RATError(
    "ERR_RAT_CHECKPOINT_CORRUPT",
    `No checkpoint in ${checkpoints} is intact (${problems.join("; ")}). Use \`overwrite\` to start again`,
    { details: { file: checkpoints } },
  );
}

/** Deletes all checkpoints but `keep`, and what is left of unfinished ones. */
export async function pruneCheckpoints(checkpoints: string, keep: readonly string[]): Promise<void> {
  await removeLeftovers(checkpoints, FOLDER_NAME);
  for (const path of await listCheckpoints(checkpoints)) {
    if (!keep.includes(path)) await rm(path, { recursive: true, force: true });
  }
}

/** Paths, newest first. */
async function listCheckpoints(checkpoints: string): Promise<string[]> {
  await makeFolder(checkpoints);
  const steps = (await readdir(checkpoints))
    .map((name) => FOLDER_NAME.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number);
  return steps.sort((a, b) => b - a).map((step) => join(checkpoints, `step-${step}`));
}

async function verify(path: string): Promise<RunState> {
  const { format, files, ...state } = await readState(join(path, STATE_FILE));
  if (format !== FORMAT) throw new Error(`format ${format}, this version reads ${FORMAT}`);
  for (const [name, sha256] of Object.entries(files)) {
    if ((await hashFile(join(path, name))) !== sha256)
      throw new Error(`${name} has changed since it was written`);
  }
  return state;
}

/** The checksum covers the whole state, so that a file which passes has the structure that was written. */
async function readState(
  file: string,
): Promise<RunState & { readonly format: number; readonly files: Readonly<Record<string, string>> }> {
  const outer: unknown = JSON.parse(await readFile(file, "utf8"));
  const { sha256, state } = (outer ?? {}) as { sha256?: unknown; state?: unknown };
  if (typeof state !== "string" || hashText(state) !== sha256) {
    throw new Error(`${STATE_FILE} has changed since it was written`);
  }
  return JSON.parse(state);
}
