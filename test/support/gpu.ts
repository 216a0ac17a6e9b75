/** Tests that need a GPU, real or simulated: they are skipped, and say so, where there is none. */
import { describe } from "vitest";
import { native } from "#dist/native/binding.js";

const { cudaBuild, cudaDevices } = native().buildInfo();
export const gpuCount = cudaDevices.length;
if (gpuCount === 0)
  console.warn(
    `gpu: SKIPPED: ${cudaBuild ? "no CUDA device can be used" : "the addon was built for the CPU"}; see: npx r-at doctor`,
  );

const { RAT_GPU_SIM_QUICK } = process.env;

/** All cases, or on every run of CI, where the device is simulated, one of `every`. */
export const sample = <T>(cases: readonly T[], every: number): T[] =>
  cases.filter((_, i) => !RAT_GPU_SIM_QUICK || i % every === 0);

export const describeOnGpu = describe.runIf(gpuCount > 0);
