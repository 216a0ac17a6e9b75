/** Files of word vectors, sound and not. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readWordVectors, vectorValues } from "#dist/models/word-vectors.js";
import { all, failure, failureAt, fileOf } from "../datasets/temp-files.js";

async function read(content: string | Uint8Array, size: number, name = "vectors.txt") {
  const rows = await all(readWordVectors(await fileOf(name, content), { size }));
  const values = [...vectorValues(rows, size)];
  return rows.map(({ word }, row) => [word, ...values.slice(row * size, (row + 1) * size)]);
}

const two = [
  ["the", 0.5, -0.25],
  ["film", 1, 2],
];

describe("a file of vectors", () => {
  it.each<[string, string]>([
    ["of GloVe", "the 0.5 -0.25\nfilm 1 2\n"],
    ["without an end of line", "the 0.5 -0.25\nfilm 1 2"],
    ["with CRLF", "the 0.5 -0.25\r\nfilm 1 2\r\n"],
    ["of word2vec, with its first line and blanks at the ends", "2 2\nthe 0.5 -0.25 \nfilm 1 2 \n"],
    ["with tabs", "the\t0.5\t-0.25\nfilm\t1\t2\n"],
    ["with a byte-order mark", "\ufeffthe 0.5 -0.25\nfilm 1 2\n"],
    ["with numbers of every form", "the +.5 -25e-2\nfilm 1. 0.2E+1\n"],
  ])("%s", async (_, content) => {
    expect(await read(content, 2)).toEqual(two);
    expect(await read(gzipSync(content), 2, "vectors.txt.gz")).toEqual(two);
  });

  it("may have words with blanks, numbers as words and any characters", async () => {
    const words = [
      ". . .",
      "at name@domain.com",
      "1997",
      "3.5e2",
      "a\u00a0b",
      "\u2028",
      "电影",
      "😀",
      "-",
      ".",
    ];
    const content = words.map((word, index) => `${word} ${index} 0.5\n`).join("");
    expect(await read(content, 2)).toEqual(words.map((word, index) => [word, index, 0.5]));
  });

  it("of width 1, and of the largest width", async () => {
    expect(await read("a 1\nb 2\n", 1)).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    const size = 65_536;
    const [row] = await read(`wide${" 0.25".repeat(size)}\n`, size);
    expect(row).toEqual(["wide", ...new Array<number>(size).fill(0.25)]);
  });

  it("is read to the bit that a 32-bit float has", async () => {
    const [row] = await read("pi 3.14159265358979323846\n", 1);
    expect(row).toEqual(["pi", Math.fround(Math.PI)]);
  });
});

describe("misuse", () => {
  it.each<[string, string, number, string]>([
    [
      "another width",
      "the 1 2 3\nfilm 1 2 3\n",
      1,
      "3 numbers, the model's embeddings 2; take vectors of 2, or embeddingSize 3",
    ],
    ["another width in word2vec's first line", "400000 300\nthe 1 2\n", 1, "its vectors have 300 numbers"],
    ["a row that is cut", "the 1 2\nfilm 1\n", 2, '"film" has 1 number instead of 2'],
    ["a row with too many numbers", "the 1 2\nfilm 1 2 3\n", 2, '"film" has 3 numbers instead of 2'],
    [
      "a file of something else",
      "text,label\nfine,good\n",
      1,
      '"text,label" has 0 numbers instead of 2; fetch',
    ],
    ["a line of any length", `the${" 1".repeat(10_000)}\n`, 1, "far too long for 2 numbers"],
    ["a word alone", "the 1 2\nfilm\n", 2, '"film" has 0 numbers instead of 2'],
    ["an empty line", "the 1 2\n\nfilm 1 2\n", 2, '"" has 0 numbers instead of 2'],
    ["numbers without a word", "the 1 2\n 1 2\n", 2, '"1" has 1 number instead of 2'],
    ["a word among the numbers", "the 1 2\nfilm 1 x\n", 2, '"x" of "film" is not a number'],
    ["nan", "the 1 2\nfilm 1 nan\n", 2, '"nan" of "film" is not a number'],
    ["inf", "the 1 2\nfilm inf 2\n", 2, '"inf" of "film" is not a number'],
    ["a hexadecimal number", "the 1 2\nfilm 0x10 2\n", 2, '"0x10" of "film" is not a number'],
    ["two points", "the 1 2\nfilm 1.2.3 2\n", 2, '"1.2.3" of "film" is not a number'],
    ["a decimal comma", "the 1 2\nfilm 1,5 2\n", 2, '"1,5" of "film" is not a number'],
    ["a sign alone", "the 1 2\nfilm - 2\n", 2, '"-" of "film" is not a number'],
    ["nothing at all", "", 1, "no word vectors"],
    ["word2vec's first line alone", "0 2\n", 1, "no word vectors"],
  ])("bad call - %s", async (_, content, line, words) => {
    const file = await fileOf("vectors.txt", content);
    await failureAt(all(readWordVectors(file, { size: 2 })), "ERR_RAT_DATA_FORMAT", file, line, words);
  });

  it("bad call - a number beyond 32 bits", async () => {
    const file = await fileOf("vectors.txt", "the 1 2\nfilm 1 1e39\n");
    const values = async () => vectorValues(await all(readWordVectors(file, { size: 2 })), 2);
    await failureAt(values(), "ERR_RAT_DATA_FORMAT", file, 2, '1e39 of "film" is too large');
  });

  it("bad call - rows that are hard to refuse are refused at once", async () => {
    const rows = [
      `w${" 12".repeat(65_535)}`,
      `w${" 12345678901234567890".repeat(30_000)}`,
      `w${" x".repeat(100_000)}`,
      "1".repeat(5_000_000),
    ];
    const from = performance.now();
    for (const row of rows) {
      const file = await fileOf("vectors.txt", row);
      await failureAt(all(readWordVectors(file, { size: 65_536 })), "ERR_RAT_DATA_FORMAT", file, 1);
    }
    // Trying every way to split them would take a minute.
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  it("bad call - no such file, a folder, not UTF-8, not gzip, an aborted signal", async () => {
    const missing = `${await fileOf("a", "")}.txt`;
    await failure(all(readWordVectors(missing, { size: 2 })), "ERR_RAT_PATH", missing, "does not exist");
    await failure(all(readWordVectors(import.meta.dirname, { size: 2 })), "ERR_RAT_PATH", "folder");
    const latin1 = await fileOf("latin1.txt", Buffer.from("the 1 2\ncaf\xe9 1 2\n", "latin1"));
    await failureAt(all(readWordVectors(latin1, { size: 2 })), "ERR_RAT_DATA_ENCODING", latin1, 2);
    const plain = await fileOf("plain.txt.gz", "the 1 2\n");
    await failure(all(readWordVectors(plain, { size: 2 })), "ERR_RAT_DATA_FORMAT", "not gzip");
    const signal = AbortSignal.abort();
    await failure(all(readWordVectors(plain, { size: 2, signal })), "ERR_RAT_ABORTED");
  });
});
