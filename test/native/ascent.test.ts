/**
 * Perturbations that climb, PGD and FreeLB, by example and by matrix: ten steps of every from-scratch model beside plain
 * PyTorch (test/reference/ascent.py), on the CPU.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { constantRate, expectParity, type ParityCase } from "../support/parity.js";

const fixture = join(import.meta.dirname, "../reference/fixtures/ascent.json");
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: Omit<ParityCase, "schedule">[] };

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(cases.map(constantRate))("%s", (_, c) => expectParity(c, "cpu", precision));
});
