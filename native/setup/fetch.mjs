// Fetches LibTorch into the cache: the archive that the user names, or the pinned wheel with pip as the machine has it
// configured. Only the libraries and headers are wanted, so a wheel for another Python does as well as one for this.
import { mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { archiveName, fetchArchive, requestedArchive } from "./archive.mjs";
import { libtorchFolder, libtorchIn, publish } from "./cache.mjs";
import { inspectLibTorch, PINNED } from "./libtorch.mjs";
import { SetupProblem } from "./problem.mjs";
import { lastLines, run } from "./run.mjs";

const CPU_INDEX = "https://download.pytorch.org/whl/cpu";

/** Python version whose wheels are tried when there is none for the machine's own. */
const COMMON_PYTHON = "3.11";

/** Runtime libraries that even the CPU part of the default Linux wheel loads, in the series it was built with. */
const CUDA_RUNTIME = ["nvidia-cuda-runtime==13.0.*", "nvidia-cuda-cupti==13.0.*"];

/** GB to download and on disk, measured for 2.13.0 on x86-64. */
const SIZES = { cpu: [0.2, 0.7], default: [0.6, 1.2], cuda: [2.9, 6.5] };

/**
 * The ways to get a wheel, best first. Each is one pip command.
 *
 * @returns {{ what: string, size: [number, number], args: string[] }[]}
 */
export function wheelPlans({ cuda, pythonVersion, platform = process.platform }) {
  const sources = [];
  if (cuda) {
    // With its dependencies: the versions of the CUDA libraries are pip's to resolve.
    sources.push({
      what: "CUDA wheel with its CUDA libraries",
      size: SIZES.cuda,
      args: [`torch==${PINNED}`],
    });
  } else if (platform === "darwin") {
    sources.push({ what: "wheel", size: SIZES.cpu, args: ["--no-deps", `torch==${PINNED}`] });
  } else {
    const cpu = ["--no-deps", `torch==${PINNED}+cpu`];
    sources.push(
      { what: "CPU wheel", size: SIZES.cpu, args: cpu },
      {
        what: "CPU wheel from PyTorch's index",
        size: SIZES.cpu,
        args: [...cpu, "--extra-index-url", CPU_INDEX],
      },
      {
        what: "default wheel, for its CPU part",
        size: SIZES.default,
        args: ["--no-deps", `torch==${PINNED}`, ...CUDA_RUNTIME],
      },
    );
  }
  const pythons = pythonVersion === COMMON_PYTHON ? [undefined] : [undefined, COMMON_PYTHON];
  return sources.flatMap(({ what, size, args }) =>
    pythons.map((version) => ({
      what: version ? `${what} for Python ${version}` : what,
      size,
      args: version ? [...args, "--python-version", version] : args,
    })),
  );
}

/**
 * Brings a LibTorch into the cache.
 *
 * @returns {Promise<{ from: string, libtorch: import("./probe.d.mts").LibTorch }>}
 * @throws SetupProblem with all that was tried
 */
export async function fetchLibTorch({ env, python, driver, tools, again, say }) {
  const archive = requestedArchive(env);
  const cuda = driver !== undefined && env.RAT_CUDA !== "OFF";
  const name = archive ? archiveName(archive.sha256) : `torch-${PINNED}-${cuda ? "cuda" : "cpu"}`;
  let from = "a copy that another set-up has just fetched";
  const objection = async (folder) => {
    const { problem, missingCudaLibraries } = await inspectLibTorch(libtorchIn(folder) ?? folder);
    if (problem || !cuda || missingCudaLibraries.length === 0) return problem;
    return `${missingCudaLibraries.join(", ")} cannot be found`;
  };
  const fill = async (folder) => {
    if (archive) {
      from = archive.url.href;
      say(`fetching the archive ${from}`);
      await fetchArchive(archive, folder, tools);
    } else {
      from = await fetchWheel(folder, { env, python, cuda, again, say });
    }
    const problem = await objection(folder);
    if (problem) {
      throw new SetupProblem(
        `What was fetched (${from}) cannot be used: ${problem}.`,
        `RAT_LIBTORCH=/path/to/libtorch ${again}`,
      );
    }
  };
  const isUsable = async (folder) => (await objection(folder)) === undefined;
  const copy = await publish(libtorchFolder(env), name, { fill, isUsable }, say);
  return { from, libtorch: await inspectLibTorch(libtorchIn(copy) ?? copy) };
}

async function fetchWheel(folder, { env, python, cuda, again, say }) {
  if (!python?.pip) {
    const missing = python ? `${python.executable} has no pip` : "there is no python3 on the PATH";
    throw new SetupProblem(
      `LibTorch has to be fetched, which needs python3 with pip, and ${missing}. (Or name a LibTorch folder with RAT_LIBTORCH.)`,
      process.platform === "darwin"
        ? `brew install python && ${again}`
        : `sudo apt-get install -y python3-pip && ${again}`,
    );
  }
  const tried = [];
  for (const { what, size, args } of wheelPlans({ cuda, pythonVersion: python.version })) {
    requireSpace(libtorchFolder(env), size[1], again);
    say(`trying torch ${PINNED}, the ${what}: ${size[0]} GB to fetch, ${size[1]} GB on disk`);
    const pip = ["-m", "pip", "install", "--target", folder, "--only-binary=:all:", "--no-compile"];
    pip.push("--disable-pip-version-check", "--no-input", "--quiet", ...args);
    const { code, stderr } = await withHeartbeat(say, () => run(python.executable, pip, { env }));
    if (code === 0) return `the ${what}, python3 -m pip install ${args.join(" ")}`;
    const why = lastLines(stderr.replace(/^WARNING:.*$/gm, ""), 1);
    tried.push(`pip install ${args.join(" ")}\n    ${why}`);
    say(`  that did not work: ${why}`);
    for (const left of readdirSync(folder)) rmSync(join(folder, left), { recursive: true, force: true });
  }
  throw new SetupProblem(
    `No wheel of torch ${PINNED} could be installed with pip. Without a network, unpack a LibTorch ${PINNED} and name it.`,
    `RAT_LIBTORCH=/path/to/libtorch ${again}`,
    tried,
  );
}

function requireSpace(folder, gigabytes, again) {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  // pip unpacks beside the wheel it has fetched, so both are there for a while.
  const needed = gigabytes * 1.5;
  if (free < needed) {
    throw new SetupProblem(
      `${folder} has ${free.toFixed(1)} GB free, and fetching LibTorch needs about ${needed.toFixed(1)} GB.`,
      `RAT_CACHE=/a/larger/disk ${again}`,
    );
  }
}

/** Says every 20 s that work goes on, so that a long download does not look like a hang. */
async function withHeartbeat(say, work) {
  const started = Date.now();
  const timer = setInterval(
    () => say(`  still at it, ${Math.round((Date.now() - started) / 1000)} s`),
    20_000,
  );
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
