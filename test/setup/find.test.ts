/** Where LibTorch is looked for, in which order, and why a place is passed over. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { probeMachine } from "../../native/setup/probe.mjs";
import { fakeLibTorch, fakeMachine, pythonAnswer } from "./machine.js";

const A_GPU = "echo 'NVIDIA A10, 24576, 580.10'";

describe("discovery of LibTorch", () => {
  it("takes RAT_LIBTORCH before python3 before the cache", async () => {
    const { folder, cache, env, program } = await fakeMachine();
    const named = await fakeLibTorch(join(folder, "named"));
    const torch = await fakeLibTorch(join(folder, "site-packages/torch"));
    const copy = await fakeLibTorch(join(cache, "libtorch/torch-2.13.0-cpu/torch"));

    const third = await probeMachine(env);
    expect(third.chosen).toMatchObject({ from: "cache", path: copy });
    await program("python3", pythonAnswer(torch));
    const second = await probeMachine(env);
    expect(second.chosen).toMatchObject({ from: "python3 (python3)", path: torch });
    const first = await probeMachine({ ...env, RAT_LIBTORCH: named });
    expect(first.chosen).toMatchObject({ from: "RAT_LIBTORCH", path: named });
    const alias = await probeMachine({ ...env, LIBTORCH: named });
    expect(alias.chosen).toMatchObject({ from: "LIBTORCH", path: named });
  });

  it("accepts the folder that an archive was unpacked in", async () => {
    const { folder, env } = await fakeMachine();
    const inner = await fakeLibTorch(join(folder, "unpacked/libtorch"));
    const { chosen } = await probeMachine({ ...env, RAT_LIBTORCH: join(folder, "unpacked") });
    expect(chosen?.path).toBe(inner);
  });

  it("passes over a torch without headers and says so", async () => {
    const { folder, env, program } = await fakeMachine();
    const torch = join(folder, "site-packages/torch");
    await mkdir(torch, { recursive: true });
    await program("python3", pythonAnswer(torch));
    const { candidates, chosen } = await probeMachine(env);
    expect(chosen).toBeUndefined();
    expect(candidates[0]?.reason).toContain("it has no headers");
  });

  it.each(["2.10.1", "2.16.0", "3.0.0"])(
    "passes over version %s, which the sources do not take",
    async (version) => {
      const { folder, env, program } = await fakeMachine();
      await program("python3", pythonAnswer(await fakeLibTorch(join(folder, "torch"), { version })));
      const { candidates } = await probeMachine(env);
      expect(candidates).toMatchObject([{ taken: false, reason: expect.stringContaining("2.11 to 2.15") }]);
    },
  );

  it.each([
    ["2.13.0+cpu", true],
    ["2.11.0", false],
    ["2.14.1+cu130", false],
    ["2.15.0", false],
  ])("takes version %s; tested: %s", async (version, tested) => {
    const { folder, env } = await fakeMachine();
    const named = await fakeLibTorch(join(folder, "named"), { version });
    const machine = await probeMachine({ ...env, RAT_LIBTORCH: named });
    expect([machine.chosen?.libtorch.version, machine.tested]).toEqual([version, tested]);
  });

  it("passes over a CPU LibTorch where there is a GPU, unless it is named or RAT_CUDA=OFF", async () => {
    const { cache, env, program } = await fakeMachine();
    await program("nvidia-smi", A_GPU);
    const copy = await fakeLibTorch(join(cache, "libtorch/torch-2.13.0-cpu/torch"));
    const gpu = { ...env, RAT_CUDA: "" };

    const passed = await probeMachine(gpu);
    expect(passed.driver).toEqual({
      version: "580.10",
      gpus: [{ name: "NVIDIA A10", memoryBytes: 24576 * 2 ** 20 }],
    });
    expect(passed.candidates).toMatchObject([{ taken: false, reason: expect.stringContaining("CPU only") }]);
    expect((await probeMachine({ ...gpu, RAT_LIBTORCH: copy })).chosen?.path).toBe(copy);
    expect((await probeMachine(env)).chosen?.path).toBe(copy);
  });

  it("warns of a CPU build when a CUDA LibTorch is there without nvcc or with nvcc of another CUDA", async () => {
    const { folder, env, program } = await fakeMachine();
    const named = await fakeLibTorch(join(folder, "named"), { version: "2.13.0+cu130", cuda: true });
    const machine = { ...env, RAT_CUDA: "", RAT_LIBTORCH: named, CUDACXX: join(folder, "bin/nvcc") };
    await program("nvcc", "echo 'Cuda compilation tools, release 12.4, V12.4.99'");
    expect((await probeMachine(machine)).cuda).toMatchObject({ cuda: false, warn: true, reason: /12\.4/ });
    await program("nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'");
    expect((await probeMachine(machine)).cuda).toMatchObject({ cuda: true });
    expect((await probeMachine({ ...machine, RAT_CUDA: "OFF" })).cuda).toMatchObject({
      cuda: false,
      warn: false,
    });
  });

  it("bad call - RAT_LIBTORCH that names nothing usable is an error, not a reason to look elsewhere", async () => {
    const { folder, cache, env } = await fakeMachine();
    await fakeLibTorch(join(cache, "libtorch/torch-2.13.0-cpu/torch"));
    const machine = await probeMachine({ ...env, RAT_LIBTORCH: join(folder, "nowhere") });
    expect(machine.chosen).toBeUndefined();
    expect(machine.problem).toMatchObject({
      message: expect.stringMatching(/RAT_LIBTORCH names .*nowhere, but there is no such folder/),
      remedy: expect.stringContaining("unset RAT_LIBTORCH"),
    });
  });
});
