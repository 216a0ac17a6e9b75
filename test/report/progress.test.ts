import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createProgress } from "#dist/report/progress.js";
import type { StepEvent } from "#dist/run/events.js";

/** A stream that keeps what it is given; with `isTTY` it looks like a terminal 100 columns wide. */
function sink(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return {
    stream: Object.assign(stream, { isTTY, columns: 100 }) as unknown as NodeJS.WriteStream,
    text: () => text,
  };
}

const step = (n: number): StepEvent => ({
  type: "step",
  step: n,
  epoch: 0,
  loss: 0.5,
  cleanLoss: 0.2,
  adversarialLoss: 0.2,
  klLoss: 0.2,
  deltaNorm: 1,
  gradNorm: 1,
  learningRate: 1e-3,
  examples: 32,
  tokens: 320,
});
const evaluation = {
  type: "eval",
  step: 2,
  epoch: 0,
  split: "dev",
  loss: 0.4,
  metrics: { accuracy: 0.8125, f1: null },
} as const;

describe("progress in a pipe", () => {
  it("prints whole plain lines without control characters", () => {
    const { stream, text } = sink(false);
    const progress = createProgress({ stream, totalSteps: 4, title: "r-at", secondsBetweenLines: 0 });
    progress.update(step(1));
    progress.update(evaluation);
    progress.update(step(3));
    progress.stop();
    const lines = text().split("\n");
    expect(lines[0]).toMatch(/^r-at {2}step 1\/4 {2}epoch 1 {2}loss 0\.500 {2}- examples\/s {2}- left$/);
    expect(lines[1]).toBe("r-at  step 2  dev: loss 0.4000, accuracy 0.8125, f1 -");
    expect(lines[2]).toMatch(/^r-at {2}step 3\/4 .* \d+ examples\/s {2}0s left$/);
    expect(text()).not.toContain("\u001b");
  });

  it("is silent between two lines that come too soon", () => {
    const { stream, text } = sink(false);
    const progress = createProgress({ stream, totalSteps: 4, secondsBetweenLines: 60 });
    for (let n = 1; n <= 4; n++) progress.update(step(n));
    expect(text()).toBe("");
  });
});

describe("what comes before and between steps", () => {
  it("is a line in a pipe, if it takes long", () => {
    const { stream, text } = sink(false);
    const progress = createProgress({ stream, secondsBetweenLines: 0 });
    progress.stage("reading tickets");
    progress.stage("evaluating dev", 256, 1000);
    progress.stage("training", 1, 4);
    progress.update(step(2));
    expect(text().split("\n")).toEqual(["evaluating dev 256/1000", expect.stringMatching(/^step 2\/4 /), ""]);
  });

  it("is there at once on a terminal, and its seconds move by themselves", async () => {
    const { stream, text } = sink(true);
    const progress = createProgress({ stream });
    progress.stage("reading tickets");
    await sleep(1_700);
    progress.stage("evaluating dev", 500, 1000);
    await sleep(300);
    progress.stop();
    expect(text()).toContain("reading tickets  0s");
    expect(text()).toContain("reading tickets  1s");
    expect(text()).toContain(`evaluating dev  ${"█".repeat(12)}${"░".repeat(12)} 500/1000  0s`);
  });
});

describe("progress on a terminal", () => {
  it("draws a bar, prints evaluations above it and gives the cursor back", async () => {
    const { stream, text } = sink(true);
    const progress = createProgress({ stream, totalSteps: 4 });
    progress.update(step(1));
    progress.update(evaluation);
    progress.update(step(4));
    progress.stop();
    progress.stop();
    expect(text()).toContain("step 2  dev: loss 0.4000, accuracy 0.8125, f1 -\n");
    expect(text()).toContain("4/4  loss 0.500  dev accuracy 0.8125  ");
    expect(text()).toContain("\u001b[?25h");
  });

  it("wraps long lines at blanks, since the bar turns the terminal's own wrapping off", () => {
    const { stream, text } = sink(true);
    const progress = createProgress({ stream });
    progress.log(`${"word ".repeat(30)}end`);
    progress.log("  indented");
    progress.stop();
    const lines = text().split("\n");
    const at = lines.findIndex((line) => line.includes("word word"));
    expect(lines[at]?.replace(/^.*?word/, "word")).toBe("word ".repeat(20).trim());
    expect(lines[at + 1]?.trim()).toBe(`${"word ".repeat(10)}end`);
    expect(text()).toContain("  indented\n");
  });

  it("installs no signal handler", () => {
    const before = process.listenerCount("SIGINT");
    const progress = createProgress({ stream: sink(true).stream, totalSteps: 4 });
    expect(process.listenerCount("SIGINT")).toBe(before);
    progress.stop();
  });
});
