/**
 * Every consistency loss, label sets, and a temperature: ten steps of every from-scratch model beside plain PyTorch
 * (test/reference/methods.py), on the CPU, as one batch and in micro-batches.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { constantRate, expectParity, type ParityCase } from "../support/parity.js";

const fixture = join(import.meta.dirname, "../reference/fixtures/methods.json");
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: Omit<ParityCase, "schedule">[] };
const named = cases.map(constantRate);

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(named)("%s", (_, c) => expectParity(c, "cpu", precision));
});

describe("in micro-batches", () => {
  test.each(named)("%s", (_, c) => expectParity(c, "cpu", "fp64", true));
});
