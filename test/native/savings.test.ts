/**
 * RAT_DISABLE turns one saving off after the other (native/core/savings.h): none of them changes a step of R-AT but by rounding,
 * with dropout on; and it is said.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expectNear } from "../support/numbers.js";
import { examplesOf, NONE, tinyModels } from "../support/tiny-models.js";

const SAVINGS = [
  "packed",
  "cls-only",
  "kept-gradients",
  "onednn",
  "vector",
  "lanes",
  "host-memory",
  "graphs",
  "late-rows",
];
const child = join(import.meta.dirname, "savings-child.mjs");

interface Outcome {
  readonly values: readonly number[];
  readonly operators: number;
  readonly disabled: readonly string[];
}

function runWithout(savings: string, name: string, precision: "fp32" | "fp64"): Outcome {
  const options = {
    model: tinyModels[name],
    kind: "classification",
    regularizer: {
      ...{ ...NONE, type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5 },
      ...{ cleanDropout: 0.2, forwardDropout: [0.2] },
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 1 },
    ...{ seed: 2, device: "cpu", precision, threads: 2 },
  };
  const { tokens, sequenceStarts, exampleIds, labels } = examplesOf(
    Array.from({ length: 48 }, (_, i) => 3 + i),
  );
  const batch = { tokens, sequenceStarts, exampleIds, labels };
  const plain = Object.fromEntries(Object.entries(batch).map(([key, values]) => [key, [...(values ?? [])]]));
  const env = { ...process.env, RAT_DISABLE: savings };
  const output = execFileSync(process.execPath, [child, JSON.stringify({ options, batch: plain })], { env });
  return JSON.parse(String(output));
}

describe.each(["bert", "albert", "bilstm", "textcnn"])("%s", (name) => {
  test.each(["fp64", "fp32"] as const)("makes the same steps without them, in %s", (precision) => {
    const expected = runWithout("", name, precision);
    expect(expected.disabled).toEqual([]);
    const tolerance = { fp64: 1e-10, fp32: 1e-4 }[precision];
    const each = name === "bert" ? SAVINGS : [];
    for (const savings of [...each, SAVINGS.join(",")]) {
      const { values, disabled } = runWithout(savings, name, precision);
      expect(disabled.join(",")).toBe(savings);
      expectNear(values, expected.values, tolerance, (i) => `${savings}: ${i}`);
    }
  });
});

test("each leaves its mark: operators of LibTorch, and backward passes", () => {
  const operators = (savings: string) => runWithout(savings, "bert", "fp32").operators;
  const all = operators("");
  for (const saving of ["packed", "cls-only", "kept-gradients", "lanes"])
    expect(operators(saving), saving).not.toBe(all);
});

test("what is not one of them is refused", () => {
  const program = `import { native } from ${JSON.stringify(new URL("../../dist/native/binding.js", import.meta.url).href)};
    try { native().buildInfo(); } catch (error) { console.log(error.code, error.message); }`;
  const env = { ...process.env, RAT_DISABLE: "lanes,packing" };
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    env,
    encoding: "utf8",
  });
  expect(stdout).toMatch(/^ERR_RAT_CONFIG RAT_DISABLE has packing; it takes packed, cls-only, /);
});
