/** From examples to what the native side takes. */
import { describe, expect, it } from "vitest";
import type { Example } from "#dist/datasets/types.js";
import { type EncodeDatasetOptions, encodeDataset } from "#dist/inference/encoded-dataset.js";
import type { TaskKind } from "#dist/targets/index.js";
import type { Tokenizer } from "#dist/tokenizers/types.js";
import { expectRATError } from "../trainer/toy.js";

/** One token a character. */
const tokenizer = {
  encodeAll: async (texts: Iterable<{ text: string }>) => {
    const all = [...texts].map(({ text }) => [...text].map((letter) => letter.charCodeAt(0)));
    const starts = [0];
    for (const ids of all) starts.push((starts.at(-1) ?? 0) + ids.length);
    return { tokens: Int32Array.from(all.flat()), starts: Int32Array.from(starts), truncated: 0 };
  },
} as unknown as Tokenizer;

const optionsOf = (kind: TaskKind, labels: readonly string[] = ["x", "y", "z"]): EncodeDatasetOptions => ({
  ...{ kind, labels, tokenizer, maxLength: 10, name: "train", signal: new AbortController().signal },
});
const encode = (data: unknown, kind: TaskKind = "classification") =>
  encodeDataset(data as Example[], optionsOf(kind));

it.each([
  ["classification", ["z", "x"], Int32Array.of(2, 0)],
  ["regression", [1.5, -2], Float32Array.of(1.5, -2)],
  ["multilabel", [["z", "x"], []], Float32Array.of(1, 0, 1, 0, 0, 0)],
] as const)("writes the labels of a %s", async (kind, labels, expected) => {
  const encoded = await encode(
    [
      { text: "ab", label: labels[0] },
      { text: "c", label: labels[1] },
    ],
    kind,
  );
  expect(encoded.labels).toEqual(expected);
  expect(encoded).toMatchObject({ size: 2, texts: { starts: Int32Array.of(0, 2, 3) } });
});

it("reads any iterable once, asynchronous ones too", async () => {
  const example = { text: "a", label: "y" };
  const generated = (function* () {
    yield example;
  })();
  const asynchronous = (async function* () {
    yield example;
  })();
  for (const data of [[example], generated, asynchronous, new Set([example])])
    expect((await encode(data)).labels).toEqual(Int32Array.of(1));
});

describe("misuse", () => {
  it.each([
    ["no examples", [], "ERR_RAT_DATA_FORMAT", /train/],
    ["what is no data", 7, "ERR_RAT_INVALID_ARG", /train/],
    ["what is no example", [null], "ERR_RAT_INVALID_ARG", /train\[0\]/],
    ["a text that is none", [{ text: 1, label: "x" }], "ERR_RAT_INVALID_ARG", /train\[0\]\.text/],
    ["a pair that is none", [{ text: "a", pair: 1, label: "x" }], "ERR_RAT_INVALID_ARG", /train\[0\]\.pair/],
    [
      "another label",
      [
        { text: "a", label: "x" },
        { text: "a", label: "w" },
      ],
      "ERR_RAT_LABEL",
      /x, y, z.*train\[1\]/,
    ],
    ["a number for a class", [{ text: "a", label: 1 }], "ERR_RAT_LABEL", /1 of type number/],
  ] as const)("bad call - %s", async (_, data, code, message) => {
    await expectRATError(() => encode(data), code, message);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, "3"])("bad call - the score %s", async (label) => {
    await expectRATError(
      () => encode([{ text: "a", label }], "regression"),
      "ERR_RAT_LABEL",
      /finite number/,
    );
  });

  it("stops when it is told to", async () => {
    const endless = (async function* () {
      for (;;) yield { text: "a", label: "x" };
    })();
    const options = { ...optionsOf("classification"), signal: AbortSignal.timeout(20) };
    await expectRATError(() => encodeDataset(endless, options), "ERR_RAT_ABORTED", /abort/);
  });
});
