/** Beside the reference packages themselves, in the Python that `npm run test:reference` found. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Classifier } from "#dist/inference/classifier.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { encoderModels, folderOf } from "../support/encoders.js";
import { parityCases } from "../support/parity.js";
import { python } from "./python.js";

const root = join(import.meta.dirname, "../..");
const { CXX = "c++" } = process.env;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rat-reference-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Numbers that agree to a digit or two less than are written. */
function expectAlike(actual: unknown, expected: unknown, place = ""): void {
  if (typeof expected === "number") {
    expect(typeof actual, place).toBe("number");
    expect(Math.abs((actual as number) - expected), place).toBeLessThan(
      1e-9 * Math.max(1, Math.abs(expected)),
    );
  } else if (typeof expected === "object" && expected !== null) {
    expect(Object.keys(actual as object), place).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected))
      expectAlike(Reflect.get(actual as object, key), value, `${place}.${key}`);
  } else {
    expect(actual, place).toEqual(expected);
  }
}

test("the committed cases are what the script makes of them", { timeout: 300_000 }, () => {
  // One of each model, method and optimizer, at least.
  const chosen = parityCases.filter((_, index) => index % 11 === 0).map(([name]) => name);
  const made = JSON.parse(python("parity.py", chosen)) as unknown[];
  expectAlike(
    made,
    parityCases.filter(([name]) => chosen.includes(name)).map(([, c]) => c),
  );
});

test.each(["ascent", "features", "methods"])(
  "the committed %s are what the script makes of them",
  { timeout: 300_000 },
  (script) => {
    const { cases } = JSON.parse(
      readFileSync(join(import.meta.dirname, `fixtures/${script}.json`), "utf8"),
    ) as { cases: { name: string }[] };
    const chosen = cases.filter((_, index) => index % 7 === 0);
    const made: unknown = JSON.parse(
      python(
        `${script}.py`,
        chosen.map(({ name }) => name),
      ),
    );
    expectAlike(made, chosen);
  },
);

test("the committed encoders are what the script makes of them", { timeout: 300_000 }, () => {
  // Those that differ the most; the script makes all of them.
  const families = ["bert", "albert", "electra"];
  python("encoders.py", [folder, ...families]);
  const read = (path: string) => JSON.parse(readFileSync(join(path, "encoders.json"), "utf8"));
  const made = read(folder);
  const committed = read(join(import.meta.dirname, "fixtures/encoders"));
  for (const part of ["models", "cases"])
    committed[part] = committed[part].filter(({ family }: { family: string }) => families.includes(family));
  // What bf16 is off by depends on the processor.
  for (const { models } of [made, committed]) for (const model of models) delete model.bf16;
  expectAlike(made, committed);
});

describe.each(encoderModels)("a fine-tuned %s", (_, model) => {
  test("loads in transformers and has the same outputs there", { timeout: 120_000 }, async () => {
    const start = join(folder, `${model.family}-${model.kind}-start`);
    const saved = join(folder, `${model.family}-${model.kind}-saved`);
    cpSync(folderOf(model), start, { recursive: true });
    writeFileSync(join(start, "tokenizer.json"), JSON.stringify(tokenizerOf(model.family)));
    const isRegression = model.kind === "regression";
    const labels = isRegression ? [] : ["class 0", "class 1", "class 2"];
    const train = Array.from({ length: 24 }, (_x, row) => ({
      text: Array.from({ length: 1 + (row % 9) }, (_y, i) => `t${6 + ((row * 5 + i * 3) % 30)}`).join(" "),
      ...(row % 2 === 0 && { pair: `t${7 + row} t9` }),
      label: isRegression ? (row % 5) / 4 : `class ${row % 3}`,
    }));
    const task = { name: "live", kind: model.kind, labels, metrics: [], train, dev: null, test: null };
    await using trainer = await RATTrainer.create({
      model: { path: start },
      task,
      maxLength: 16,
      device: "cpu",
      threads: 1,
    });
    await trainer.fit({ maxSteps: 6, batchSize: 8, learningRate: 1e-3 });
    await trainer.save(saved);

    const pairs = train.map(({ text, pair }) => [text, pair ?? null]);
    const reference = JSON.parse(python("saved_model.py", [saved], JSON.stringify(pairs))) as {
      rows: number[][];
      missing: string[];
      unexpected: string[];
      labels: string[];
      problemType: string;
    };
    expect(reference).toMatchObject({
      missing: [],
      unexpected: [],
      labels: isRegression ? ["LABEL_0"] : labels,
    });
    expect(reference.problemType).toBe(isRegression ? "regression" : "single_label_classification");
    await using classifier = await Classifier.load(saved, { threads: 1, device: "cpu" });
    const predictions = await classifier.predict(train);
    for (const [row, logits] of reference.rows.entries()) {
      const prediction = predictions[row];
      if (!prediction) throw new Error("a prediction is missing");
      if ("score" in prediction) {
        expect(Math.abs(prediction.score - (logits[0] ?? Number.NaN))).toBeLessThan(1e-5);
        continue;
      }
      const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
      for (const [c, value] of logits.entries())
        expect(
          Math.abs((prediction.probabilities[`class ${c}`] ?? Number.NaN) - Math.exp(value) / total),
        ).toBeLessThan(1e-5);
    }
  });
});

/** Words t5 to t39 for ids 5 to 39, and the special tokens of the family. */
function tokenizerOf(family: string) {
  const isRoberta = /roberta|camembert/.test(family);
  const special = isRoberta
    ? ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    : ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  const [first, last] = isRoberta ? ["<s>", "</s>"] : ["[CLS]", "[SEP]"];
  const words = [...special, ...Array.from({ length: 35 }, (_, i) => `t${i + 5}`)];
  const token = (id: string, type_id = 0) => ({ SpecialToken: { id, type_id } });
  const sequence = (id: string, type_id = 0) => ({ Sequence: { id, type_id } });
  const second = isRoberta ? 0 : 1;
  return {
    version: "1.0",
    added_tokens: special.map((content, id) => ({
      ...{ id, content, special: true },
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
    })),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: {
      type: "TemplateProcessing",
      single: [token(first ?? ""), sequence("A"), token(last ?? "")],
      pair: [
        ...[token(first ?? ""), sequence("A"), token(last ?? "")],
        ...(isRoberta ? [token(last ?? "")] : []),
        ...[sequence("B", second), token(last ?? "", second)],
      ],
      special_tokens: Object.fromEntries(
        [first, last].map((name) => [name, { id: name, ids: [words.indexOf(name ?? "")], tokens: [name] }]),
      ),
    },
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: isRoberta ? "<unk>" : "[UNK]",
    },
  };
}

test("10,000 random safetensors files are read alike, and of 20,000 damaged ones none is accepted that is refused", () => {
  const program = join(folder, "digest");
  const sources = ["native/io/json.cc", "native/io/safetensors_header.cc", "test/fuzz/safetensors_digest.cc"];
  const compiled = spawnSync(CXX, ["-std=c++20", "-O1", "-Inative", ...sources, "-o", program], {
    cwd: root,
    encoding: "utf8",
  });
  expect(compiled.stderr).toBe("");
  const result = JSON.parse(python("safetensors_differential.py", [program]));
  console.log(result);
  expect(result).toMatchObject({ valid: 10_000, damaged: 20_000, wrong: 0 });
  expect(result.readAlike).toBeGreaterThan(10_000);
});
