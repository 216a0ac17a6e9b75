/**
 * Perturbations that climb, PGD and FreeLB, by example and by matrix: ten steps of every from-scratch model beside plain
 * PyTorch (test/reference/ascent.py), on the CPU.
 */
import { describe, test } from "vitest";
import { expectParity, fixtureCases } from "../support/parity.js";

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(fixtureCases("ascent.json"))("%s", (_, c) => expectParity(c, "cpu", precision));
});
