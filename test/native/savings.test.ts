/**
 * RAT_DISABLE turns one saving off after the other (native/core/savings.h): none of them changes a step of R-AT but by rounding,
 * with dropout on; and it is said.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { expectNear } from "../support/numbers.js";
import { examplesOf, NONE, tinyModels } from "../support/tiny-models.js";

const SAVINGS = [
  "packed",
  "cls-only",
  "kept-gradients",
  "panels",
  "vector",
  "lanes",
  "host-memory",
  "graphs",
  "torch-attention",
  "late-rows",
];
const child = join(import.meta.dirname, "savings-child.mjs");

interface Outcome {
  readonly values: readonly number[];
  readonly operators: number;
}

const cases = ["bert", "albert", "bilstm", "textcnn"].flatMap((name) =>
  (["fp64", "fp32"] as const).map((precision) => ({ name, precision })),
);

/** What each of the cases comes to, in one process. */
function outcomesWithout(savings: string): readonly Outcome[] {
  const trainers = cases.map(({ name, precision }) => ({
    model: tinyModels[name],
    kind: "classification",
    regularizer: {
      ...{ ...NONE, type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5 },
      ...{ cleanDropout: 0.2, forwardDropout: [0.2] },
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 1 },
    ...{ seed: 2, device: "cpu", precision, threads: 2 },
  }));
  const { tokens, sequenceStarts, exampleIds, labels } = examplesOf(
    Array.from({ length: 48 }, (_, i) => 3 + i),
  );
  const batch = { tokens, sequenceStarts, exampleIds, labels };
  const plain = Object.fromEntries(Object.entries(batch).map(([key, values]) => [key, [...(values ?? [])]]));
  const env = { ...process.env, RAT_DISABLE: savings };
  const output = execFileSync(process.execPath, [child, JSON.stringify({ trainers, batch: plain })], { env });
  const { outcomes, disabled } = JSON.parse(String(output));
  expect(disabled.join(",")).toBe(savings);
  return outcomes;
}

const outcomes = new Map<string, readonly Outcome[]>();
beforeAll(() => {
  for (const savings of ["", ...SAVINGS, SAVINGS.join(",")]) outcomes.set(savings, outcomesWithout(savings));
});

test.each(cases.map((each, i) => [each.name, each.precision, i] as const))(
  "%s makes the same steps without them, in %s",
  (_, precision, i) => {
    const expected = outcomes.get("")?.[i];
    const tolerance = { fp64: 1e-10, fp32: 1e-4 }[precision];
    for (const [savings, without] of outcomes)
      expectNear(without[i]?.values, expected?.values ?? [], tolerance, (at) => `${savings}: ${at}`);
  },
);

test("each leaves its mark: operators of LibTorch, and backward passes", () => {
  const bert = cases.findIndex(({ name, precision }) => name === "bert" && precision === "fp32");
  const operators = (savings: string) => outcomes.get(savings)?.[bert]?.operators;
  for (const saving of ["packed", "cls-only", "kept-gradients", "lanes"])
    expect(operators(saving), saving).not.toBe(operators(""));
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
