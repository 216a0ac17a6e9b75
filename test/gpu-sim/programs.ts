/** The programs that run.mjs built for the simulated device. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export type Sanitizer = "address" | "thread";

export const ROOT = join(import.meta.dirname, "../..");

/** Where run.mjs built the programs. */
export const programsFolder = (sanitizer: Sanitizer) => join(ROOT, `build-sim-${sanitizer}`);

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end; `output` is what it wrote to stdout and stderr. */
export async function execute(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = ROOT,
): Promise<Ended> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

const SETTINGS = {
  // LibTorch is not instrumented, and its static tensors look like leaks.
  ASAN_OPTIONS: "detect_leaks=0",
  UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  TSAN_OPTIONS: "halt_on_error=1",
};

/** Runs `program`, a path or the name of one that was built. */
export function runProgram(
  sanitizer: Sanitizer,
  program: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const path = program.includes("/") ? program : join(programsFolder(sanitizer), program);
  return execute(path, args, { ...SETTINGS, ...env });
}

export interface KernelsOptions {
  readonly quick: boolean;
  /** Of blocks and threads: "", "reverse", "shuffle". */
  readonly order?: string;
  /** Another build of the program. */
  readonly program?: string;
}

export function kernelsTest(
  sanitizer: Sanitizer,
  { quick, order = "", program = "kernels_test" }: KernelsOptions,
): Promise<Ended> {
  return runProgram(sanitizer, program, quick ? ["quick"] : [], { CUDA_ON_CPU_ORDER: order });
}
