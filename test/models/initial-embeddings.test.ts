/** Which word's vector becomes which token's row. */
import { describe, expect, it, onTestFinished } from "vitest";
import { fillEmbeddings } from "#dist/models/initial-embeddings.js";
import { type TrainTokenizerOptions, trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import { fileOf } from "../datasets/temp-files.js";

/** The first number of each token's row, by token, for a vocabulary of the words of `text`. */
async function fill(text: string, vectors: string, options: TrainTokenizerOptions = {}) {
  const tokenizer = await trainTokenizer([{ text }], { minimumCount: 1, ...options });
  onTestFinished(() => tokenizer.dispose());
  const rows = new Map<number, number>();
  const { words, found } = await fillEmbeddings(await fileOf("vectors.txt", vectors), {
    tokenizer,
    size: 1,
    write: async (ids, values) => {
      expect(new Set(ids).size).toBe(ids.length);
      for (const [index, id] of ids.entries()) rows.set(id, values[index] ?? Number.NaN);
    },
  });
  expect(rows.size).toBe(found);
  const tokens = [...text.split(" "), "[PAD]", "[UNK]", "[SEP]"];
  const byToken = tokens.map((token) => [token, rows.get(tokenizer.tokenToId(token) ?? -1)] as const);
  return { words, found, rows: Object.fromEntries(byToken.filter(([, value]) => value !== undefined)) };
}

describe("a word's vector", () => {
  it("goes to the token of the same spelling, and to no other", async () => {
    const { words, found, rows } = await fill("great film café", "film 1\nfilms 2\ncafé 3\ncafe 4\nthe 5\n");
    expect({ words, found, rows }).toEqual({ words: 5, found: 2, rows: { film: 1, café: 3 } });
  });

  it.each([
    ["The 1\nthe 2\nTHE 3\n", 2],
    ["the 2\nThe 1\n", 2],
    ["The 1\nTHE 3\n", 1],
    ["THE 3\n", 3],
    ["the 1\nthe 2\n", 1],
  ])("goes to its lower-case form if that has none itself: %j gives %d", async (vectors, value) => {
    expect((await fill("the film", vectors)).rows).toEqual({ the: value });
    // In another part of the file, too.
    const filler = Array.from({ length: 20_000 }, (_, index) => `filler${index} 0\n`).join("");
    expect((await fill("the film", vectors.replaceAll("\n", `\n${filler}`))).rows).toEqual({ the: value });
  });

  it("does not where the tokenizer keeps capitals", async () => {
    const { rows } = await fill("the Film", "The 1\nFILM 2\nFilm 3\n", { lowercase: false });
    expect(rows).toEqual({ Film: 3 });
  });

  it("never goes to the padding row, whatever the file says", async () => {
    const { rows } = await fill("the film", "[PAD] 1\n[pad] 2\n[UNK] 3\nthe 4\n");
    expect(rows).toEqual({ "[UNK]": 3, the: 4 });
  });

  it("is that of __proto__ and constructor like any other", async () => {
    const { rows } = await fill("constructor tostring", "__proto__ 1\nconstructor 2\ntoString 3\n");
    expect(rows).toEqual({ constructor: 2, tostring: 3 });
  });
});

it("counts no match as none found", async () => {
  expect(await fill("the film", "der 1\nFilme 2\n")).toEqual({ words: 2, found: 0, rows: {} });
});

it("the event loop stays free while vectors are read and matched", async () => {
  const words = Array.from({ length: 4_000 }, (_, index) => `word${index}`);
  const tokenizer = await trainTokenizer(
    words.slice(0, 2_000).map((text) => ({ text })),
    { minimumCount: 1 },
  );
  onTestFinished(() => tokenizer.dispose());
  const vector = " -0.123456".repeat(300);
  const file = await fileOf("vectors.txt", words.map((word) => `${word}${vector}\n`).join(""));
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }, 2);
  expect(await fillEmbeddings(file, { tokenizer, size: 300, write: async () => {} })).toEqual({
    words: 4_000,
    found: 2_000,
  });
  clearInterval(timer);
  gaps.sort((a, b) => b - a);
  // A file read at one go would be one gap; what a busy machine does to a single one says nothing.
  expect(gaps.length).toBeGreaterThan(10);
  expect(gaps[1]).toBeLessThan(50);
});
