import { describe, expect, it } from "vitest";
import { readJsonLines } from "#dist/datasets/jsonl.js";
import { all, failureAt, fileOf } from "./temp-files.js";

describe("readJsonLines", () => {
  it("gives one object a line and skips blank lines", async () => {
    const path = await fileOf("a.jsonl", '\ufeff{"a": "x\\ny"}\r\n \n{"b": [1]}');
    expect(await all(readJsonLines(path))).toEqual([
      { value: { a: "x\ny" }, line: 1 },
      { value: { b: [1] }, line: 3 },
    ]);
  });

  it.each([
    ["a JSON array of all rows", "[\n{}\n]\n", 1],
    ["a cut off object", '{"a": 1}\n{"a": \n', 2],
    ["an array", '{"a": 1}\n\n[1]\n', 3],
    ["null", "null\n", 1],
    ["a number", '{"a": 1}\n7\n', 2],
  ])("bad call - %s in place of an object", async (_, content, line) => {
    const path = await fileOf("a.jsonl", content);
    await failureAt(all(readJsonLines(path)), "ERR_RAT_DATA_FORMAT", path, line, "JSON object");
  });
});
