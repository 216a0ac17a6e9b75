/**
 * Every consistency loss, label sets, and a temperature: ten steps of every from-scratch model beside plain PyTorch
 * (test/reference/methods.py), on the CPU, as one batch and in micro-batches.
 */
import { describe, test } from "vitest";
import { expectParity, fixtureCases } from "../support/parity.js";

const cases = fixtureCases("methods.json");

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(cases)("%s", (_, c) => expectParity(c, "cpu", precision));
});

describe("in micro-batches", () => {
  test.each(cases)("%s", (_, c) => expectParity(c, "cpu", "fp64", true));
});
