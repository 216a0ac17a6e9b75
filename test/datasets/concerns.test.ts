/** What is worth a word before a model is trained on somebody's data. */
import { describe, expect, it } from "vitest";
import { findConcerns } from "#dist/datasets/concerns.js";
import type { Example, LoadedTask } from "#dist/datasets/types.js";
import { describeConcerns } from "#dist/render/data-notes.js";

function taskOf(train: readonly (readonly [string, string])[], other: Partial<LoadedTask> = {}): LoadedTask {
  const examples: Example[] = train.map(([text, label]) => ({ text, label }));
  const labels = [...new Set(train.map(([, label]) => label))].sort();
  return {
    name: "custom",
    kind: "classification",
    labels,
    metrics: [],
    train: examples,
    dev: null,
    test: null,
    ...other,
  };
}
const rows = (label: string, count: number) =>
  Array.from({ length: count }, (_, i) => [`${label} ${i}`, label] as const);

it("finds nothing where nothing is", async () => {
  const concerns = await findConcerns(taskOf([...rows("a", 4), ...rows("b", 3)]));
  expect(concerns).toEqual({
    imbalance: null,
    emptyClasses: [],
    similarLabels: [],
    listedLabels: null,
    conflicting: 0,
    overlaps: [],
  });
  expect(describeConcerns(concerns)).toEqual([]);
});

it("tells of uneven classes, and what helps", async () => {
  const concerns = await findConcerns(
    taskOf([...rows("refund", 3), ...rows("billing", 40), ...rows("login", 20)]),
  );
  expect(concerns.imbalance).toEqual({
    largest: { label: "billing", rows: 40 },
    smallest: { label: "refund", rows: 3 },
  });
  expect(describeConcerns(concerns).join()).toMatch(
    /"billing" has 13 times the rows of "refund" \(40 and 3\); --class-weights balanced/,
  );
});

it("tells of classes that differ in case, blanks or Unicode form alone", async () => {
  const names = [" billing", "Billing", "billing", "caf\u00e9", "cafe\u0301", "login"];
  const { similarLabels } = await findConcerns(taskOf(names.flatMap((name) => rows(name, 2))));
  expect(similarLabels).toEqual([
    [" billing", "Billing", "billing"],
    ["cafe\u0301", "caf\u00e9"],
  ]);
});

describe("labels that look like lists", () => {
  it.each([
    [["billing", "urgent", "billing|urgent"], { separator: "|", example: "billing|urgent", classes: 1 }],
    [["a;b", "b;c", "c"], { separator: ";", example: "b;c", classes: 1 }],
    [['["a"]', '["a","b"]'], { separator: "JSON", example: '["a","b"]', classes: 2 }],
    [["Books, Music", "Film"], null],
    [["and/or", "either"], null],
  ])("%j", async (names, expected) => {
    const { listedLabels } = await findConcerns(taskOf(names.flatMap((name) => rows(name, 2))));
    expect(listedLabels).toEqual(expected);
  });
});

it("counts contradictions, and texts that stand in several splits", async () => {
  const shared: Example[] = [
    { text: "same", label: "a" },
    { text: "new", label: "b" },
  ];
  const task = taskOf(
    [
      ["same", "a"],
      ["same", "b"],
      ["same", "a"],
      ["other", "b"],
    ],
    { dev: shared, test: shared },
  );
  const concerns = await findConcerns(task);
  expect(concerns.conflicting).toBe(1);
  expect(concerns.overlaps).toEqual([
    { split: "dev", with: "train", rows: 1 },
    { split: "test", with: "train", rows: 1 },
    { split: "test", with: "dev", rows: 2 },
  ]);
});

it("takes label sets and scores as they are", async () => {
  const sets = taskOf([], {
    ...{ kind: "multilabel", labels: ["a", "b", "c"] },
    train: [
      { text: "x", label: ["a", "b"] },
      { text: "y", label: [] },
    ],
  });
  expect((await findConcerns(sets)).emptyClasses).toEqual(["c"]);
  const scores = taskOf([], {
    kind: "regression",
    labels: [],
    train: [
      { text: "x", label: 1 },
      { text: "x", label: 2 },
    ],
  });
  expect(await findConcerns(scores)).toMatchObject({ imbalance: null, conflicting: 1 });
});

it("bad call - an aborted signal", async () => {
  await expect(findConcerns(taskOf(rows("a", 2)), AbortSignal.abort())).rejects.toMatchObject({
    code: "ERR_RAT_ABORTED",
  });
});
