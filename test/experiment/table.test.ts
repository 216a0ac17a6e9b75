/** From results to the figures of a table. */
import { describe, expect, test } from "vitest";
import type { CellFailure, CellResult } from "#dist/experiment/folder.js";
import { renderExperiment } from "#dist/experiment/render.js";
import { tableOf } from "#dist/experiment/table.js";
import type { Metrics } from "#dist/metrics/types.js";

const GLUE = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"];
const plan = { name: "t", title: "T", notes: ["A note."], baselines: ["without dropout", "dropout"] };

function result(hash: string, metrics: Metrics, changes: Partial<CellResult> = {}): CellResult {
  const [metric = "", score = null] = Object.entries(metrics)[0] ?? [];
  const summary = { devMismatched: null, seconds: 1 } as unknown as CellResult["summary"];
  return { hash, metrics, metric, score, split: "test", isCollapsed: false, passes: 1, summary, ...changes };
}

/** Cells of one model and column: scores by row and seed; undefined: no result. */
function tableFrom(
  scores: Readonly<Record<string, readonly (number | undefined)[]>>,
  failed: readonly string[] = [],
) {
  const cells = Object.entries(scores).flatMap(([row, values]) =>
    values.map((_, i) => ({ group: "m", row, column: "c", seed: i + 1, hash: `${row} ${i + 1}` })),
  );
  const results = new Map<string, CellResult>();
  for (const [row, values] of Object.entries(scores))
    for (const [i, accuracy] of values.entries()) {
      const hash = `${row} ${i + 1}`;
      if (accuracy !== undefined)
        results.set(hash, result(hash, { accuracy }, { isCollapsed: accuracy === 0.5 }));
    }
  const failures = new Map(failed.map((hash) => [hash, { hash } as CellFailure]));
  return tableOf(plan, cells, results, failures);
}

describe("gains", () => {
  test("are counted seed by seed, over the baselines that come before", () => {
    const { entries } = tableFrom({
      "without dropout": [0.8, 0.82, 0.81],
      dropout: [0.81, 0.84, 0.83],
      "R-AT": [0.83, 0.85, undefined],
    });
    expect(
      entries.map(({ row, gains }) => [row, gains.map(({ baseline, n }) => `${baseline} ${n}`)]),
    ).toEqual([
      ["without dropout", []],
      ["dropout", ["without dropout 3"]],
      ["R-AT", ["without dropout 2", "dropout 2"]],
    ]);
    expect(entries[2]?.gains[1]?.mean).toBeCloseTo(0.015, 12);
    // Holm over all three gains: none is smaller than it was alone.
    for (const { tTest, tTestHolm } of entries.flatMap(({ gains }) => gains))
      expect(tTestHolm ?? 0).toBeGreaterThanOrEqual(tTest ?? 0);
  });

  test("R-AT is compared with R-AT without its divergence in how seeds scatter", () => {
    const { entries } = tableFrom({
      "R-AT without KL": [0.7, 0.8, 0.9, 0.6],
      "R-AT": [0.8, 0.801, 0.802, 0.799],
    });
    expect(entries[0]?.varianceTest).toBeNull();
    expect(entries[1]?.varianceTest).toBeLessThan(0.1);
  });
});

test("what collapsed, failed or is missing is said, and nothing is dropped", () => {
  const table = tableFrom({ dropout: [0.8, 0.5, undefined, undefined] }, ["dropout 3"]);
  expect(table.entries[0]?.seeds.map(({ state }) => state)).toEqual([
    "done",
    "collapsed",
    "failed",
    "missing",
  ]);
  expect(table.entries[0]?.spread).toMatchObject({ n: 2, mean: 0.65 });
  expect(table.notes).toEqual([
    ...["A note.", "1 runs collapsed: they give every text the same answer (†).", "1 runs failed."],
    "1 of 4 runs are still missing.",
  ]);
  expect(renderExperiment(table, "markdown")).toContain("65.00 ± 21.21 † (2 of 4)");
  expect(renderExperiment(table, "latex")).toContain("65.00 $\\pm$ 21.21 $\\dagger$ (2 of 4)");
  expect(renderExperiment(table, "csv").split("\n")[2]).toBe(
    "m,dropout,c,2,test,accuracy,0.5,collapsed,dropout 2",
  );
});

test("GLUE has the paper's two averages, of each seed, once all nine tasks are there", () => {
  const cells = GLUE.flatMap((column) =>
    [1, 2].map((seed) => ({ group: "bert", row: "R-AT", column, seed, hash: `${column} ${seed}` })),
  );
  const results = new Map<string, CellResult>();
  for (const { column, seed, hash } of cells) {
    if (seed === 2 && column === "rte") continue;
    const metrics: Metrics =
      column === "cola"
        ? { matthews: 0.6 }
        : column === "stsb"
          ? { pearson: 0.9, spearman: 0.8 }
          : column === "mrpc" || column === "qqp"
            ? { accuracy: 0.8, f1: 0.9 }
            : { accuracy: 0.8 };
    const summary = {
      devMismatched: column === "mnli" ? { accuracy: 0.7 } : null,
    } as unknown as CellResult["summary"];
    results.set(hash, result(hash, metrics, { split: "dev", summary }));
  }
  const { columns, entries } = tableOf(plan, cells, results, new Map());
  expect(columns.slice(9)).toEqual(["mean of 13 numbers", "mean of 9 tasks"]);
  const [numbers, tasks] = entries.slice(9);
  expect(numbers?.seeds.map(({ state }) => state)).toEqual(["done", "missing"]);
  // 0.6; 0.9, 0.8; twice 0.8, 0.9; 0.8, 0.7; four times 0.8 (SST-2, QNLI, RTE, WNLI)
  expect(numbers?.spread?.mean).toBeCloseTo((0.6 + 1.7 + 2 * 1.7 + 1.5 + 4 * 0.8) / 13, 12);
  expect(tasks?.spread?.mean).toBeCloseTo((0.6 + 0.85 + 2 * 0.85 + 0.75 + 4 * 0.8) / 9, 12);
});
