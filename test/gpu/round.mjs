// npm run gpu:round [FOLDER]: all that a machine with a GPU can say, in less than ten minutes, a line for each part last:
//   build      the addon with CUDA, and rat_gpu_tests, for this card alone, into build-gpu/
//   kernels    rat_gpu_tests: every kernel beside the CPU's
//   sanitizer  a sample of it under compute-sanitizer, where that is installed: memory, races
//   tests      npm run test:gpu
//   benchmark  BERT-base in bf16 by R-AT on three lengths, beside PyTorch where it is installed
// FOLDER (gpu-round/) gets round.json, the logs, and the benchmark's JSON. Exit code 1 if a part failed or was left out.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { machineFor, ROOT } from "../support/addon-variant.mjs";

const SECONDS = 590;
const AGAIN = "npm run gpu:round";
const folder = resolve(process.argv[2] ?? "gpu-round");
mkdirSync(folder, { recursive: true });
const started = Date.now();
const parts = [];

const { tools, libtorch } = await machineFor(AGAIN);
const cards = spawnSync(
  "nvidia-smi",
  ["--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"],
  {
    encoding: "utf8",
  },
);
if (cards.status !== 0) end("there is no GPU: nvidia-smi says nothing");
if (!tools.nvcc) end("there is no nvcc: install the CUDA toolkit, or set CUDACXX");
const [name, capability, driver] = cards.stdout.trim().split("\n")[0].split(", ");
console.log(
  `gpu-round: ${name}, compute capability ${capability}, driver ${driver}, LibTorch ${libtorch.version}`,
);

const architectures = `${capability.replace(".", "")}-real`;
await part("build", 240, [[process.execPath, ["test/gpu/build.mjs", architectures]]]);
const program = join(ROOT, "build-gpu/rat_gpu_tests");
await part("kernels", 60, [[program, []]]);
const sanitizer = ["compute-sanitizer", join(tools.nvcc.path, "../compute-sanitizer")].find(
  (path) => spawnSync(path, ["--version"]).status === 0,
);
if (sanitizer)
  await part(
    "sanitizer",
    90,
    ["memcheck", "racecheck"].map((tool) => [
      sanitizer,
      ["--tool", tool, "--error-exitcode", "1", program, "quick"],
    ]),
  );
else leaveOut("sanitizer", "compute-sanitizer is not installed");
const built = { RAT_ADDON_BUILD: "build-gpu" };
await part("tests", 150, [["npm", ["run", "--silent", "test:gpu"], { ...built, RAT_GPU_SIM_QUICK: "1" }]]);
await part(
  "benchmark",
  180,
  ["sst2", "mnli", "imdb"].map((task) => [
    "npm",
    [
      ...["run", "--silent", "bench", "--", "--only", "training", "--model", "bert-base", "--task", task],
      ...["--regularizer", "r-at", "--precision", "bf16", "--device", "cuda"],
      ...["--compare", "tuned", "--output", join(folder, `${task}.json`)],
    ],
    built,
  ]),
);
end();

/** Runs commands one after the other, in `seconds` at most and in what is left of all. */
async function part(title, seconds, commands) {
  const begun = Date.now();
  const limit = begun + 1000 * Math.min(seconds, SECONDS - (begun - started) / 1000);
  const log = join(folder, `${title}.log`);
  let problem;
  for (const [i, [command, args, env = {}]] of commands.entries()) {
    problem = await logged(command, args, { env, limit, log, flags: i === 0 ? "w" : "a" });
    // Tests of what is not there are left out by vitest, which is no success here.
    if (!problem && /gpu: SKIPPED/.test(readFileSync(log, "utf8"))) problem = "the addon finds no GPU";
    if (problem) break;
  }
  parts.push({ part: title, outcome: problem ? "failed" : "passed", problem, seconds: since(begun) });
  console.log(
    `gpu-round: ${title} ${problem ? `failed (${problem}; ${log})` : "passed"} in ${since(begun)} s`,
  );
}

function leaveOut(title, problem) {
  parts.push({ part: title, outcome: "left out", problem, seconds: 0 });
  console.log(`gpu-round: ${title} LEFT OUT: ${problem}`);
}

/** What went wrong, if anything. */
function logged(command, args, { env, limit, log, flags }) {
  const left = limit - Date.now();
  if (left <= 0) return Promise.resolve("there was no time left");
  const file = createWriteStream(log, { flags });
  return new Promise((settle) => {
    const child = spawn(command, args, {
      ...{ cwd: ROOT, env: { ...process.env, ...env }, timeout: left, killSignal: "SIGKILL" },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.pipe(file, { end: false });
      stream.pipe(process.stdout, { end: false });
    }
    child.on("error", (error) => settle(error.message));
    child.on("close", (code, signal) => {
      const problem = signal ? `ended by ${signal}, after the time it had` : `exit code ${code}`;
      file.end(() => settle(code === 0 ? undefined : problem));
    });
  });
}

function since(time) {
  return Math.round((Date.now() - time) / 100) / 10;
}

function end(problem) {
  const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" });
  const round = {
    ...{ date: new Date().toISOString(), commit: commit.stdout?.trim() || null, problem },
    ...{
      gpus: cards.stdout?.trim().split("\n") ?? [],
      libtorch: libtorch.version,
      nvcc: tools.nvcc?.version,
    },
    ...{ seconds: since(started), parts },
  };
  writeFileSync(join(folder, "round.json"), `${JSON.stringify(round, null, 2)}\n`);
  if (problem) console.error(`gpu-round: ${problem}`);
  for (const { part, outcome, seconds } of parts)
    console.log(`${part.padEnd(10)} ${outcome.padEnd(9)} ${String(seconds).padStart(6)} s`);
  console.log(`gpu-round: ${since(started)} s in all; ${join(folder, "round.json")}`);
  process.exit(!problem && parts.every(({ outcome }) => outcome === "passed") ? 0 : 1);
}
