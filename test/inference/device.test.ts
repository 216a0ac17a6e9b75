import { once } from "node:events";
import { expect, it } from "vitest";
import {
  announce,
  chooseDevice,
  choosePrecision,
  chooseThreads,
  requireRealDevice,
} from "#dist/inference/device.js";
import type { NativeBuildInfo } from "#dist/native/binding.js";
import { expectRATError } from "../trainer/toy.js";

const build = (cudaBuild: boolean, gpus: number, simulated = false): NativeBuildInfo => ({
  libtorchVersion: "2.13.0",
  build: "0123456789abcdef",
  ...{ cudaBuild, simulated },
  cudaDevices: Array.from({ length: gpus }, () => ({ name: "GPU", memoryBytes: 1, capability: "9.0" })),
  cpuCapability: "AVX2",
  hardwareThreads: 8,
  disabledSavings: [],
});

it("auto takes the first GPU of a CUDA build, else the CPU", () => {
  expect(chooseDevice("auto", build(true, 2))).toEqual({ device: "cuda:0" });
  expect(chooseDevice("auto", build(false, 0))).toEqual({ device: "cpu" });
});

it("a CUDA build that falls back to the CPU says so", () => {
  expect(chooseDevice("auto", build(true, 0))).toEqual({
    device: "cpu",
    warning: expect.stringMatching(/CPU IS USED ALTHOUGH/),
  });
  expect(chooseDevice("cpu", build(true, 0)).warning).toBeUndefined();
});

it("cuda means the first GPU", () => {
  expect(chooseDevice("cuda", build(true, 1)).device).toBe("cuda:0");
  expect(chooseDevice("cuda:1", build(true, 2)).device).toBe("cuda:1");
});

it("a simulated GPU has a name of its own, says what it is, and is not to be reported", async () => {
  for (const requested of ["auto", "cuda", "cuda:0", "cuda-sim", "cuda-sim:0"])
    expect(chooseDevice(requested, build(true, 2, true))).toEqual({
      device: "cuda-sim:0",
      warning: expect.stringMatching(/cuda-sim:0 IS SIMULATED/),
    });
  expect(chooseDevice("cuda:1", build(true, 2, true)).device).toBe("cuda-sim:1");
  await expectRATError(() => requireRealDevice("cuda-sim:1"), "ERR_RAT_DEVICE", /simulated/);
  expect(() => requireRealDevice("cuda:1")).not.toThrow();
  expect(() => requireRealDevice("cpu")).not.toThrow();
});

it("bad call - a simulated GPU in an ordinary build", async () => {
  await expectRATError(() => chooseDevice("cuda-sim:0", build(true, 2)), "ERR_RAT_DEVICE", /simulated/);
});

it("an encoder on a GPU that has bf16 takes it, everything else fp32, and what is asked for is what there is", () => {
  const ampere = build(true, 2);
  const turing = {
    ...ampere,
    cudaDevices: [{ name: "GPU", memoryBytes: 1, capability: "7.5" }],
  };
  expect(choosePrecision(undefined, "cuda:1", true, ampere)).toBe("bf16");
  expect(choosePrecision(undefined, "cuda-sim:0", true, ampere)).toBe("bf16");
  expect(choosePrecision(undefined, "cuda:0", false, ampere)).toBe("fp32");
  expect(choosePrecision(undefined, "cuda:0", true, turing)).toBe("fp32");
  expect(choosePrecision(undefined, "cpu", true, ampere)).toBe("fp32");
  for (const precision of ["fp32", "bf16", "fp64"] as const)
    expect(choosePrecision(precision, "cuda:0", true, turing)).toBe(precision);
  expect(choosePrecision("tf32", "cuda:0", false, ampere)).toBe("tf32");
});

it("bad call - tf32 where there is none", async () => {
  await expectRATError(
    () => choosePrecision("tf32", "cpu", true, build(false, 0)),
    "ERR_RAT_CONFIG",
    /tf32 is not there on cpu; use fp32/,
  );
});

it("a fall-back is said to the logger, or else as a warning of the process", async () => {
  const choice = chooseDevice("auto", build(true, 0));
  const said: string[] = [];
  announce(choice.warning, { info: () => {}, warn: (message) => said.push(message) });
  expect(said).toEqual([choice.warning]);
  const warning = once(process, "warning");
  announce(choice.warning, undefined);
  expect(await warning).toMatchObject([{ name: "RATWarning", message: choice.warning }]);
});

it("bad call - a GPU that is not there", async () => {
  await expectRATError(() => chooseDevice("cuda:2", build(true, 2)), "ERR_RAT_DEVICE", /2 usable GPUs/);
  await expectRATError(() => chooseDevice("cuda", build(false, 0)), "ERR_RAT_DEVICE", /no CUDA/);
});

it("cores are shared among live trainers", () => {
  expect([0, 1, 2, 20].map((live) => chooseThreads(undefined, 8, live))).toEqual([8, 4, 2, 1]);
  expect(chooseThreads(3, 8, 5)).toBe(3);
});
