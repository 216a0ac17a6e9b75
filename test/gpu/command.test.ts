/** The command on a GPU: training, going on from a checkpoint, evaluation and prediction. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parseOnlyLine, run, temporaryFolder, toyRun, writeToyTask } from "../cli/cli.js";
import { describeOnGpu } from "../support/gpu.js";

const cleaners: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleaners.splice(0)) await clean();
});

async function toyFolder(): Promise<string> {
  const { folder, clean } = await temporaryFolder();
  cleaners.push(clean);
  await writeToyTask(folder);
  return folder;
}

/** What the commands here say, each a part of it. */
interface Result {
  readonly test: { readonly accuracy: number };
  readonly dev: unknown;
  readonly metrics: unknown;
  readonly predictions: unknown;
  readonly peakMemoryBytes: number;
}

/** Runs a command that must succeed; its one line. */
async function succeed(args: readonly string[]): Promise<Result> {
  const { code, stdout, stderr } = await run([...args, "--json"]);
  expect(stderr).not.toMatch(/ERR_RAT/);
  expect(code).toBe(0);
  return parseOnlyLine(stdout) as unknown as Result;
}

describeOnGpu("on a GPU", () => {
  test("train learns, evaluate and predict use what it saved", async () => {
    const folder = await toyFolder();
    const output = join(folder, "run");
    const summary = await succeed(toyRun(folder, output, ["--device", "cuda", "--epochs", "4"]));
    expect(summary).toMatchObject({ command: "train", device: expect.stringMatching(/^cuda(-sim)?:0$/) });
    expect(summary.test.accuracy).toBeGreaterThan(0.9);
    expect(summary.peakMemoryBytes).toBeGreaterThan(0);

    const model = ["--model", join(output, "model"), "--device", "cuda"];
    const evaluated = await succeed([
      "evaluate",
      ...model,
      "--task",
      "custom",
      "--data",
      folder,
      "--split",
      "test",
    ]);
    expect(evaluated.metrics).toEqual(summary.test);
    const predicted = await succeed(["predict", ...model, "a superb, moving film"]);
    expect(predicted.predictions).toMatchObject([{ label: "good" }]);
  });

  test("resume goes on to the same weights as a run without a stop", async () => {
    const folder = await toyFolder();
    const flags = ["--device", "cuda", "--checkpoint-every", "3", "--schedule", "constant"];
    const whole = await succeed(toyRun(folder, join(folder, "whole"), [...flags, "--max-steps", "8"]));
    await succeed(toyRun(folder, join(folder, "part"), [...flags, "--max-steps", "6"]));
    const resumed = await succeed(
      toyRun(folder, join(folder, "part"), [...flags, "--max-steps", "8", "--resume"]),
    );
    expect(resumed).toMatchObject({ steps: 8, dev: whole.dev, test: whole.test });
    const log = async (name: string) =>
      (await readFile(join(folder, name, "log.jsonl"), "utf8"))
        .split("\n")
        .filter((line) => line.includes('"step"'));
    const steps = (lines: string[]) =>
      lines.map((line) => JSON.parse(line)).filter(({ type }) => type === "step");
    expect(steps(await log("part")).slice(-2)).toEqual(steps(await log("whole")).slice(-2));
  });
});
