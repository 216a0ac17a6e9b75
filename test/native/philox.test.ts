/** The generator against the vectors that its authors publish, and the masks made from it as statistics. */
import { describe, expect, test } from "vitest";
import { native } from "#dist/native/binding.js";

// Random123 (Salmon et al., 2011), kat_vectors: philox4x32-10.
test.each([
  ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
  ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
])("Philox 4x32-10 of counter %s, key %s", (counter, key, expected) => {
  const words = (text: string) => Uint32Array.from(text.split(" "), (word) => Number.parseInt(word, 16));
  expect(native().philox(words(counter), words(key))).toEqual(words(expected));
});

const COUNT = 20_000;
const place = { seed: 1, step: 1, exampleId: 0, site: 2, layer: 0, pass: 0 };
type Place = typeof place;

function maskOf(at: Partial<Place>, probability: number, count = COUNT): Uint8Array {
  return native().dropoutMask({ ...place, ...at, probability, count });
}

/** Standard deviations that `hits` of `count` are away from a binomial's mean. */
function zScore(hits: number, count: number, probability: number): number {
  return (hits - count * probability) / Math.sqrt(count * probability * (1 - probability));
}

const sum = (values: Uint8Array) => values.reduce((total, value) => total + value, 0);

/** Beyond what chance gives in a few thousand draws; the draws are fixed, so the test is too. */
const LIMIT = 4.5;

/** Many places, each differing from the others in one or more parts of the counter. */
const places: Place[] = [1, 2, 3].flatMap((step) =>
  [0, 1, 4_000_000].flatMap((exampleId) =>
    [1, 4].flatMap((site) =>
      [0, 11].flatMap((layer) => [0, 1, 2].map((pass) => ({ seed: 1, step, exampleId, site, layer, pass }))),
    ),
  ),
);

describe("masks", () => {
  test.each([0.05, 0.1, 0.5, 0.9])("keep what a rate of %f says, at every place", (rate) => {
    const scores = places.map((at) => zScore(sum(maskOf(at, rate)), COUNT, 1 - rate));
    expect(Math.max(...scores.map(Math.abs))).toBeLessThan(LIMIT);
    // And no less random than that: the squares of normal scores have mean 1.
    const meanSquare = scores.reduce((total, score) => total + score * score, 0) / scores.length;
    expect(Math.abs(meanSquare - 1)).toBeLessThan(LIMIT * Math.sqrt(2 / scores.length));
  });

  test("of any two places (passes, layers, sites, examples, steps) are independent", () => {
    const masks = places.map((at) => maskOf(at, 0.5));
    const scores: number[] = [];
    for (const [i, one] of masks.entries())
      for (const other of masks.slice(0, i)) {
        let agreements = 0;
        for (let at = 0; at < COUNT; at++) agreements += Number(one[at] === other[at]);
        scores.push(zScore(agreements, COUNT, 0.5));
      }
    expect(scores.length).toBeGreaterThan(5_000);
    expect(Math.max(...scores.map(Math.abs))).toBeLessThan(LIMIT + 0.5);
    const meanSquare = scores.reduce((total, score) => total + score * score, 0) / scores.length;
    expect(Math.abs(meanSquare - 1)).toBeLessThan(0.1);
  });

  test.each([1, 2, 3, 4, 5, 8, 64, 768])("have no pattern: elements %i apart are independent", (distance) => {
    const mask = maskOf({}, 0.5, 200_000);
    let agreements = 0;
    for (let i = distance; i < mask.length; i++) agreements += Number(mask[i] === mask[i - distance]);
    expect(Math.abs(zScore(agreements, mask.length - distance, 0.5))).toBeLessThan(LIMIT);
  });

  test("have runs of four as often as chance says (chi-square of 16 patterns)", () => {
    const mask = maskOf({}, 0.5, 160_000);
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < mask.length; i += 4) {
      const pattern = [0, 1, 2, 3].reduce((bits, j) => bits * 2 + (mask[i + j] ?? 0), 0);
      counts[pattern] = (counts[pattern] ?? 0) + 1;
    }
    const expected = mask.length / 4 / 16;
    const chiSquare = counts.reduce((total, count) => total + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(44); // 15 degrees of freedom: one in 10,000
  });
});
