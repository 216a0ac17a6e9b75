import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holdOut } from "#dist/datasets/hold-out.js";
import type { Label } from "#dist/targets/index.js";

const examplesOf = (labels: readonly Label[]) => labels.map((label, i) => ({ text: `t${i}`, label }));

function countOf(examples: readonly { label: Label }[], label: string): number {
  return examples.filter((example) => example.label === label).length;
}

describe("holdOut", () => {
  it("takes the rounded share of each class, one of a class of two, and none of a class of one", () => {
    const sizes = { a: 1, b: 2, c: 14, d: 16, e: 100 };
    const labels = Object.entries(sizes).flatMap(([label, size]) => Array<string>(size).fill(label));
    const { dev } = holdOut(examplesOf(labels), 0.1);
    expect(Object.keys(sizes).map((label) => countOf(dev, label))).toEqual([0, 1, 1, 2, 10]);
  });

  it("draws a share of all rows for scores", () => {
    const { train, dev } = holdOut(examplesOf(Array.from({ length: 50 }, (_, i) => i / 10)), 0.1);
    expect([train.length, dev.length]).toEqual([45, 5]);
  });

  it("spreads the rows it draws over the file", () => {
    const { dev } = holdOut(examplesOf(Array<string>(10_000).fill("a")), 0.1);
    const rows = dev.map(({ text }) => Number(text.slice(1)));
    const tenths = Array.from({ length: 10 }, (_, i) => rows.filter((row) => Math.floor(row / 1_000) === i));
    for (const tenth of tenths) expect(Math.abs(tenth.length - 100)).toBeLessThan(40);
  });

  it("parts the rows, keeps their order and leaves each class in train, for any labels", () => {
    const label = fc.constantFrom("a", "b", "c", "d");
    fc.assert(
      fc.property(
        fc.array(label, { maxLength: 200 }),
        fc.double({ min: 0.01, max: 0.99 }),
        (labels, share) => {
          const examples = examplesOf(labels);
          const { train, dev } = holdOut(examples, share);
          const isDev = new Set(dev);
          expect(train).toEqual(examples.filter((example) => !isDev.has(example)));
          expect(dev).toEqual(examples.filter((example) => isDev.has(example)));
          expect(new Set(train.map((each) => each.label))).toEqual(new Set(labels));
          expect(holdOut(examples, share)).toEqual({ train, dev });
        },
      ),
    );
  });
});
