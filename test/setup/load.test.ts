/** Loading the addon: the stamp is compared with the LibTorch that is there before anything is loaded. */
import { spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { isRATError, type RATError } from "#dist/errors.js";
import { addonFolder, loadAddon } from "#dist/native/load.js";
import { writeStamp } from "../../native/setup/stamp.mjs";
import { fakeLibTorch, fakeMachine } from "./machine.js";

afterEach(() => vi.unstubAllEnvs());

/** A build folder with a file that is no addon, stamped for a made-up LibTorch, and the loader pointed at it. */
async function fakeBuild(): Promise<{ libtorch: string; release: string }> {
  const { folder } = await fakeMachine();
  const libtorch = await fakeLibTorch(join(folder, "torch"));
  const release = join(folder, "build/Release");
  await mkdir(release, { recursive: true });
  await writeFile(join(release, "rat.node"), "this is no shared library");
  const stamp = { libtorch, version: "2.13.0+cpu", libtorchMtime: 0, cuda: false, built: "", sources: "" };
  writeStamp(release, stamp);
  vi.stubEnv("RAT_ADDON_BUILD", join(folder, "build"));
  return { libtorch, release };
}

function loadFailure(): RATError {
  try {
    loadAddon();
  } catch (error) {
    if (isRATError(error, "ERR_RAT_NATIVE_LOAD")) return error;
    throw error;
  }
  throw new Error("The addon was loaded");
}

describe("loadAddon", () => {
  it("keeps idle threads from spinning, whichever thread loads it first", () => {
    const addon = JSON.stringify(join(addonFolder(), "variables.node"));
    const url = JSON.stringify(import.meta.resolve("#dist/native/binding.js"));
    const load = `import(${url}).then((m) => m.loadNative())`;
    const inWorker = `new Promise((done) => new (require("node:worker_threads").Worker)(${JSON.stringify(load)}, { eval: true }).on("exit", done))`;
    for (const loading of [load, inWorker])
      for (const [env, expected] of [
        [{}, "10000"],
        [{ GOMP_SPINCOUNT: "7" }, "7"],
        [{ OMP_WAIT_POLICY: "passive" }, "undefined"],
      ] as const) {
        const script = `${loading}.then(() => console.log(String(require(${addon}).variable("GOMP_SPINCOUNT"))))`;
        const { GOMP_SPINCOUNT: _, OMP_WAIT_POLICY: __, ...clean } = process.env;
        const { stdout } = spawnSync(process.execPath, ["-e", script], {
          env: { ...clean, ...env },
          encoding: "utf8",
        });
        expect(stdout.trim()).toBe(expected);
      }
  });

  it("loads the addon of the build, also in a worker thread", async () => {
    expect(loadAddon()).toHaveProperty("buildInfo");
    const url = JSON.stringify(import.meta.resolve("#dist/native/load.js"));
    const code = `import(${url}).then((m) => process.exit(typeof m.loadAddon().buildInfo === "function" ? 7 : 1))`;
    const exit = await new Promise((resolve, reject) => {
      new Worker(code, { eval: true }).on("exit", resolve).on("error", reject);
    });
    expect(exit).toBe(7);
  });

  it("RAT_ADDON_BUILD names another build, relative to the package", () => {
    const ordinary = addonFolder();
    vi.stubEnv("RAT_ADDON_BUILD", "build-asan");
    expect(addonFolder()).toBe(ordinary.replace(/build([/\\]Release)$/, "build-asan$1"));
  });

  it("bad call - not built", async () => {
    const { folder } = await fakeMachine();
    vi.stubEnv("RAT_ADDON_BUILD", folder);
    expect(loadFailure().message).toMatch(/run npx r-at setup: .*has not been built/);
  });

  it("bad call - LibTorch is of another version than at build time: names both", async () => {
    const { libtorch } = await fakeBuild();
    await fakeLibTorch(libtorch, { version: "2.14.1+cu130" });
    const { message } = loadFailure();
    expect(message).toContain("2.13.0+cpu");
    expect(message).toContain("2.14.1+cu130");
    expect(message).toContain("npx r-at setup");
  });

  it("bad call - LibTorch is gone", async () => {
    const { libtorch } = await fakeBuild();
    await rm(libtorch, { recursive: true });
    expect(loadFailure().message).toContain(`${libtorch}, which is no longer there`);
  });

  it.each(["", "{", "{}", "null"])("bad call - a damaged stamp: %j", async (content) => {
    const { release } = await fakeBuild();
    await writeFile(join(release, "rat.stamp.json"), content);
    expect(loadFailure().message).toContain("not completely built");
  });

  it("bad call - a file that the system cannot load", async () => {
    await fakeBuild();
    const error = loadFailure();
    expect(error.message).toContain("cannot be loaded");
    expect(error.cause).toMatchObject({ code: "ERR_DLOPEN_FAILED" });
  });
});
