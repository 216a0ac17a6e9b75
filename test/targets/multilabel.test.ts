/** Label sets: from files in both spellings through training to metrics, predictions and a model folder that says so. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Classifier } from "r-at";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTask } from "#dist/datasets/load-task.js";
import { multilabel } from "#dist/targets/multilabel.js";
import { run, temporaryFolder, toyRun } from "../cli/cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  writeToySets(folder);
});
afterAll(() => clean());

const words = { food: "soup", service: "waiter", price: "cheap" };
const names = Object.keys(words) as (keyof typeof words)[];

/** Each label has a word that says it; row `i` has the labels of its bits. In three spellings: JSON arrays, and separated. */
function writeToySets(to: string): void {
  for (const [split, count] of [
    ["train", 96],
    ["dev", 24],
    ["test", 24],
  ] as const) {
    const rows = Array.from({ length: count }, (_, i) => {
      const labels = names.filter((_, bit) => (i >> bit) & 1);
      return { text: ["about", i % 5, ...labels.map((label) => words[label])].join(" "), label: labels };
    });
    writeFileSync(join(to, `${split}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const csv = rows.map(({ text, label }) => `${text},${label.join("|")}\n`);
    writeFileSync(join(to, `${split}-separated.csv`), `text,label\n${csv.join("")}`);
  }
}

const sets = ["--kind", "multilabel"];
const train = async (name: string, more: readonly string[]) => {
  const output = join(folder, name);
  const { code, stdout, stderr } = await run(
    toyRun(folder, output, [...sets, "--epochs", "8", "--json", ...more]),
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return { output, summary: JSON.parse(stdout) };
};

describe("a task of label sets", () => {
  test("is the same from JSON arrays and from separated names, an empty field being an empty set", async () => {
    const arrays = await loadTask("custom", { data: folder, kind: "multilabel" });
    const separated = await loadTask("custom", {
      ...{ kind: "multilabel", labelSeparator: "|", train: join(folder, "train-separated.csv") },
      ...{ dev: join(folder, "dev-separated.csv"), test: join(folder, "test-separated.csv") },
    });
    expect(arrays).toEqual(separated);
    expect(arrays.labels).toEqual(["food", "price", "service"]);
    expect(arrays.metrics[0]).toBe("microF1");
    expect(arrays.train[0]?.label).toEqual([]);
    expect(arrays.train[3]?.label).toEqual(["food", "service"]);
  });

  test("is learnt with R-AT, in micro-batches, and evaluated, told by the model's folder alone", async () => {
    const { output, summary } = await train("r-at", ["--micro-batch-size", "5", "--temperature", "1.5"]);
    expect(summary.test.microF1).toBeGreaterThan(0.95);
    const config = JSON.parse(readFileSync(join(output, "model/config.json"), "utf8"));
    expect(config).toMatchObject({ problem_type: "multi_label_classification", num_labels: 3 });
    const model = join(output, "model");
    const evaluated = await run([
      "evaluate",
      "--model",
      model,
      "--task",
      "custom",
      ...sets,
      "--data",
      folder,
      "--json",
    ]);
    expect(JSON.parse(evaluated.stdout).metrics).toEqual(summary.test);
    const { stdout } = await run(["predict", "--model", model, "about 1 soup cheap", "about 2"]);
    const [both, neither] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(both.labels).toEqual(["food", "price"]);
    expect(Object.keys(both.probabilities)).toEqual(["food", "price", "service"]);
    expect(neither.labels).toEqual([]);
  });

  test("is resumed, and is another run with another threshold", async () => {
    const flags = ["--max-steps", "6", "--checkpoint-every", "3", "--threshold", "0.4"];
    const { output } = await train("resumed", flags);
    const again = await run([
      ...toyRun(folder, output, [...sets, "--epochs", "8", "--json", ...flags]),
      "--resume",
    ]);
    expect(again.code).toBe(0);
    const other = [...flags.slice(0, -1), "0.6"];
    const refused = await run([
      ...toyRun(folder, output, [...sets, "--epochs", "8", "--json", ...other]),
      "--resume",
    ]);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch("ERR_RAT_RESUME_CONFIG");
  });

  test("gives the labels whose probability reaches the threshold: the model's, or the caller's", async () => {
    const { output } = await train("threshold", ["--threshold", "0.9", "--max-steps", "12"]);
    const labelsAt = async (threshold?: number) => {
      await using classifier = await Classifier.load(join(output, "model"), { threads: 1, threshold });
      const [prediction] = await classifier.predict("about 1 soup waiter cheap");
      for (const [name, p] of Object.entries(prediction?.probabilities ?? {}))
        expect(prediction?.labels?.includes(name)).toBe(p >= (threshold ?? 0.9));
      return prediction?.labels?.length;
    };
    await labelsAt();
    expect(await labelsAt(0)).toBe(3);
    expect(await labelsAt(1)).toBe(0);
  });
});

describe("bad data", () => {
  test.each([
    [
      "an array where labels are classes",
      "classification",
      '{"text":"a","label":["x"]}',
      "ERR_RAT_DATA_FORMAT",
    ],
    ["an array in an array", "multilabel", '{"text":"a","label":[["x"]]}', "ERR_RAT_LABEL"],
    ["an object", "multilabel", '{"text":"a","label":{"x":1}}', "ERR_RAT_DATA_FORMAT"],
    ["rows without any label", "multilabel", '{"text":"a","label":[]}', "ERR_RAT_LABEL"],
    ["a row without the key", "multilabel", '{"text":"a"}', "ERR_RAT_LABEL"],
  ] as const)("%s is refused", async (_, kind, row, code) => {
    const file = join(folder, "bad.jsonl");
    writeFileSync(file, `${row}\n`);
    await expect(loadTask("custom", { train: file, dev: "none", kind })).rejects.toMatchObject({ code });
  });

  test.each([
    ["--class-weights", "balanced"],
    ["--label-smoothing", "0.1"],
    ["--metric", "f1"],
  ])("%s means nothing to label sets", async (flag, value) => {
    const { code, stdout } = await run(toyRun(folder, join(folder, "x"), [...sets, flag, value, "--json"]));
    expect(code).toBe(1);
    expect(stdout).toMatch("ERR_RAT_CONFIG");
  });

  test("--threshold means nothing to classes", async () => {
    const { code, stdout } = await run(
      toyRun(folder, join(folder, "x"), [
        ...["--kind", "classification", "--train", join(folder, "train-separated.csv"), "--dev", "none"],
        ...["--labels", "food,price", "--threshold", "0.3", "--json"],
      ]),
    );
    expect(code).toBe(1);
    expect(stdout).toMatch("ERR_RAT_");
  });

  test("an example whose label is no array of the task's names", () => {
    const write = (label: unknown) =>
      multilabel.write(label, new Map([["x", 0]]), "train[3]", new Float32Array(1));
    for (const label of ["x", ["y"], [1], null, 3]) expect(() => write(label)).toThrow(/train\[3\]\.label/);
    expect(() => write(["x"])).not.toThrow();
  });
});
