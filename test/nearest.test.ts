import { expect, test } from "vitest";
import { didYouMean, nearest } from "#dist/nearest.js";

const tasks = ["cola", "sst2", "imdb", "custom", "agnews"];

test.each([
  ["imbd", "imdb"],
  ["costom", "custom"],
  ["AG-News", "agnews"],
  ["colla", "cola"],
  ["tickets", undefined],
  ["", undefined],
])("%j is meant to be %j", (name, meant) => {
  expect(nearest(name, tasks)).toBe(meant);
  expect(didYouMean(name, tasks)).toBe(meant === undefined ? "" : ` (did you mean ${meant}?)`);
});
