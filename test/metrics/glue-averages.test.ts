/** Against the averages that the GLUE leaderboard and the paper's tables are made of. */
import { expect, it } from "vitest";
import { type GlueResult, glueAverages } from "#dist/metrics/glue-averages.js";
import type { Metrics } from "#dist/metrics/types.js";

/** BERT-base on GLUE's dev sets, roughly: the two averages differ. */
const results: Record<GlueResult, Metrics> = {
  cola: { matthews: 0.6, accuracy: 0.8 },
  sst2: { accuracy: 0.92 },
  mrpc: { accuracy: 0.86, f1: 0.9 },
  stsb: { pearson: 0.89, spearman: 0.88 },
  qqp: { accuracy: 0.91, f1: 0.87 },
  mnli: { accuracy: 0.84 },
  "mnli-mm": { accuracy: 0.85 },
  qnli: { accuracy: 0.91 },
  rte: { accuracy: 0.66 },
  wnli: { accuracy: 0.56 },
};

it("is the mean of 13 numbers, and of nine means", () => {
  const averages = glueAverages(results);
  expect(averages?.allNumbers).toBeCloseTo(
    (0.6 + 0.92 + 0.86 + 0.9 + 0.89 + 0.88 + 0.91 + 0.87 + 0.84 + 0.85 + 0.91 + 0.66 + 0.56) / 13,
    12,
  );
  expect(averages?.taskMeans).toBeCloseTo(
    (0.6 + 0.92 + 0.88 + 0.885 + 0.89 + 0.845 + 0.91 + 0.66 + 0.56) / 9,
    12,
  );
});

it("is null where anything is missing", () => {
  const { rte: _, ...rest } = results;
  expect(glueAverages(rest)).toBeNull();
  expect(glueAverages({ ...results, cola: { matthews: null } })).toBeNull();
});
