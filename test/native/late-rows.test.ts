/**
 * AdamW updates rows of the word embeddings when they are needed (native/optim/late_rows.h): weights and moments are, to the bit,
 * those of updating all of them in every step, on every kind of processor.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../support/safetensors.js";
import { NONE, tinyModels } from "../support/tiny-models.js";

const VOCABULARY = 150;
const FILES = ["middle.model", "middle.optimizer", "last.model", "last.optimizer"];

const folder = mkdtempSync(join(tmpdir(), "rat-late-rows-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Case {
  readonly model: string;
  readonly precision: "fp32" | "fp64" | "bf16";
  readonly weightDecay: number;
}

const cases: readonly Case[] = [
  { model: "bert", precision: "fp32", weightDecay: 0.1 },
  { model: "bert", precision: "bf16", weightDecay: 0.1 },
  { model: "bilstm", precision: "fp32", weightDecay: 0 },
  { model: "textcnn", precision: "fp64", weightDecay: 0.1 },
  { model: "bert", precision: "fp64", weightDecay: 0.1 },
];

/** The folders of the cases, trained in one process. */
function run(environment: Record<string, string>): readonly string[] {
  const trainers = cases.map(({ model, precision, weightDecay }) => ({
    folder: mkdtempSync(join(folder, `${model}-`)),
    options: {
      // A width that fills no register.
      model: { ...tinyModels[model], vocabularySize: VOCABULARY },
      kind: "classification",
      regularizer: { ...NONE, cleanDropout: 0.1 },
      optimizer: { type: "adamw", weightDecay, clipNorm: 1 },
      ...{ seed: 2, device: "cpu", precision, threads: 2 },
    },
  }));
  const child = join(import.meta.dirname, "late-rows-child.mjs");
  execFileSync(process.execPath, [child, JSON.stringify(trainers)], {
    env: { ...process.env, ...environment },
  });
  return trainers.map((trainer) => trainer.folder);
}

function expectSameFiles(one: string, other: string): void {
  for (const name of FILES) {
    const [left, right] = [one, other].map((each) => readFileSync(join(each, `${name}.safetensors`)));
    expect(left?.equals(right as Buffer), name).toBe(true);
  }
}

describe.each(["best", "avx2", "default"])("on a processor that is taken for %s", (kind) => {
  const processor: Record<string, string> = kind === "best" ? {} : { ATEN_CPU_CAPABILITY: kind };
  let late: readonly string[];
  let all: readonly string[];
  beforeAll(() => {
    late = run({ ...processor, RAT_DISABLE: "" });
    all = run({ ...processor, RAT_DISABLE: "late-rows" });
  });
  test.each(cases.map((each, i) => [each.model, each.precision, each.weightDecay, i] as const))(
    "%s in %s, weight decay %d: the same bits as all rows in every step",
    (_model, _precision, _decay, i) => expectSameFiles(late[i] ?? "", all[i] ?? ""),
  );
});

test("words that no step had are decayed like all others", () => {
  const saved = run({ RAT_DISABLE: "" }).at(-1) ?? "";
  const named = (name: string, tensor: string) =>
    readSafetensors(join(saved, `${name}.safetensors`)).get(tensor);
  const [name] = [...readSafetensors(join(saved, "last.model.safetensors")).keys()].filter((key) =>
    key.includes("word_embeddings"),
  );
  if (!name) throw new Error("there are no word embeddings");
  const moment = named("last.optimizer", `${name}.exp_avg_sq`) ?? new Float64Array();
  const [before, after] = ["middle.model", "last.model"].map(
    (file) => named(file, name) ?? new Float64Array(),
  );
  const width = moment.length / VOCABULARY;
  const unused = Array.from({ length: VOCABULARY - 1 }, (_, row) => row + 1).filter(
    (row) => moment[row * width] === 0,
  );
  expect(unused.length).toBeGreaterThan(5);
  // The last steps are 12 to 14, from the weights of step 8.
  const kept = [12, 13, 14].reduce((product, step) => product * (1 - (0.1 / step) * 0.1), 1);
  for (const row of unused)
    expect((after?.[row * width] ?? 0) / (before?.[row * width] ?? 0)).toBeCloseTo(kept, 12);
});
