/** Smoothed and weighted classes, learning rates by layer, frozen parts, and perturbations that climb, beside PyTorch on CUDA. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { describeOnGpu, sample } from "../support/gpu.js";
import { constantRate, expectParity, type ParityCase } from "../support/parity.js";

const casesOf = (file: string) => {
  const path = join(import.meta.dirname, "../reference/fixtures", file);
  return (JSON.parse(readFileSync(path, "utf8")) as { cases: Omit<ParityCase, "schedule">[] }).cases.map(
    constantRate,
  );
};

describeOnGpu("beside PyTorch on CUDA", () => {
  for (const file of ["features.json", "ascent.json", "methods.json"])
    for (const precision of ["fp32", "fp64"] as const)
      test.each(sample(casesOf(file), 5))(`in ${precision}: %s`, (_, c) =>
        expectParity(c, "cuda:0", precision),
      );
});
