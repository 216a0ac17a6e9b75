/**
 * Perturbations that climb, PGD and FreeLB, by example and by matrix: ten steps of every from-scratch model beside plain
 * PyTorch (test/reference/ascent.py), on the CPU.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import type { NativeObjectiveOptions } from "#dist/native/binding.js";
import { expectParity, type ParityCase } from "../support/parity.js";

interface AscentCase extends Omit<ParityCase, "objective" | "schedule"> {
  objective: Pick<NativeObjectiveOptions, "type" | "scope" | "ascentSteps" | "stepSize"> & {
    epsilon: number;
  };
}

const fixture = join(import.meta.dirname, "../reference/fixtures/ascent.json");
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: AscentCase[] };

/** As the other cases are: a constant rate, one forward. */
function asParityCase(c: AscentCase): readonly [string, ParityCase] {
  const { epsilon, ...own } = c.objective;
  const objective = {
    forwards: 1,
    klWeight: 0,
    klReduction: "batch-mean",
    epsilon: [epsilon],
    ...own,
  } as const;
  const learningRate = c.events[0]?.learningRate ?? Number.NaN;
  return [c.name, { ...c, objective, schedule: { type: "constant", warmupRatio: 0, learningRate } }];
}

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(cases.map(asParityCase))("%s", (_, c) => expectParity(c, "cpu", precision));
});
