/** The nine GLUE tasks: official files, the hub's Parquet and JSON lines, labels in their official order. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { reportTask } from "#dist/datasets/check.js";
import { type LoadTaskOptions, loadTask } from "#dist/datasets/load-task.js";
import { readExamples } from "#dist/datasets/read-examples.js";
import { renderTaskReport } from "#dist/render/task-report.js";
import { type Files, failure, folderOf } from "./temp-files.js";

/** Columns and class names as `datasets` writes them. */
function parquet(
  columns: Record<string, readonly (string | number)[]>,
  classes?: readonly string[],
): Uint8Array {
  const columnData = Object.entries(columns).map(([name, values]) => ({
    name,
    data: values.map((value) =>
      typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value,
    ),
  }));
  const label = { names: classes, _type: "ClassLabel" };
  const kvMetadata = classes && [
    { key: "huggingface", value: JSON.stringify({ info: { features: { label } } }) },
  ];
  // Small groups, so that there are several.
  return new Uint8Array(
    parquetWriteBuffer({ columnData, rowGroupSize: 2, ...(kvMetadata && { kvMetadata }) }),
  );
}

async function load(task: string, files: Files, options: LoadTaskOptions = {}) {
  return loadTask(task, { data: await folderOf(files), ...options });
}

const tsv = (...rows: readonly (readonly (string | number)[])[]) =>
  `${rows.map((row) => row.join("\t")).join("\n")}\n`;

const PAIRS = [
  ["a one", "b one"],
  ["a two", "b two"],
] as const;

describe.each<
  [task: string, folder: string, header: string[], rows: (string | number)[][], labels: string[]]
>([
  [
    "sst2",
    "SST-2",
    ["sentence", "label"],
    [
      ["a one", 0],
      ["a two", 1],
    ],
    ["negative", "positive"],
  ],
  [
    "qqp",
    "QQP",
    ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
    PAIRS.map((p, i) => [i, 7, 8, ...p, i]),
    ["not_duplicate", "duplicate"],
  ],
  [
    "qnli",
    "QNLI",
    ["index", "question", "sentence", "label"],
    PAIRS.map((p, i) => [i, ...p, ["entailment", "not_entailment"][i] ?? ""]),
    ["entailment", "not_entailment"],
  ],
  [
    "rte",
    "RTE",
    ["index", "sentence1", "sentence2", "label"],
    PAIRS.map((p, i) => [i, ...p, ["entailment", "not_entailment"][i] ?? ""]),
    ["entailment", "not_entailment"],
  ],
  [
    "wnli",
    "WNLI",
    ["index", "sentence1", "sentence2", "label"],
    PAIRS.map((p, i) => [i, ...p, i]),
    ["not_entailment", "entailment"],
  ],
  [
    "mrpc",
    "MRPC",
    ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
    PAIRS.map((p, i) => [i, 1, 2, ...p]),
    ["not_equivalent", "equivalent"],
  ],
])("%s", (task, folder, header, rows, labels) => {
  const isPair = task !== "sst2";
  const expected = PAIRS.map(([text, pair], i) => ({ text, ...(isPair && { pair }), label: labels[i] }));

  it("reads the official files, plain or gzip, in the archive's folder", async () => {
    const file = tsv(header, ...rows);
    const loaded = await load(task, {
      [`${folder}/train.tsv`]: file,
      [`${folder}/dev.tsv.gz`]: gzipSync(file),
    });
    expect(loaded).toMatchObject({ labels, train: expected, dev: expected, test: null });
  });

  it("reads the unlabelled test file", async () => {
    const names = header.filter((name) => !["label", "Quality", "is_duplicate"].includes(name));
    const row = names.map((name) =>
      name.endsWith("1") || name.startsWith("#1 S") || name === "sentence" || name === "question" ? "x" : "y",
    );
    const data = await folderOf({ "test.tsv": tsv(["index", ...names], [0, ...row]) });
    const [example] = await readExamples(join(data, "test.tsv"), { task });
    expect(example).not.toHaveProperty("label");
  });

  it("reads what the hub serves: shards of Parquet with numbered classes, and JSON lines", async () => {
    const text = isPair
      ? task === "qnli"
        ? "question"
        : task === "qqp"
          ? "question1"
          : "sentence1"
      : "sentence";
    const pair = task === "qnli" ? "sentence" : task === "qqp" ? "question2" : "sentence2";
    const columns = (at: readonly number[]) => ({
      [text]: at.map((i) => PAIRS[i]?.[0] ?? ""),
      ...(isPair && { [pair]: at.map((i) => PAIRS[i]?.[1] ?? "") }),
      label: at,
      idx: at,
    });
    const lines = PAIRS.map(([a, b], i) =>
      JSON.stringify({ [text]: a, ...(isPair && { [pair]: b }), label: i }),
    );
    const loaded = await load(task, {
      "data/train-00000-of-00002.parquet": parquet(columns([0]), labels),
      "data/train-00001-of-00002.parquet": parquet(columns([1])),
      "validation.jsonl": lines.join("\n"),
    });
    expect(loaded).toMatchObject({ train: expected, dev: expected });
  });
});

describe("mnli", () => {
  const header = ["index", "sentence1", "sentence2", "label1", "gold_label"];
  const file = tsv(
    header,
    [0, "a", "b", "x", "neutral"],
    [1, "c", "d", "x", "-"],
    [2, "e", "f", "x", "entailment"],
  );
  const files = {
    "train.tsv": file,
    "dev_matched.tsv": file,
    "dev_mismatched.tsv": tsv(header, [0, "m", "n", "x", "contradiction"]),
  };

  it("has both dev sets, the official order of labels, and leaves out what people did not agree about", async () => {
    const task = await load("mnli", files);
    expect(task.labels).toEqual(["entailment", "neutral", "contradiction"]);
    expect(task.train).toEqual([
      { text: "a", pair: "b", label: "neutral" },
      { text: "e", pair: "f", label: "entailment" },
    ]);
    expect(task["dev-mismatched"]).toEqual([{ text: "m", pair: "n", label: "contradiction" }]);
    expect(task.skippedRows).toBe(2);
  });

  it("goes without the second dev set where it is not there, or dev is none", async () => {
    const { "dev_mismatched.tsv": _, ...rest } = files;
    expect((await load("mnli", rest))["dev-mismatched"]).toBeNull();
    expect((await load("mnli", files, { dev: "none" }))["dev-mismatched"]).toBeNull();
  });

  it("reads the hub's names of its splits and columns", async () => {
    const rows = parquet({
      premise: ["a", "b", "c"],
      hypothesis: ["x", "y", "z"],
      label: [0, 1, 2],
      idx: [0, 1, 2],
    });
    const task = await load("mnli", {
      "mnli/train-00000-of-00001.parquet": rows,
      "mnli/validation_matched-00000-of-00001.parquet": rows,
      "mnli/validation_mismatched-00000-of-00001.parquet": rows,
    });
    expect(task.train.map(({ label }) => label)).toEqual(task.labels);
    expect(task["dev-mismatched"]).toEqual(task.dev);
  });
});

describe("mrpc from Microsoft's own files", () => {
  const header = ["\uFEFFQuality", "#1 ID", "#2 ID", "#1 String", "#2 String"];
  const rows = [0, 1, 2, 3].map((i) => [i % 2, 10 + i, 20 + i, `a${i}`, `b "${i}`]);
  const files = {
    "msr_paraphrase_train.txt": tsv(header, ...rows),
    "msr_paraphrase_test.txt": tsv(header, rows[1] ?? []),
  };

  it("takes the dev rows that dev_ids.tsv lists, and has a test set", async () => {
    const task = await load("mrpc", { ...files, "dev_ids.tsv": "12\t22\n10\t20\n" });
    expect(task.dev?.map(({ text }) => text)).toEqual(["a0", "a2"]);
    expect(task.train.map(({ text }) => text)).toEqual(["a1", "a3"]);
    expect(task.test).toEqual([{ text: "a1", pair: 'b "1', label: "equivalent" }]);
  });

  it("holds out a part of them where there is no list", async () => {
    const task = await load("mrpc", files);
    expect([task.train.length, task.dev?.length]).toEqual([2, 2]);
  });
});

describe("damaged and strange files", () => {
  it("leaves out rows of QQP that are cut short, and counts them", async () => {
    const header = ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"];
    const file = tsv(header, [0, 1, 2, "a", "b", 0], [1, 1, 2, "cut"], [2, 1, 2, "c", "d", 1]);
    const data = await folderOf({ "train.tsv": file, "dev.tsv": file });
    const task = await loadTask("qqp", { data });
    expect([task.train.length, task.dev?.length, task.skippedRows]).toEqual([2, 2, 2]);
    expect(renderTaskReport(await reportTask("qqp", { data }))).toContain(
      "left out, damaged or without a label: 2",
    );
  });

  it("bad call - a short row of another task", async () => {
    const file = tsv(["sentence", "label"], ["a", 1], ["b"]);
    await failure(load("sst2", { "train.tsv": file, "dev.tsv": file }), "ERR_RAT_DATA_FORMAT", "train.tsv:3");
  });

  it.each<[string, Uint8Array | string]>([
    ["text", "sentence\tlabel\na\t1\n"],
    ["nothing", ""],
    ["a file that is cut short", parquet({ sentence: ["a", "b"], label: [0, 1] }).subarray(0, -9)],
    ["damaged metadata", parquet({ sentence: ["a", "b"], label: [0, 1] }).fill(0xff, 40, -12)],
    ["damaged pages", parquet({ sentence: ["a".repeat(200), "b"], label: [0, 1] }).fill(0xff, 4, 30)],
  ])("bad call - %s as Parquet", async (_, content) => {
    const data = await folderOf({ "a.parquet": content });
    await failure(
      loadTask("sst2", { train: join(data, "a.parquet"), dev: "none" }),
      "ERR_RAT_DATA_FORMAT",
      "a.parquet",
    );
  });

  it("bad call - a shard that is missing", async () => {
    const rows = parquet({ sentence: ["a", "b"], label: [0, 1] });
    const work = load(
      "sst2",
      { "train-00000-of-00003.parquet": rows, "train-00001-of-00003.parquet": rows },
      { dev: "none" },
    );
    await failure(work, "ERR_RAT_PATH", "train-00002-of-00003.parquet");
  });

  it("bad call - Parquet without the text's column", async () => {
    const work = load("sst2", { "train.parquet": parquet({ body: ["a"], label: [1] }) }, { dev: "none" });
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.parquet:1", '"sentence" or "text"', '"body"');
  });

  it("bad call - the hub's test file, whose labels are -1, as training data", async () => {
    const work = load(
      "sst2",
      { "train.parquet": parquet({ sentence: ["a"], label: [-1] }, ["n", "p"]) },
      { dev: "none" },
    );
    await failure(work, "ERR_RAT_DATA_FORMAT", "no rows");
  });
});

describe("custom tasks", () => {
  it("read Parquet, and a JSON array as well as JSON lines", async () => {
    const rows = [
      { text: "a", label: "x" },
      { text: "b\n", label: "y" },
    ];
    const task = await load("custom", {
      "train.parquet": parquet({ text: rows.map(({ text }) => text), label: rows.map(({ label }) => label) }),
      "dev.json": JSON.stringify(rows, null, 2),
      "test.jsonl": rows.map((row) => JSON.stringify(row)).join("\n"),
    });
    expect(task).toMatchObject({ labels: ["x", "y"], train: rows, dev: rows, test: rows });
  });

  it("read thousands of rows in order", async () => {
    const texts = Array.from({ length: 3_001 }, (_, i) => `text ${i}`);
    const labels = texts.map((_, i) => i % 3);
    const columnData = [
      { name: "text", data: texts },
      { name: "label", data: labels.map(BigInt) },
    ];
    const task = await load(
      "custom",
      { "train.parquet": new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 1_000 })) },
      { dev: "none" },
    );
    expect(task.train.map(({ text }) => text)).toEqual(texts);
    expect(task.labels).toEqual(["0", "1", "2"]);
  });

  it("bad call - a JSON array of something else", async () => {
    await failure(
      load("custom", { "train.json": "[1, 2]" }),
      "ERR_RAT_DATA_FORMAT",
      "train.json:1",
      "entry 0",
    );
    await failure(
      load("custom", { "train.json": "[{}, " }),
      "ERR_RAT_DATA_FORMAT",
      "train.json:1",
      "not JSON",
    );
  });
});

describe("agnews and imdb from the hub", () => {
  it("number the classes of AG News from 0", async () => {
    const rows = parquet({ text: ["a", "b"], label: [0, 3] });
    const files = { "data/train-00000-of-00001.parquet": rows, "data/test-00000-of-00001.parquet": rows };
    const task = await load("agnews", files, { dev: "none" });
    expect(task.train.map(({ label }) => label)).toEqual(["World", "Sci/Tech"]);
  });

  it("take the class names that the file has", async () => {
    const rows = parquet({ text: ["a", "b"], label: [0, 1] }, ["neg", "pos"]);
    const task = await load("imdb", { "train.parquet": rows, "test.parquet": rows }, { dev: "none" });
    expect(task.test?.map(({ label }) => label)).toEqual(["negative", "positive"]);
  });
});
