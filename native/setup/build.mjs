// Compiles the addon with cmake-js, proves in a process of its own that it loads, and stamps it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { libraryMtime } from "./libtorch.mjs";
import { SetupProblem } from "./problem.mjs";
import { CompilerProgress } from "./progress.mjs";
import { lastLines, run } from "./run.mjs";
import { ADDON_FILE, hashSources, STAMP_FILE, writeStamp } from "./stamp.mjs";

/** Memory that one compiler process may take: LibTorch's headers cost about 1 GB. */
const BYTES_PER_JOB = 1.5e9;

/** The folder that holds the addon of the ordinary build. */
export const releaseFolder = (root) => join(root, "build", "Release");

/** The hash of the sources, with the header packages that this checkout resolves. */
export function sourcesOf(root) {
  const require = createRequire(join(root, "package.json"));
  return hashSources(root, (name) => require(`${name}/package.json`).version);
}

/**
 * Whether CUDA is compiled, and why not where a CUDA LibTorch would allow it.
 *
 * @returns {{ cuda: boolean, reason: string, warn: boolean }} `warn`: the user has a CUDA LibTorch and gets a CPU build
 */
export function decideCuda({ libtorch, tools, driver, env }) {
  if (env.RAT_CUDA === "OFF") return { cuda: false, reason: "RAT_CUDA=OFF", warn: false };
  const obstacle = cudaObstacle(libtorch, tools);
  if (obstacle === undefined)
    return { cuda: true, reason: "a CUDA LibTorch and nvcc are there", warn: false };
  if (env.RAT_CUDA === "ON") throw new SetupProblem(`RAT_CUDA=ON, but ${obstacle.why}.`, obstacle.remedy);
  return {
    cuda: false,
    reason: `${obstacle.why}. ${obstacle.hint}`,
    warn: libtorch.cuda || driver !== undefined,
  };
}

function cudaObstacle(libtorch, { nvcc }) {
  if (!libtorch.cuda) {
    const remedy = "unset RAT_LIBTORCH RAT_LIBTORCH_URL && npx r-at setup";
    return { why: `the LibTorch in ${libtorch.path} is CPU only`, hint: "", remedy };
  }
  if (libtorch.missingCudaLibraries.length > 0) {
    const why = `${libtorch.missingCudaLibraries.join(", ")}, which LibTorch's CUDA side needs, cannot be found`;
    return {
      why,
      hint: "With an NVIDIA driver, set-up fetches a complete CUDA LibTorch.",
      remedy: "npx r-at setup",
    };
  }
  const release = libtorch.cudaVersion ?? "of LibTorch's version";
  const hint = `Install the CUDA toolkit ${release} (nvcc) and run: npx r-at setup`;
  if (!nvcc) return { why: "there is no nvcc", hint, remedy: hint };
  const [wanted, have] = [libtorch.cudaVersion, nvcc.version].map((version) => version?.split(".")[0]);
  if (wanted !== undefined && wanted !== have) {
    return { why: `nvcc is of CUDA ${nvcc.version} and LibTorch of CUDA ${release}`, hint, remedy: hint };
  }
  return undefined;
}

/**
 * Configures and compiles. What a former build in `out` made is used again unless its settings were others.
 *
 * @param {{ root: string, out: string, libtorch: import("./probe.d.mts").LibTorch, cuda: boolean,
 *   tools: import("./probe.d.mts").Toolchain, definitions?: Record<string, string>, again: string }} options
 * @returns {Promise<string>} what the compilers said
 */
export async function compile({ root, out, libtorch, cuda, tools, definitions = {}, again }) {
  const settings = {
    RAT_LIBTORCH: libtorch.path,
    RAT_LIBTORCH_VERSION: libtorch.version,
    RAT_CXX11_ABI: libtorch.cxx11Abi ? "1" : "0",
    RAT_CUDA: cuda ? "ON" : "OFF",
    CMAKE_CXX_COMPILER: tools.compiler.path,
    ...(cuda ? { CMAKE_CUDA_COMPILER: tools.nvcc.path } : {}),
    ...definitions,
  };
  // CMake keeps what it once found, the place of the sources included, and never looks again.
  const fingerprint = JSON.stringify({ root, mtime: libraryMtime(libtorch.path), ...settings });
  const record = join(out, "rat.settings.json");
  if (existsSync(out) && (!existsSync(record) || readFileSync(record, "utf8") !== fingerprint)) {
    rmSync(out, { recursive: true, force: true });
  }
  makeFolder(out, root, again);
  writeFileSync(record, fingerprint);

  const require = createRequire(join(root, "package.json"));
  const cmakeJs = join(dirname(require.resolve("cmake-js/package.json")), "bin/cmake-js");
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
  const common = ["--directory", root, "--out", out, "--parallel", String(jobs)];
  const defines = Object.entries(settings).map(([key, value]) => `--CD${key}=${value}`);
  let said = "";
  for (const [step, args] of [
    ["configuring", ["configure", ...common, ...defines]],
    ["compiling", ["build", ...common, ...defines]],
  ]) {
    const progress = new CompilerProgress();
    const { code, stdout, stderr } = await run(process.execPath, [cmakeJs, ...args], {
      cwd: root,
      onLine: (line) => progress.take(line),
    }).finally(() => progress.stop());
    if (code !== 0) {
      throw new SetupProblem(`${step} the addon failed:\n${firstErrors(`${stdout}\n${stderr}`)}`, again);
    }
    said = `${stdout}\n${stderr}`;
  }
  return said;
}

function makeFolder(folder, root, again) {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new SetupProblem(
      `${folder} cannot be made: ${error.message}`,
      `sudo chown -R "$(id -un)" '${root}' && ${again}`,
    );
  }
}

/** Takes away all that a build leaves but what runs: the precompiled header alone has 450 MB. */
export function prune(root) {
  const out = join(root, "build");
  for (const name of readdirSync(out))
    if (name !== "Release") rmSync(join(out, name), { recursive: true, force: true });
  const folder = releaseFolder(root);
  for (const name of readdirSync(folder))
    if (name !== ADDON_FILE && name !== STAMP_FILE) rmSync(join(folder, name), { force: true });
}

/** The compiler's first complaints, else the end of the output: what a person needs of thousands of lines. */
function firstErrors(output) {
  const lines = output.split("\n");
  const first = lines.findIndex((line) => /\berror\b[: ]|CMake Error/i.test(line));
  return (first < 0 ? lines.slice(-25) : lines.slice(first, first + 25)).join("\n");
}

/**
 * Builds the addon that the package loads, proves it and stamps it.
 *
 * @returns {Promise<{ build: number, check: number }>} seconds of each part
 */
export async function buildAddon({ root, libtorch, cuda, tools, again }) {
  const folder = releaseFolder(root);
  const started = Date.now();
  // Without a stamp nothing is loaded: a build that fails half-way must not leave the old claim behind.
  rmSync(join(folder, STAMP_FILE), { force: true });
  await compile({ root, out: join(root, "build"), libtorch, cuda, tools, again });
  const built = Date.now();
  await prove(join(folder, ADDON_FILE), libtorch.version, again);
  writeStamp(folder, {
    libtorch: libtorch.path,
    version: libtorch.version,
    libtorchMtime: libraryMtime(libtorch.path),
    cuda,
    built: new Date(built).toISOString(),
    sources: sourcesOf(root),
  });
  return { build: (built - started) / 1000, check: (Date.now() - built) / 1000 };
}

/** Loads the addon in a child process: a crash there is a message here. */
async function prove(addon, version, again) {
  const script = `try { console.log(require(process.argv[1]).buildInfo().libtorchVersion); }
    catch (error) { console.error(error.message); process.exit(1); }`;
  const { code, stdout, stderr } = await run(process.execPath, ["-e", script, addon], { timeoutMs: 120_000 });
  if (code === 0 && stdout.trim() === version) return;
  const said =
    code === 0 ? `it says it was built against ${stdout.trim()}, not ${version}` : lastLines(stderr, 8);
  throw new SetupProblem(`The addon was built but cannot be used: ${said}`, `rm -rf build && ${again}`);
}
