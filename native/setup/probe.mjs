// All that can be known of the machine without changing it. For the set-up step and for `r-at doctor`.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decideCuda } from "./build.mjs";
import { cacheFolder, copiesIn, cudaCheckFolder, libtorchFolder, sizeOf } from "./cache.mjs";
import { findLibTorch } from "./find.mjs";
import { isTested } from "./libtorch.mjs";
import { probeDriver } from "./nvidia.mjs";
import { SetupProblem } from "./problem.mjs";
import { probePython } from "./python.mjs";
import { probeToolchain } from "./toolchain.mjs";

/** The package's root folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");

/** @returns {Promise<import("./probe.d.mts").Machine>} */
export async function probeMachine(env = process.env) {
  const [python, driver, tools] = await Promise.all([
    probePython(env),
    probeDriver(env),
    probeToolchain(env),
  ]);
  const { candidates, problem } = await candidatesOf({ env, python, driver });
  const chosen = candidates.find((candidate) => candidate.taken);
  return {
    python,
    driver,
    tools,
    candidates,
    chosen,
    problem,
    tested: chosen !== undefined && isTested(chosen.libtorch.version),
    cuda: chosen && cudaOf({ libtorch: chosen.libtorch, tools, driver, env }),
    cache: describeCache(env),
  };
}

function describeCache(env) {
  const folder = cacheFolder(env);
  const places = [libtorchFolder(env), cudaCheckFolder(env)].flatMap((parent) =>
    copiesIn(parent).map((name) => join(parent, name)),
  );
  return { folder, copies: places.map((path) => ({ path, bytes: sizeOf(path) })) };
}

async function candidatesOf(machine) {
  try {
    return { candidates: await findLibTorch(machine), problem: undefined };
  } catch (error) {
    if (!(error instanceof SetupProblem)) throw error;
    return { candidates: [], problem: { message: error.message, remedy: error.remedy } };
  }
}

function cudaOf(inputs) {
  try {
    return decideCuda(inputs);
  } catch (error) {
    if (!(error instanceof SetupProblem)) throw error;
    return { cuda: false, reason: error.message, warn: true };
  }
}
