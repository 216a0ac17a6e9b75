import { describe, expect, it } from "vitest";
import { readTsv } from "#dist/datasets/tsv.js";
import { all, failureAt, fileOf } from "./temp-files.js";

describe("readTsv", () => {
  it("splits at tabs alone: a quote is data, blanks are kept", async () => {
    const path = await fileOf("a.tsv", '\ufeffid\ttext\n1\t"so, he said \n\n2\t say ""\r\n');
    expect(await all(readTsv(path))).toEqual([
      { fields: ["id", "text"], line: 1 },
      { fields: ["1", '"so, he said '], line: 2 },
      { fields: ["2", ' say ""'], line: 4 },
    ]);
  });

  it("takes an empty field at either end", async () => {
    const path = await fileOf("a.tsv", "\t\ta\nb\t\t");
    expect((await all(readTsv(path))).map((row) => row.fields)).toEqual([
      ["", "", "a"],
      ["b", "", ""],
    ]);
  });

  it.each([
    ["too few", "a\tb\n1\t2\n3\n", 3],
    ["too many", "a\tb\n1\t2\t3\n", 2],
  ])("bad call - %s columns", async (_, content, line) => {
    const path = await fileOf("a.tsv", content);
    await failureAt(all(readTsv(path)), "ERR_RAT_DATA_FORMAT", path, line, "columns");
  });
});
