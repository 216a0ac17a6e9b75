// npm run build:cuda-check: compiles and links everything with CUDA for sm_86 and sm_90. Needs nvcc and a CUDA LibTorch,
// no GPU. Where one of them cannot be had it says so and ends with "SKIPPED" and exit 0; with --require, exit 1.
//
//   RAT_CUDA_LIBTORCH   the CUDA LibTorch to compile against; else one that is found, else a wheel is fetched
import { join } from "node:path";
import { compile } from "../setup/build.mjs";
import { cudaCheckFolder, libtorchIn, publish } from "../setup/cache.mjs";
import { inspectLibTorch } from "../setup/libtorch.mjs";
import { probeMachine, ROOT } from "../setup/probe.mjs";
import { SetupProblem } from "../setup/problem.mjs";
import { lastLines, run } from "../setup/run.mjs";
import { requireToolchain } from "../setup/toolchain.mjs";

/** The wheel to compile against: the newest supported one, because it is the likeliest to change what we include. */
const WHEEL = "torch==2.14.1";

/** Real code for the two architectures, so that ptxas runs for each. */
const ARCHITECTURES = "86-real;90-real";

const AGAIN = "npm run build:cuda-check";

/** Something that this machine lacks; not a failure of the sources. */
class Unavailable extends Error {}

async function main() {
  const { tools, python, candidates } = await probeMachine();
  if (!tools.nvcc) throw new Unavailable("there is no nvcc (install the CUDA toolkit, or set CUDACXX)");
  requireToolchain(tools, AGAIN);
  const libtorch = await cudaLibTorch(candidates, python, tools.nvcc);
  console.log(`cuda-check: nvcc ${tools.nvcc.version}, LibTorch ${libtorch.version} in ${libtorch.path}`);
  const started = Date.now();
  const out = join(ROOT, "build-cuda");
  const definitions = { CMAKE_CUDA_ARCHITECTURES: ARCHITECTURES };
  await compile({ root: ROOT, out, libtorch, cuda: true, tools, definitions, again: AGAIN });
  const took = ((Date.now() - started) / 1000).toFixed(0);
  console.log(`cuda-check: compiled and linked for sm_86 and sm_90 in ${took} s`);
}

/** RAT_CUDA_LIBTORCH, else a CUDA one of nvcc's release that set-up would see, else a wheel fetched for this check. */
async function cudaLibTorch(candidates, python, nvcc) {
  const named = process.env.RAT_CUDA_LIBTORCH;
  if (named) {
    const libtorch = await inspectLibTorch(libtorchIn(named) ?? named, { mustLoad: false });
    const problem = libtorch.problem ?? whyUnfit(libtorch, nvcc);
    if (problem)
      throw new SetupProblem(
        `RAT_CUDA_LIBTORCH names ${named}, but ${problem}.`,
        `unset RAT_CUDA_LIBTORCH && ${AGAIN}`,
      );
    return libtorch;
  }
  const present = candidates.find(
    ({ libtorch }) => !libtorch.problem && whyUnfit(libtorch, nvcc) === undefined,
  );
  if (present) return present.libtorch;
  return fetchedWheel(python, nvcc);
}

function whyUnfit(libtorch, nvcc) {
  if (!libtorch.cuda) return "it is CPU only";
  const [wanted, have] = [libtorch.cudaVersion, nvcc.version].map((version) => version?.split(".")[0]);
  if (wanted !== undefined && wanted !== have)
    return `it is of CUDA ${libtorch.cudaVersion} and nvcc of ${nvcc.version}`;
  return undefined;
}

async function fetchedWheel(python, nvcc) {
  if (!python?.pip) throw new Unavailable("there is no CUDA LibTorch, and no python3 with pip to fetch one");
  const parent = cudaCheckFolder();
  const inspect = (folder) => inspectLibTorch(libtorchIn(folder) ?? folder, { mustLoad: false });
  const isUsable = async (folder) => {
    const libtorch = await inspect(folder);
    return libtorch.problem === undefined && whyUnfit(libtorch, nvcc) === undefined;
  };
  const fill = async (folder) => {
    console.log(
      `cuda-check: fetching ${WHEEL}, its headers and libraries alone: 0.6 GB to fetch, 1.2 GB on disk`,
    );
    const pip = ["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-compile", "--quiet"];
    const { code, stderr } = await run(python.executable, [...pip, "--target", folder, WHEEL]);
    if (code !== 0) throw new Unavailable(`the wheel ${WHEEL} cannot be had: ${lastLines(stderr, 2)}`);
    if (await isUsable(folder)) return;
    const { version, problem } = await inspect(folder);
    throw new Unavailable(
      `pip gave ${WHEEL} as ${version}, which does not fit nvcc ${nvcc.version}: ${problem ?? "not its CUDA"}`,
    );
  };
  const place = await publish(parent, WHEEL.replace("==", "-"), { fill, isUsable }, (message) =>
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
