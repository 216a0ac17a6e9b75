/**
 * Finds and loads the addon. The stamp that the build wrote is compared with the LibTorch that is there now before
 * anything is loaded: a wrong LibTorch fails inside dlopen, with a message that names neither version.
 */
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, Worker } from "node:worker_threads";
import { ADDON_FILE, whyNotLoadable } from "../../native/setup/stamp.mjs";
import { RATError } from "../errors.js";

const require = createRequire(import.meta.url);

/** The package's root: this file is `lib/native/load.ts` or `dist/native/load.js` below it. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const SPIN_COUNT = "10000";

/** `native/addon/variables/`. */
interface VariablesAddon {
  setIfUnset(name: string, value: string): void;
}

const REMEDY = "run npx r-at setup";

/**
 * The folder of the addon that is loaded: `build/Release` of the package, or `Release` in the folder that
 * `RAT_ADDON_BUILD` names (relative to the package), such as `build-asan`.
 */
export function addonFolder(): string {
  const { RAT_ADDON_BUILD } = process.env;
  return join(resolve(ROOT, RAT_ADDON_BUILD || "build"), "Release");
}

/**
 * Loads the addon; a second call, or one in a worker thread, gives that environment's own exports.
 *
 * @throws RATError `ERR_RAT_NATIVE_LOAD` when it has not been built, when LibTorch is gone or of another version than it
 *   was built against (both are named), or when the system cannot load it.
 */
export function loadAddon(): unknown {
  const folder = addonFolder();
  const objection = whyNotLoadable(folder);
  if (objection !== undefined) {
    throw new RATError("ERR_RAT_NATIVE_LOAD", `${REMEDY}: ${objection}`, { details: { file: folder } });
  }
  const bindings = require("bindings") as (options: {
    bindings: string;
    module_root: string;
    try: string[][];
  }) => unknown;
  try {
    limitSpinning(folder);
    // One place only: left alone, `bindings` prefers build/Debug, and a broken file there would stop it.
    return bindings({ bindings: ADDON_FILE, module_root: folder, try: [["module_root", "bindings"]] });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RATError("ERR_RAT_NATIVE_LOAD", `${REMEDY}: the native addon cannot be loaded: ${message}`, {
      cause: error,
      details: { file: join(folder, ADDON_FILE) },
    });
  }
}

/**
 * Does the slow part of loading, some 0.2 s, in a worker thread: after that, {@link loadAddon} finds the libraries in the
 * process and is done in a few milliseconds. What fails here is left to it.
 *
 * @param use - Called while the libraries are held.
 */
export async function preloadAddon<T>(use: () => T): Promise<T> {
  const folder = addonFolder();
  if (whyNotLoadable(folder) !== undefined) return use();
  try {
    limitSpinning(folder);
  } catch {
    return use();
  }
  const worker = new Worker(new URL("./preload-worker.js", import.meta.url), {
    workerData: join(folder, ADDON_FILE),
  });
  try {
    await once(worker, "message").catch(() => undefined);
    return use();
  } finally {
    await worker.terminate();
  }
}

/**
 * A thread that waits for the others at the end of a parallel loop spins for milliseconds by default. Where another
 * process wants the core, each of a step's thousands of loops then costs a time slice: with two trainings on two cores,
 * a TextHAN step took 20 s instead of 0.1. Libgomp reads the variable once, when the addon brings it in; a value of the
 * user's stands. In a worker `process.env` is a copy, so the addon's own small one sets it.
 */
function limitSpinning(folder: string): void {
  const { GOMP_SPINCOUNT, OMP_WAIT_POLICY } = process.env;
  if (GOMP_SPINCOUNT !== undefined || OMP_WAIT_POLICY !== undefined) return;
  if (isMainThread) Object.assign(process.env, { GOMP_SPINCOUNT: SPIN_COUNT });
  else (require(join(folder, "variables.node")) as VariablesAddon).setIfUnset("GOMP_SPINCOUNT", SPIN_COUNT);
}
