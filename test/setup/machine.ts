/** A made-up machine: LibTorch folders, a python3 and other programs on a PATH of their own, all in a temporary folder. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

export interface FakeMachine {
  /** A path with a blank and letters outside ASCII, so that everything is tested with them. */
  readonly folder: string;
  readonly cache: string;
  /** PATH, HOME and cache of the machine; nothing of the real one but what a test adds. */
  readonly env: NodeJS.ProcessEnv;
  /** Puts a shell script on the PATH. */
  program(name: string, script: string): Promise<void>;
  /** Puts a program of the real machine on the PATH. */
  real(name: string): Promise<void>;
}

/** Makes a machine without anything; it is removed at the end of the test. */
export async function fakeMachine(): Promise<FakeMachine> {
  const folder = await mkdtemp(join(tmpdir(), "r-at sätup ü-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const bin = join(folder, "bin");
  const cache = join(folder, "cache");
  await mkdir(bin);
  // RAT_CUDA=OFF: what is found must not depend on the GPU of the machine that runs the tests.
  const env = { PATH: bin, HOME: folder, RAT_CACHE: cache, RAT_CUDA: "OFF" };
  const program = async (name: string, script: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  };
  const real = async (name: string) => {
    const path = execFileSync("/bin/sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    await symlink(path, join(bin, name));
  };
  return { folder, cache, env, program, real };
}

/** Writes what set-up looks at in a LibTorch folder. */
export async function fakeLibTorch(
  folder: string,
  { version = "2.13.0+cpu", cuda = false } = {},
): Promise<string> {
  const files: Record<string, string> = {
    "version.py": `__version__ = '${version}'\ncuda: Optional[str] = ${cuda ? "'13.0'" : "None"}\n`,
    "include/ATen/ATen.h": "",
    "lib/libtorch_cpu.so": "",
    "lib/libc10.so": "_ZNSt7__cxx1112basic_string",
    ...(cuda ? { "lib/libtorch_cuda.so": "" } : {}),
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** What a python3 answers to set-up's question; `torch` is the folder of its torch package. */
export function pythonAnswer(torch: string | null, version = "3.11"): string {
  return `echo '${JSON.stringify({ version, executable: "python3", torch, pip: true })}'`;
}
