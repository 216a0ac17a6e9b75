// Finds a LibTorch on this machine. Candidates in order: RAT_LIBTORCH (or LIBTORCH); the torch of the python3 on the
// PATH; the package's own copies in the cache. Each is taken, or passed over for a reason that is told.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { archiveName } from "./archive.mjs";
import { copiesIn, libtorchFolder, libtorchIn } from "./cache.mjs";
import { inspectLibTorch, isTested, PINNED, releaseOf } from "./libtorch.mjs";
import { SetupProblem } from "./problem.mjs";

/**
 * @param {{ env?: NodeJS.ProcessEnv, python?: import("./probe.d.mts").Python, driver?: import("./probe.d.mts").Driver }} machine
 * @returns {Promise<import("./probe.d.mts").Candidate[]>} every candidate; at most one has `taken`, and it is the last
 *   unless a later one was not looked at
 * @throws SetupProblem when the folder that the user named cannot be used
 */
export async function findLibTorch({ env = process.env, python, driver }) {
  const candidates = [];
  for (const [from, path] of places(env, python)) {
    const libtorch = await inspectLibTorch(path);
    const objection = libtorch.problem ?? (from.startsWith("cache") ? otherArchive(env, path) : undefined);
    const named = from === "RAT_LIBTORCH" || from === "LIBTORCH";
    if (named && objection) {
      throw new SetupProblem(`${from} names ${path}, but ${objection}.`, `unset ${from} && npx r-at setup`);
    }
    const reason = objection ?? (named ? undefined : unfitForDriver(libtorch, driver, env));
    candidates.push({
      from,
      path,
      taken: reason === undefined,
      reason: reason ?? whyTaken(libtorch, named),
      libtorch,
    });
    if (reason === undefined) break;
  }
  return candidates;
}

/** Where to look, in order: `[from, path]`. */
function places(env, python) {
  const found = [];
  const variable = env.RAT_LIBTORCH ? "RAT_LIBTORCH" : "LIBTORCH";
  const named = env[variable];
  if (named) found.push([variable, libtorchIn(resolve(named)) ?? resolve(named)]);
  if (python?.torch) found.push([`python3 (${python.executable})`, python.torch]);
  const copies = copiesIn(libtorchFolder(env)).map((name) => join(libtorchFolder(env), name));
  // The pinned version before others that an earlier release of the package fetched.
  copies.sort((a, b) => Number(b.includes(PINNED)) - Number(a.includes(PINNED)));
  for (const copy of copies) found.push(["cache", libtorchIn(copy) ?? copy]);
  return found;
}

/** An archive that the user asks for by URL is not answered with a copy of something else. */
function otherArchive(env, path) {
  if (!env.RAT_LIBTORCH_URL || !env.RAT_LIBTORCH_SHA256) return undefined;
  const wanted = join(libtorchFolder(env), archiveName(env.RAT_LIBTORCH_SHA256));
  return path.startsWith(wanted) && existsSync(wanted) ? undefined : "RAT_LIBTORCH_URL asks for another one";
}

function unfitForDriver(libtorch, driver, env) {
  if (!driver || env.RAT_CUDA === "OFF") return undefined;
  if (!libtorch.cuda)
    return "it is CPU only and an NVIDIA driver is present (RAT_CUDA=OFF takes it all the same)";
  if (libtorch.missingCudaLibraries.length > 0) {
    return `its CUDA side cannot be loaded: ${libtorch.missingCudaLibraries.join(", ")} not found`;
  }
  return undefined;
}

function whyTaken(libtorch, named) {
  const tested = isTested(libtorch.version)
    ? "tested"
    : `in the supported range but not tested (${PINNED} is)`;
  return `${named ? "named by the user" : "the first that fits"}; version ${releaseOf(libtorch.version)} is ${tested}`;
}
