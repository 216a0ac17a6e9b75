// npm run build:cuda-check: what can be known of the CUDA side without a GPU. Compiles and links everything against the
// newest supported LibTorch for sm_86 and sm_90, holds what the kernels take of a multiprocessor against resources.json
// (`--update` writes it), and has the compiler read the CUDA sources with the headers of the oldest. Needs nvcc and the LibTorchs;
// where one cannot be had it says so and ends with "SKIPPED" and exit 0; with --require, exit 1.
//
//   RAT_CUDA_LIBTORCH          the newest CUDA LibTorch to compile against; else one that is found, else a wheel is fetched
//   RAT_CUDA_LIBTORCH_OLDEST   the oldest; else a wheel is fetched
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../native/setup/build.mjs";
import { cudaCheckFolder, libtorchIn, publish } from "../../native/setup/cache.mjs";
import { inspectLibTorch } from "../../native/setup/libtorch.mjs";
import { probeMachine, ROOT } from "../../native/setup/probe.mjs";
import { SetupProblem } from "../../native/setup/problem.mjs";
import { lastLines, run } from "../../native/setup/run.mjs";
import { requireToolchain } from "../../native/setup/toolchain.mjs";
import { complaints, parseResources, tableOf } from "./resources.mjs";

/**
 * The newest supported wheel, because it is the likeliest to change what we include, or the next one where that cannot be had
 * (pip may be held back); and the oldest.
 */
const NEWEST = { wheels: ["torch==2.15.0", "torch==2.14.1"], variable: "RAT_CUDA_LIBTORCH" };
const OLDEST = { wheels: ["torch==2.11.0"], variable: "RAT_CUDA_LIBTORCH_OLDEST" };

const ARCHITECTURES = ["86", "90"];

const AGAIN = "npm run build:cuda-check";
const TABLE = join(import.meta.dirname, "resources.json");

/** Something that this machine lacks; not a failure of the sources. */
class Unavailable extends Error {}

async function main() {
  const { tools, python, candidates } = await probeMachine();
  if (!tools.nvcc) throw new Unavailable("there is no nvcc (install the CUDA toolkit, or set CUDACXX)");
  requireToolchain(tools, AGAIN);
  const newest = await cudaLibTorch(NEWEST, candidates, python, tools.nvcc);
  const output = await timed(`everything against LibTorch ${newest.version}`, () =>
    compileAll(newest, tools),
  );
  const oldest = await cudaLibTorch(OLDEST, [], python, tools.nvcc);
  await timed(`the CUDA sources with the headers of LibTorch ${oldest.version}`, () =>
    readSources(oldest, tools),
  );
  await checkResources(output, tools.nvcc.version);
}

async function timed(what, work) {
  const started = Date.now();
  const result = await work();
  console.log(`cuda-check: compiled ${what} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** Links too, and returns what ptxas said of each kernel. The host's code is not optimised: nothing of this build is run. */
function compileAll(libtorch, tools) {
  const out = join(ROOT, "build-cuda");
  // So that all are compiled, and spoken of, again.
  if (existsSync(out))
    for (const name of readdirSync(out, { recursive: true }))
      if (name.endsWith(".cu.o")) rmSync(join(out, name));
  const definitions = {
    RAT_GPU_TESTS: "ON",
    // Real code, so that ptxas runs.
    CMAKE_CUDA_ARCHITECTURES: ARCHITECTURES.map((number) => `${number}-real`).join(";"),
    CMAKE_CUDA_FLAGS: "-Xptxas=-v",
    CMAKE_CXX_FLAGS_RELEASE: "-O0",
  };
  return compile({ root: ROOT, out, libtorch, cuda: true, tools, definitions, again: AGAIN });
}

/** Of native/cuda/*.cu, as far as PTX that is not optimised: what an older LibTorch lacks is an error by then. */
async function readSources(libtorch, tools) {
  const folder = mkdtempSync(join(tmpdir(), "rat-cuda-check-"));
  const flags = [
    ...["-std=c++20", "-ptx", `-arch=compute_${ARCHITECTURES[0]}`, "-Xcicc=-O0"],
    ...["--expt-relaxed-constexpr", "--diag-suppress=20012", "-DRAT_CUDA"],
    ...["-I", join(ROOT, "native"), "-isystem", join(libtorch.path, "include")],
    ...["-isystem", join(libtorch.path, "include/torch/csrc/api/include"), "-ccbin", tools.compiler.path],
    `-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi ? 1 : 0}`,
  ];
  const sources = readdirSync(join(ROOT, "native/cuda")).filter((name) => name.endsWith(".cu"));
  const worker = async () => {
    for (let name = sources.pop(); name !== undefined; name = sources.pop()) {
      const files = [join(ROOT, "native/cuda", name), "-o", join(folder, `${name}.ptx`)];
      const { code, stdout, stderr } = await run(tools.nvcc.path, [...flags, ...files]);
      if (code !== 0) throw new SetupProblem(`${name} does not compile:\n${stdout}${stderr}`, AGAIN);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function checkResources(output, version) {
  const parsed = parseResources(output);
  const { code, stdout } = await run(
    "c++filt",
    parsed.map(({ kernel }) => kernel),
  );
  if (code !== 0) throw new Unavailable("there is no c++filt (install binutils)");
  const names = stdout.trim().split("\n");
  const kernels = parsed.map((taken, i) => ({ ...taken, kernel: readable(names[i]) }));
  if (kernels.length === 0) throw new Error("ptxas said nothing of kernels");
  const { nvcc, kernels: table } = JSON.parse(readFileSync(TABLE, "utf8"));
  if (process.argv.includes("--update")) {
    writeFileSync(TABLE, `${JSON.stringify({ nvcc: version, kernels: tableOf(kernels, table) }, null, 2)}\n`);
    console.log(`cuda-check: wrote ${kernels.length} lines of ${TABLE}`);
  }
  const found = complaints(kernels, JSON.parse(readFileSync(TABLE, "utf8")).kernels);
  if (found.length > 0)
    throw new SetupProblem(
      `the kernels take more than resources.json says (made with nvcc ${nvcc}, this is ${version}):\n  ${found.join("\n  ")}`,
      `${AGAIN} -- --update`,
    );
  console.log(`cuda-check: ${kernels.length} kernels within resources.json: no spills, no stack frames`);
}

/** `add_rows<float>` of `void rat::cuda::(anonymous namespace)::add_rows<float>(float const*, ...)`. */
function readable(name) {
  return /([\w]+(?:<[^(]*>)?)\(/.exec(name.replaceAll("(anonymous namespace)::", ""))?.[1] ?? name;
}

/** The one that the variable names, else one of nvcc's release among `candidates`, else a wheel fetched for this check. */
async function cudaLibTorch({ wheels, variable }, candidates, python, nvcc) {
  const named = process.env[variable];
  if (named) {
    const libtorch = await inspectLibTorch(libtorchIn(named) ?? named, { mustLoad: false });
    const problem = libtorch.problem ?? whyUnfit(libtorch, nvcc);
    if (problem)
      throw new SetupProblem(`${variable} names ${named}, but ${problem}.`, `unset ${variable} && ${AGAIN}`);
    return libtorch;
  }
  const present = candidates.find(
    ({ libtorch }) => !libtorch.problem && whyUnfit(libtorch, nvcc) === undefined,
  );
  if (present) return present.libtorch;
  for (const [i, wheel] of wheels.entries()) {
    try {
      return await fetchedWheel(wheel, python, nvcc);
    } catch (error) {
      if (!(error instanceof Unavailable) || i + 1 === wheels.length) throw error;
      console.log(`cuda-check: ${error.message}`);
    }
  }
}

function whyUnfit(libtorch, nvcc) {
  if (!libtorch.cuda) return "it is CPU only";
  const [wanted, have] = [libtorch.cudaVersion, nvcc.version].map((version) => version?.split(".")[0]);
  if (wanted !== undefined && wanted !== have)
    return `it is of CUDA ${libtorch.cudaVersion} and nvcc of ${nvcc.version}`;
  return undefined;
}

async function fetchedWheel(wheel, python, nvcc) {
  if (!python?.pip) throw new Unavailable("there is no CUDA LibTorch, and no python3 with pip to fetch one");
  const parent = cudaCheckFolder();
  const inspect = (folder) => inspectLibTorch(libtorchIn(folder) ?? folder, { mustLoad: false });
  const isUsable = async (folder) => {
    const libtorch = await inspect(folder);
    return libtorch.problem === undefined && whyUnfit(libtorch, nvcc) === undefined;
  };
  const fill = async (folder) => {
    console.log(
      `cuda-check: fetching ${wheel}, its headers and libraries alone: 0.6 GB to fetch, 1.2 GB on disk`,
    );
    const pip = ["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-compile", "--quiet"];
    const { code, stderr } = await run(python.executable, [...pip, "--target", folder, wheel]);
    if (code !== 0) throw new Unavailable(`the wheel ${wheel} cannot be had: ${lastLines(stderr, 2)}`);
    if (await isUsable(folder)) return;
    const { version, problem } = await inspect(folder);
    throw new Unavailable(
      `pip gave ${wheel} as ${version}, which does not fit nvcc ${nvcc.version}: ${problem ?? "not its CUDA"}`,
    );
  };
  const place = await publish(parent, wheel.replace("==", "-"), { fill, isUsable }, (message) =>
    console.log(`cuda-check: ${message}`),
  );
  return inspect(place);
}

try {
  await main();
} catch (error) {
  if (error instanceof Unavailable) {
    const line = "*".repeat(78);
    console.warn(`${line}\ncuda-check: SKIPPED: ${error.message}\n${line}`);
    process.exitCode = process.argv.includes("--require") ? 1 : 0;
  } else {
    console.error(`cuda-check: failed: ${error instanceof SetupProblem ? error.message : error.stack}`);
    process.exitCode = 1;
  }
}
