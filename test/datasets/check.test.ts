import { describe, expect, it } from "vitest";
import { reportTask } from "#dist/datasets/check.js";
import { taskCatalogue } from "#dist/datasets/registry.js";
import { renderTaskReport } from "#dist/render/task-report.js";
import { failure, folderOf } from "./temp-files.js";

describe("checkTask", () => {
  it("counts rows, labels, lengths, duplicates, empty texts and what train and test share", async () => {
    const data = await folderOf({
      "train.csv": "text,label\none two,a\n🙂 b c,b\none two,a\n ,a\n",
      "dev.csv": "text,label\nx,a\n",
      "test.csv": "text,label\none two,b\nnew,a\n",
    });
    const report = await reportTask("custom", { data });
    expect(report).toMatchObject({ task: "custom", kind: "classification", classes: 2, testRowsInTrain: 1 });
    expect(report.splits.map(({ split, rows }) => [split, rows])).toEqual([
      ["train", 4],
      ["dev", 1],
      ["test", 2],
    ]);
    expect(report.splits[0]).toEqual({
      split: "train",
      rows: 4,
      labels: [
        { label: "a", rows: 3 },
        { label: "b", rows: 1 },
      ],
      scores: null,
      characters: { min: 1, median: 5, p90: 7, max: 7 },
      words: { min: 0, median: 2, p90: 3, max: 3 },
      empty: 1,
      duplicates: 1,
    });
    expect(report.splits[1]?.labels).toEqual([
      { label: "a", rows: 1 },
      { label: "b", rows: 0 },
    ]);
    expect(report.histogram).toEqual({
      unit: "words",
      bins: [
        { from: 0, to: 0, rows: 1 },
        { from: 1, to: 1, rows: 0 },
        { from: 2, to: 2, rows: 2 },
        { from: 3, to: 3, rows: 1 },
      ],
    });
  });

  it("summarises scores, takes pairs together, and counts characters where there are no blanks", async () => {
    const pair = "甲".repeat(30);
    const tsv = `sentence1\tsentence2\tscore\n${pair}\t${pair}\t1\n${pair}\t乙\t4\n`;
    const data = await folderOf({ "train.tsv": tsv, "dev.tsv": tsv });
    const report = await reportTask("stsb", { data });
    expect(report).toMatchObject({ kind: "regression", classes: 0, testRowsInTrain: null });
    expect(report.splits[0]).toMatchObject({
      labels: [],
      scores: { min: 1, mean: 2.5, max: 4 },
      characters: { min: 31, max: 60 },
      words: { min: 2, max: 2 },
      duplicates: 0,
    });
    expect(report.histogram.unit).toBe("characters");
  });

  it("puts every row into the histogram, long ones into the last bin", async () => {
    const texts = Array.from({ length: 200 }, (_, i) => "w ".repeat(i === 0 ? 5_000 : 1 + (i % 50)));
    const rows = texts.map((text, i) => `${text},${i % 2}`);
    const data = await folderOf({ "train.csv": `text,label\n${rows.join("\n")}\n` });
    const { histogram } = await reportTask("custom", { data, dev: "none" });
    expect(histogram.bins.reduce((sum, { rows: count }) => sum + count, 0)).toBe(200);
    expect(histogram.bins.at(-1)?.to).toBe(5_000);
    expect(histogram.bins.length).toBeLessThanOrEqual(10);
  });

  it("bad call - fails as loading does, and when aborted", async () => {
    await failure(reportTask("imdb", { data: "/nowhere" }), "ERR_RAT_PATH", "/nowhere");
    await failure(
      reportTask("imdb", { data: ".", signal: AbortSignal.abort() }),
      "ERR_RAT_PATH",
      "train.csv",
    );
    const data = await folderOf({ "train.csv": "text,label\na,0\nb,1\n", "test.csv": "text,label\na,0\n" });
    const options = { data, dev: "none", signal: AbortSignal.abort() };
    await failure(reportTask("imdb", options), "ERR_RAT_ABORTED");
  });
});

describe("renderTaskReport", () => {
  it("shows counts, a histogram and what is worth a look", async () => {
    const data = await folderOf({
      "train.csv": "text,label\none two,bad\nb c d,good\none two,bad\n,good\n",
      "dev.csv": "text,label\nx,bad\n",
      "test.csv": "text,label\none two,good\n",
    });
    const text = renderTaskReport(await reportTask("custom", { data }));
    expect(text).toContain("custom: classification, 2 classes\n\ntrain: 4 rows\n");
    expect(text).toContain("    good          2   50.0 %");
    expect(text).toMatch(/2 to 2 +2 {2}█{40}\n/);
    expect(text.slice(text.indexOf("worth a look"))).toBe(
      [
        "worth a look",
        "  train: rows without any text: 1",
        "  train: rows that repeat the text of an earlier row: 1",
        "  dev: classes without a row: 1 of 2",
        "  test: classes without a row: 1 of 2",
        "  1 test rows have a text that also stands in train",
      ].join("\n"),
    );
  });

  it("names only the extremes of many classes, and finds nothing wrong where nothing is", async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `text ${i},c${i}`);
    const data = await folderOf({ "train.csv": `text,label\n${rows.join("\n")}\nmore,c0\n` });
    const text = renderTaskReport(await reportTask("custom", { data, dev: "none" }));
    expect(text).toContain("  labels      1 to 2 rows a class\n");
    expect(text).not.toContain("worth a look");
  });
});

describe("taskCatalogue", () => {
  it("lists every task with what it expects", () => {
    const tasks = taskCatalogue();
    expect(tasks.map(({ name, kind, labels }) => [name, kind, labels])).toEqual([
      ["cola", "classification", 2],
      ["sst2", "classification", 2],
      ["mrpc", "classification", 2],
      ["stsb", "regression", null],
      ["qqp", "classification", 2],
      ["mnli", "classification", 3],
      ["qnli", "classification", 2],
      ["rte", "classification", 2],
      ["wnli", "classification", 2],
      ["imdb", "classification", 2],
      ["agnews", "classification", 4],
      ["tnews", "classification", 15],
      ["iflytek", "classification", 119],
      ["custom", "classification", null],
    ]);
    expect(tasks.find(({ name }) => name === "imdb")?.files).toEqual(["train/|train.csv", "test/|test.csv"]);
    expect(tasks.find(({ name }) => name === "cola")?.files).toEqual(["train.tsv", "dev.tsv"]);
  });
});
