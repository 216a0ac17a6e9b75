/**
 * Code that is compiled for several kinds of processors gives the same on each that this one can be: masks to the bit, all else
 * to rounding. The heads are wider than a register, narrower, and of a width that fills none; a recurrent layer's steps have
 * from one row to more than a block of registers has.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { expectNear } from "../support/numbers.js";
import { tinyModels } from "../support/tiny-models.js";

const { bert, bilstm, texthan } = tinyModels;
const encoder = (heads: number) => ({
  ...bert,
  ...{ vocabularySize: 24, embeddingSize: 72, hiddenSize: 72 },
  encoder: { ...bert?.encoder, ...{ heads, maxPositions: 40, intermediateSize: 80, initializerRange: 0.2 } },
});
/** The gates of a step fill 32 columns five times, or not quite four times; their states not once more than a register. */
const recurrent = { vocabularySize: 24, embeddingSize: 20, hiddenSize: 40 };

const CASES = [
  ["1 head", encoder(1), "fp32", 1e-5],
  ["4 heads", encoder(4), "fp32", 1e-5],
  ["9 heads", encoder(9), "fp64", 1e-12],
  ["3 heads", encoder(3), "bf16", 2e-2],
  ["bilstm", { ...bilstm, ...recurrent }, "fp32", 1e-5],
  ["bilstm", { ...bilstm, ...recurrent }, "fp64", 1e-12],
  ["texthan", { ...texthan, ...recurrent }, "fp32", 1e-5],
] as const;

interface Outcome {
  readonly masks: readonly (readonly number[])[];
  /** Of each case. */
  readonly losses: readonly (readonly number[])[];
}

function runAs(capability: string): Outcome {
  const options = CASES.map(([, model, precision]) => ({
    model,
    kind: "classification",
    regularizer: {
      ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5, klReduction: "batch-mean" },
      ...{ cleanDropout: 0.2, forwardDropout: [0.2] },
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 1 },
    ...{ seed: 2, device: "cpu", precision, threads: 2 },
  }));
  const child = join(import.meta.dirname, "cpu-versions-child.mjs");
  const env = { ...process.env, ATEN_CPU_CAPABILITY: capability };
  return JSON.parse(
    execFileSync(process.execPath, [child, JSON.stringify(options)], { encoding: "utf8", env }),
  );
}

let best: Outcome;
beforeAll(() => {
  best = runAs("");
});

describe.each(["avx2", "default"])("as a processor with %s has it", (capability) => {
  let other: Outcome;
  beforeAll(() => {
    other = runAs(capability);
  });

  test("masks are the same", () => {
    expect(other.masks).toEqual(best.masks);
    expect(best.masks.at(-1)?.filter((kept) => kept === 1).length).toBeGreaterThan(600);
  });

  test.each(CASES.map(([name, , precision, tolerance], i) => ({ name, precision, tolerance, i })))(
    "steps of $name in $precision are",
    ({ tolerance, i }) => {
      expect(best.losses[i]).toHaveLength(6);
      expectNear(other.losses[i] ?? [], best.losses[i] ?? [], tolerance, (at) => `${capability}: ${at}`);
    },
  );
});
