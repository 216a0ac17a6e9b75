/**
 * Code that is compiled for several kinds of processors gives the same on each that this one can be: masks to the bit, all else
 * to rounding. The heads are wider than a register, narrower, and of a width that fills none.
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

function runAs(capability: string, heads: number, precision: string): Outcome {
  const { bert } = tinyModels;
  const options = {
    model: {
      ...bert,
      ...{ vocabularySize: 24, embeddingSize: 72, hiddenSize: 72 },
      encoder: {
        ...bert?.encoder,
        ...{ heads, maxPositions: 40, intermediateSize: 80, initializerRange: 0.2 },
      },
    },
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

describe.each([
  [1, "fp32"],
  [4, "fp32"],
  [9, "fp64"],
  [3, "bf16"],
] as const)("%d heads, %s", (heads, precision) => {
  test("is the same on every kind of processor", () => {
    const best = runAs("", heads, precision);
    const tolerance = { fp32: 1e-5, fp64: 1e-12, bf16: 2e-2 }[precision];
    for (const capability of ["avx2", "default"]) {
      const other = runAs(capability, heads, precision);
      expect(other.masks).toEqual(best.masks);
      expectNear(other.steps, best.steps, tolerance, (i) => `${capability}: ${i}`);
    }
    expect(best.masks.at(-1)?.filter((kept) => kept === 1).length).toBeGreaterThan(600);
  });
});
