// npm run test:gpu-sim: builds the addon and the test programs for a simulated GPU and runs the projects `gpu` and `gpu-sim`
// of vitest on them. Needs a CPU LibTorch that came as a wheel, and g++. Arguments go to vitest.
//   RAT_GPU_SIM_QUICK=1   the part that CI runs each time: the addon alone, and a sample of the GPU project's cases
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CompilerProgress } from "../../native/setup/progress.mjs";
import { run } from "../../native/setup/run.mjs";
import { buildVariant, ROOT } from "../support/addon-variant.mjs";

const AGAIN = "npm run test:gpu-sim";
const QUICK = Boolean(process.env.RAT_GPU_SIM_QUICK);

const { tools, libtorch } = await timed("the addon", () =>
  buildVariant("build-sim", { RAT_GPU_SIM: "ON" }, { again: AGAIN, kind: "simulated" }),
);
for (const sanitizer of QUICK ? [] : ["address", "thread"])
  await timed(`the kernels' tests, ${sanitizer} sanitizer`, () => buildPrograms(sanitizer));

const { status, signal } = spawnSync(
  process.execPath,
  [
    join(ROOT, "node_modules/vitest/vitest.mjs"),
    ...["run", "--project", "gpu", "--project", "gpu-sim"],
    ...(QUICK ? ["test/gpu/", "test/gpu-sim/step-counts", "test/gpu-sim/names"] : []),
    ...process.argv.slice(2),
  ],
  { cwd: ROOT, stdio: "inherit", env: { ...process.env, RAT_ADDON_BUILD: "build-sim" } },
);
process.exitCode = signal ? 1 : status;

async function timed(what, work) {
  const started = Date.now();
  const result = await work();
  console.log(`gpu-sim: built ${what} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

async function buildPrograms(sanitizer) {
  const out = join(ROOT, `build-sim-${sanitizer}`);
  mkdirSync(out, { recursive: true });
  const source = join(ROOT, "test/gpu-sim");
  const generator = tools.ninja ? ["-G", "Ninja"] : [];
  const definitions = [
    `-DRAT_LIBTORCH=${libtorch.path}`,
    `-DRAT_CXX11_ABI=${libtorch.cxx11Abi ? 1 : 0}`,
    `-DCMAKE_CXX_COMPILER=${tools.compiler.path}`,
    `-DSANITIZER=${sanitizer}`,
  ];
  for (const args of [
    ["-S", source, "-B", out, ...generator, ...definitions],
    ["--build", out, "--parallel"],
  ]) {
    const progress = new CompilerProgress();
    const onLine = (line) => progress.take(line);
    const { code, stdout, stderr } = await run(tools.cmake.path, args, { cwd: ROOT, onLine }).finally(() =>
      progress.stop(),
    );
    if (code !== 0) throw new Error(`${tools.cmake.path} ${args.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}
