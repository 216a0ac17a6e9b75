import { describe, expect, it } from "vitest";
import { readExamples } from "#dist/datasets/read-examples.js";
import { failure, failureAt, fileOf } from "./temp-files.js";

describe("readExamples", () => {
  it("reads labels where the file has them", async () => {
    const cola = await fileOf("dev.tsv", "gj04\t0\t*\tthem agree\n");
    expect(await readExamples(cola, { task: "cola" })).toEqual([
      { text: "them agree", label: "unacceptable" },
    ]);
    const imdb = await fileOf("a.csv", "text,label\ngood,1\n");
    expect(await readExamples(imdb, { task: "imdb" })).toEqual([{ text: "good", label: "positive" }]);
  });

  it("reads files that have no labels", async () => {
    const cola = await fileOf("test.tsv", "index\tsentence\n0\tBill whistled.\n");
    expect(await readExamples(cola, { task: "cola" })).toEqual([{ text: "Bill whistled." }]);
    const news = await fileOf("a.csv", '"Title","Text"\n');
    expect(await readExamples(news, { task: "agnews" })).toEqual([{ text: "Title Text" }]);
    const sts = await fileOf("test.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n");
    expect(await readExamples(sts, { task: "stsb" })).toEqual([{ text: "a", pair: "b" }]);
    const tnews = await fileOf(
      "test.json",
      '{"id": 0, "sentence": "x"}\n{"sentence": "y", "label": "100"}\n',
    );
    expect(await readExamples(tnews, { task: "tnews" })).toEqual([
      { text: "x" },
      { text: "y", label: "100" },
    ]);
  });

  it("takes any label of a custom file, or those that are given", async () => {
    const path = await fileOf("a.tsv", "text\tlabel\na\tx\nb\t\n");
    expect(await readExamples(path, { task: "custom" })).toEqual([{ text: "a", label: "x" }, { text: "b" }]);
    await failureAt(
      readExamples(path, { task: "custom", labels: ["y", "z"] }),
      "ERR_RAT_LABEL",
      path,
      2,
      '"y", "z"',
    );
  });

  it("does not look at labels that are to be ignored", async () => {
    const path = await fileOf("a.csv", "text,label\na,-1\n");
    expect(await readExamples(path, { task: "imdb", labelMode: "ignored" })).toEqual([{ text: "a" }]);
    const indexed = await fileOf("b.csv", "a,b\n");
    expect(await readExamples(indexed, { task: "custom", textColumn: "1", labelMode: "ignored" })).toEqual([
      { text: "b" },
    ]);
  });

  it("bad call - a row without a label where labels are required", async () => {
    const path = await fileOf("a.jsonl", '{"sentence": "a", "label": "100"}\n{"sentence": "b"}\n');
    const work = readExamples(path, { task: "tnews", labelMode: "required" });
    await failureAt(work, "ERR_RAT_LABEL", path, 2, "no label");
  });

  it("bad call - an unlabelled file where labels are required", async () => {
    const path = await fileOf("test.tsv", "index\tsentence\n0\tBill whistled.\n");
    const work = readExamples(path, { task: "cola", labelMode: "required" });
    await failureAt(work, "ERR_RAT_DATA_FORMAT", path, 1, '"label"');
  });

  it("bad call - a file that is empty or missing, no path, and an unknown task", async () => {
    const path = await fileOf("a.csv", "");
    await failureAt(readExamples(path, { task: "imdb" }), "ERR_RAT_DATA_FORMAT", path, 1, "no rows");
    await failure(readExamples("/nowhere/a.csv", { task: "imdb" }), "ERR_RAT_PATH", "/nowhere/a.csv");
    await failure(readExamples("", { task: "imdb" }), "ERR_RAT_INVALID_ARG", "a path");
    await failure(readExamples(path, { task: "imbd" }), "ERR_RAT_INVALID_ARG", "imdb");
  });
});
