/**
 * Code that is compiled for several kinds of processors gives the same on each that this one can be: masks to the bit, all else
 * to rounding. The heads are wider than a register, narrower, and of a width that fills none; a recurrent layer's steps have
 * from one row to more than a block of registers has.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expectNear } from "../support/numbers.js";
import { tinyModels } from "../support/tiny-models.js";

interface Outcome {
  readonly masks: number[][];
  readonly steps: number[];
  readonly capability: string;
}

const { bert, bilstm, texthan } = tinyModels;
const encoder = (heads: number) => ({
  ...bert,
  ...{ vocabularySize: 24, embeddingSize: 72, hiddenSize: 72 },
  encoder: { ...bert?.encoder, ...{ heads, maxPositions: 40, intermediateSize: 80, initializerRange: 0.2 } },
});
/** The gates of a step fill 32 columns five times, or not quite four times; their states not once more than a register. */
const recurrent = { vocabularySize: 24, embeddingSize: 20, hiddenSize: 40 };

function runAs(capability: string, model: object, precision: string): Outcome {
  const options = {
    model,
    kind: "classification",
    regularizer: {
      ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5, klReduction: "batch-mean" },
      ...{ cleanDropout: 0.2, forwardDropout: [0.2] },
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 1 },
    ...{ seed: 2, device: "cpu", precision, threads: 2 },
  };
  const child = join(import.meta.dirname, "cpu-versions-child.mjs");
  const env = { ...process.env, ATEN_CPU_CAPABILITY: capability };
  return JSON.parse(
    execFileSync(process.execPath, [child, JSON.stringify(options)], { encoding: "utf8", env }),
  );
}

const TOLERANCES = { fp32: 1e-5, fp64: 1e-12, bf16: 2e-2 };

describe.each([
  ["1 head", encoder(1), "fp32"],
  ["4 heads", encoder(4), "fp32"],
  ["9 heads", encoder(9), "fp64"],
  ["3 heads", encoder(3), "bf16"],
  ["bilstm", { ...bilstm, ...recurrent }, "fp32"],
  ["texthan", { ...texthan, ...recurrent }, "fp32"],
  ["bilstm", { ...bilstm, ...recurrent }, "fp64"],
] as const)("%s", (_, model, precision) => {
  test(`in ${precision} is the same on every kind of processor`, () => {
    const best = runAs("", model, precision);
    for (const capability of ["avx2", "default"]) {
      const other = runAs(capability, model, precision);
      expect(other.masks).toEqual(best.masks);
      expectNear(other.steps, best.steps, TOLERANCES[precision], (i) => `${capability}: ${i}`);
    }
    expect(best.masks.at(-1)?.filter((kept) => kept === 1).length).toBeGreaterThan(600);
  });
});
