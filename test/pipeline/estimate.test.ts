/** What a run would take, from a few of its steps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, temporaryFolder, toyRun, writeToyTask } from "../cli/cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder, 320);
});
afterAll(() => clean());

test("counts the run's steps and passes, and takes as long as it said, within noise", async () => {
  const output = join(folder, "run");
  // Wide enough that a run takes longer than what a busy machine may hold it up for.
  const sizes = ["--embedding-size", "128", "--hidden-size", "128"];
  const flags = [...sizes, "--regularizer", "r-at", "--epochs", "9", "--json"];
  const { code, stdout } = await run(toyRun(folder, output, [...flags, "--estimate"]));
  expect(code).toBe(0);
  const { command, estimate } = JSON.parse(stdout);
  expect(command).toBe("train");
  expect(estimate).toMatchObject({ steps: 9 * 20, passes: 3, triedSteps: 20 });
  expect(estimate.peakMemoryBytes).toBeGreaterThan(1e8);
  expect(existsSync(output)).toBe(false);
  const { seconds } = JSON.parse((await run(toyRun(folder, output, flags))).stdout);
  // The machine may be busy at either time.
  expect(estimate.seconds / seconds).toBeGreaterThan(0.1);
  expect(estimate.seconds / seconds).toBeLessThan(10);
});

test("leaves aside what is for a run that writes", async () => {
  const output = join(folder, "writes");
  const flags = [
    "--checkpoint-every",
    "5",
    "--keep-checkpoints",
    "3",
    "--diagnostics",
    "2",
    "--patience",
    "1",
  ];
  const { code, stderr } = await run(toyRun(folder, output, [...flags, "--eval-every", "5", "--estimate"]));
  expect(stderr).not.toMatch(/Error|ERR_RAT/);
  expect(code).toBe(0);
  expect(existsSync(output)).toBe(false);
});

test("says it in words too", async () => {
  const { stdout } = await run(
    toyRun(folder, join(folder, "words"), ["--estimate", "--regularizer", "none"]),
  );
  expect(stdout).toMatch(/^60 steps of [\d.]+ s \(1 passes each\).*about \d/);
  expect(stdout).toMatch(/memory: [\d.]+ GB at most/);
});
