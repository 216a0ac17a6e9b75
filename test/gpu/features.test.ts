/** Smoothed and weighted classes, learning rates by layer, frozen parts, and perturbations that climb, beside PyTorch on CUDA. */
import { test } from "vitest";
import { describeOnGpu, sample } from "../support/gpu.js";
import { expectParity, fixtureCases } from "../support/parity.js";

describeOnGpu("beside PyTorch on CUDA", () => {
  for (const file of ["features.json", "ascent.json", "methods.json"])
    for (const precision of ["fp32", "fp64"] as const)
      test.each(sample(fixtureCases(file), 5))(`in ${precision}: %s`, (_, c) =>
        expectParity(c, "cuda:0", precision),
      );
});
