import { describe, expect, it } from "vitest";
import { formatMetrics } from "#dist/render/metrics.js";
import { describeEvent, describeSummary, formatSeconds } from "#dist/report/words.js";

describe("words", () => {
  it.each([
    [8.4, "8s"],
    [125, "2m05s"],
    [3780, "1h03m"],
    [-1, "0s"],
  ])("%d seconds are %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

  it("describes events", () => {
    expect(describeEvent({ type: "warning", step: 1, message: "slow" })).toBe("warning: slow");
    expect(describeEvent({ type: "checkpoint", step: 3, path: "c/step-3" })).toBe(
      "step 3  checkpoint: c/step-3",
    );
    expect(formatMetrics({ accuracy: 1, f1: 0.5 }, 1)).toBe("accuracy 1.0000");
  });

  it("sums a run up, without what there was not", () => {
    const summary = {
      ...{ task: "mine", model: "textcnn", regularizer: "r-at", seed: 1, device: "cpu", precision: "fp32" },
      ...{
        steps: 6,
        bestStep: 4,
        seconds: 1.26,
        examplesPerSecond: 1,
        tokensPerSecond: 1,
        peakMemoryBytes: 1,
      },
      ...{ dev: { accuracy: 0.5 }, test: null, output: null },
    };
    expect(describeSummary(summary)).toBe(
      "textcnn with r-at on mine: 6 steps in 1.3 s\ndev   accuracy 0.5000 (step 4)",
    );
  });
});
