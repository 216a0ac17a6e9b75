import { appendFile, truncate } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCsv } from "#dist/datasets/csv.js";
import { all, failureAt, fileOf } from "./temp-files.js";

async function rows(content: string | Uint8Array, name = "a.csv") {
  return all(readCsv(await fileOf(name, content)));
}

async function fields(content: string): Promise<(readonly string[])[]> {
  return (await rows(content)).map((row) => row.fields);
}

describe("readCsv", () => {
  it("takes quoted fields with commas, doubled quotes and line breaks", async () => {
    expect(await rows('a,b\n"x, y","say ""hi"""\n"two\nlines",""\nplain,"end"')).toEqual([
      { fields: ["a", "b"], line: 1 },
      { fields: ["x, y", 'say "hi"'], line: 2 },
      { fields: ["two\nlines", ""], line: 3 },
      { fields: ["plain", "end"], line: 5 },
    ]);
  });

  it("keeps CRLF inside quotes, ends rows at it outside, and counts it as one line", async () => {
    expect(await rows('a,b\r\n"x\r\ny",1\r\nz,2\r\n')).toEqual([
      { fields: ["a", "b"], line: 1 },
      { fields: ["x\r\ny", "1"], line: 2 },
      { fields: ["z", "2"], line: 4 },
    ]);
  });

  it("keeps blanks, empty fields, lone CR and NUL, and skips a byte-order mark", async () => {
    expect(await fields("\ufeffa ,, c\rd\n \0,,\n")).toEqual([
      ["a ", "", " c\rd"],
      [" \0", "", ""],
    ]);
  });

  it("skips blank lines between rows, and counts them", async () => {
    expect(await rows("\n\na,b\n\r\n1,2\n\n")).toEqual([
      { fields: ["a", "b"], line: 3 },
      { fields: ["1", "2"], line: 5 },
    ]);
  });

  it("takes a blank line as an empty text in a file of one column", async () => {
    expect(await fields("text\none\n\ntwo\n")).toEqual([["text"], ["one"], [""], ["two"]]);
  });

  it("reads gzip", async () => {
    expect(await rows(gzipSync('"a\nb",1\n2,3\n'), "a.csv.gz")).toEqual([
      { fields: ["a\nb", "1"], line: 1 },
      { fields: ["2", "3"], line: 3 },
    ]);
  });

  it("reads back any rows that were written as RFC 4180, over all chunk borders", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", "é", "🙂", '"', ",", "\n", "\r\n", " ", "\t", "x") });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 40 }),
        fc.nat(70_000),
        async (cells, padding) => {
          const written = [["p".repeat(padding), ""], ...cells];
          const content = written
            .map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(","))
            .join("\r\n");
          expect(await fields(content)).toEqual(written);
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([
    ["too few columns", "a,b\n1,2\n3\n", 3, "1 columns where the first row has 2"],
    ["too many columns, after a row of several lines", 'a,b\n"x\ny\nz",2\n1,2,3\n', 5, "3 columns"],
    ["a quote in an unquoted field", 'a,b\n1,2\n5" disk,3\n', 3, "quot"],
    ["text after a closing quote", 'a,b\n"x"y,2\n', 2, "quot"],
    ["a quote that is never closed", 'a,b\n1,2\n"x,2\n3,4\n', 3, "never closed"],
  ])("bad call - %s", async (_, content, line, part) => {
    const path = await fileOf("a.csv", content);
    await failureAt(all(readCsv(path)), "ERR_RAT_DATA_FORMAT", path, line, part);
  });

  it("bad call - a row of more than 64 MiB of many lines", async () => {
    const path = await fileOf("a.csv", `a,b\n1,"${`${"x".repeat(1_048_575)}\n`.repeat(40)}`);
    const line = `${"y".repeat(1_048_575)}\n`;
    await appendFile(path, line.repeat(30));
    await failureAt(all(readCsv(path)), "ERR_RAT_LIMIT", path, 2, "64 MiB");
  });

  it("bad call - a line of more than 64 MiB", async () => {
    const path = await fileOf("a.csv", "a,b\n");
    await truncate(path, 70 * 1024 * 1024);
    await failureAt(all(readCsv(path)), "ERR_RAT_LIMIT", path, 2);
  });

  it("bad call - a byte that is not UTF-8, in a row of several lines", async () => {
    const path = await fileOf("a.csv", Buffer.from('a,b\n"x\n\xff\n",2\n', "latin1"));
    await failureAt(all(readCsv(path)), "ERR_RAT_DATA_ENCODING", path, 3);
  });
});
