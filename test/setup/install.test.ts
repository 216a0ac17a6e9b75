/** The set-up step as `npm install` runs it: what it says when something is missing, and how it exits. */
import { execFile } from "node:child_process";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fakeLibTorch, fakeMachine } from "./machine.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Ended {
  readonly code: number;
  readonly output: string;
}

function run(install: string, args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [install, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

/** Copies the set-up step into `package` and returns its path. */
async function copyTo(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of ["native/install.mjs", "native/setup", "package.json", "CMakeLists.txt"]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  return join(folder, "native/install.mjs");
}

describe("native/install.mjs", () => {
  it("names everything that the build misses and the one command that mends it, and exits 1 in the repository", async () => {
    const machine = await fakeMachine();
    const install = await copyTo(join(machine.folder, "clone"));
    const { code, output } = await run(install, [], machine.env);
    expect(code).toBe(1);
    expect(output).toMatch(/C\+\+20 compiler.*cmake.*ninja or make/);
    expect(output).toMatch(/to mend it, run: {2}.*npm run build:native\n/);
  });

  it("gives a notice and exit 0 as a dependency, but exit 1 when it is run by hand", async () => {
    const machine = await fakeMachine();
    const install = await copyTo(join(machine.folder, "project/node_modules/r-at"));
    const asDependency = await run(install, [], machine.env);
    expect(asDependency.code).toBe(0);
    expect(asDependency.output).toContain("the installation goes on");
    expect(asDependency.output).toMatch(/to mend it, run: {2}.*npx r-at setup\n/);
    const byHand = await run(install, ["--force"], machine.env);
    expect(byHand.code).toBe(1);
    expect(byHand.output).not.toContain("the installation goes on");
  });

  it("does nothing with RAT_SKIP_INSTALL=1", async () => {
    const machine = await fakeMachine();
    const install = await copyTo(join(machine.folder, "clone"));
    const { code, output } = await run(install, [], { ...machine.env, RAT_SKIP_INSTALL: "1" });
    expect(code).toBe(0);
    expect(output).toContain("nothing is set up");
  });

  it.each([
    ["g++", "g++ (GNU) 9.4.0", "cmake version 3.25.1", "g++ 9.4.0; LibTorch's headers need g++ 11"],
    ["cmake", "g++ (GNU) 12.2.0", "cmake version 3.16.3", "version 3.16.3; the build needs 3.20"],
  ])("refuses an old %s", async (_name, compiler, cmake, message) => {
    const machine = await fakeMachine();
    const install = await copyTo(join(machine.folder, "clone"));
    await machine.program("g++", `echo '${compiler}'`);
    await machine.program("cmake", `echo '${cmake}'`);
    await machine.program("make", "echo 'GNU Make 4.3'");
    const { code, output } = await run(install, [], machine.env);
    expect(code).toBe(1);
    expect(output).toContain(message);
  });

  it("fails with RAT_CUDA=ON when only a CPU build is possible", async () => {
    const machine = await fakeMachine();
    const install = await copyTo(join(machine.folder, "clone"));
    await machine.program("g++", "echo 'g++ (GNU) 12.2.0'");
    await machine.program("cmake", "echo 'cmake version 3.25.1'");
    await machine.program("make", "echo 'GNU Make 4.3'");
    const named = await fakeLibTorch(join(machine.folder, "named"));
    const { code, output } = await run(install, [], { ...machine.env, RAT_CUDA: "ON", RAT_LIBTORCH: named });
    expect(code).toBe(1);
    expect(output).toMatch(/RAT_CUDA=ON, but the LibTorch in .* is CPU only/);
  });
});
