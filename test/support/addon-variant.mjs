// Builds the addon another way, into a folder of its own beside build/, for tests that load it by RAT_ADDON_BUILD.
import { join } from "node:path";
import { compile } from "../../native/setup/build.mjs";
import { libraryMtime } from "../../native/setup/libtorch.mjs";
import { probeMachine, ROOT } from "../../native/setup/probe.mjs";
import { writeStamp } from "../../native/setup/stamp.mjs";
import { requireToolchain } from "../../native/setup/toolchain.mjs";

export { ROOT };

/**
 * The LibTorch that set-up would take, and the tools.
 *
 * @param {string} again the command that was run, for messages
 */
export async function machineFor(again) {
  const { tools, chosen, problem } = await probeMachine();
  if (problem || !chosen)
    throw new Error(problem?.message ?? "there is no LibTorch; run npm run build:native first");
  requireToolchain(tools, again);
  return { tools, libtorch: chosen.libtorch };
}

/**
 * @param {string} name of the folder, as `build-asan`
 * @param {Record<string, string>} definitions for CMake
 * @param {{ again: string, kind: string, cuda?: boolean }} options `kind`: what the stamp says in place of a hash of the sources;
 *   `cuda`: whether it is for real CUDA devices. Default: false.
 */
export async function buildVariant(name, definitions, { again, kind, cuda = false }) {
  const { tools, libtorch } = await machineFor(again);
  const out = join(ROOT, name);
  await compile({ root: ROOT, out, libtorch, cuda, tools, definitions, again });
  writeStamp(join(out, "Release"), {
    libtorch: libtorch.path,
    version: libtorch.version,
    libtorchMtime: libraryMtime(libtorch.path),
    cuda,
    built: new Date().toISOString(),
    sources: kind,
  });
  return { tools, libtorch };
}
