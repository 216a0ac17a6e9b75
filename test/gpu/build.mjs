// Builds the addon and rat_gpu_tests for real CUDA devices into build-gpu/, for RAT_ADDON_BUILD=build-gpu. Part of round.mjs.
//   node test/gpu/build.mjs ARCHITECTURES   as 86-real, or 86-real;90-real
import { buildVariant } from "../support/addon-variant.mjs";

const [, , architectures] = process.argv;
await buildVariant(
  "build-gpu",
  // Line numbers for compute-sanitizer.
  { RAT_GPU_TESTS: "ON", CMAKE_CUDA_ARCHITECTURES: architectures, CMAKE_CUDA_FLAGS: "-lineinfo" },
  { again: `node test/gpu/build.mjs "${architectures}"`, kind: "gpu", cuda: true },
);
