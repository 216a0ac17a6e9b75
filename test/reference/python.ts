/** Runs the scripts of this folder in the Python that `npm run test:reference` found. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const { RAT_PYTHON = "python3" } = process.env;

/** What a script writes to stdout. */
export function python(script: string, args: readonly string[], input = ""): string {
  const options = {
    encoding: "utf8",
    input,
    maxBuffer: 2 ** 30,
    // One thread: models are tiny, test files run side by side, and teams of threads that share cores wait for each other.
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1" },
  } as const;
  const command = [join(import.meta.dirname, script), ...args];
  const { status, stdout, stderr } = spawnSync(RAT_PYTHON, command, options);
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Whether the Python has a module. */
export function hasModule(name: string): boolean {
  return spawnSync(RAT_PYTHON, ["-c", `import ${name}`]).status === 0;
}
