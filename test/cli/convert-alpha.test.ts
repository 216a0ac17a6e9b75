/** `r-at convert-alpha` and `--preset`, from the command line. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, temporaryFolder, toyRun, writeToyTask } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder);
});
afterAll(() => clean());

test("converts, for people and as JSON", async () => {
  const flags = ["convert-alpha", "0.5", "--from", "r-at-code", "--batch-size", "16"];
  expect((await run(flags)).stdout).toBe("0.5 (r-at-code) is 8 (batch-mean)\n");
  const { stdout } = await run([...flags, "--to", "r-drop-paper", "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    ...{ command: "convert-alpha", alpha: 0.5, from: "r-at-code", to: "r-drop-paper" },
    ...{ batchSize: 16, classes: 2, converted: 16 },
  });
});

test.each([
  [["convert-alpha", "0.5"], /--from/],
  [["convert-alpha", "much", "--from", "sum"], /alpha/],
  [["convert-alpha", "1", "--from", "theirs"], /batch-mean/],
  [["convert-alpha", "1", "--from", "sum", "--batch-size", "0"], /batchSize/],
] as const)("wrong usage: %s", async (flags, message) => {
  const { code, stderr } = await run([...flags]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test("a preset stands in config.json with all that it sets, and flags stand above it", async () => {
  const output = join(folder, "preset");
  const { code } = await run(
    toyRun(folder, output, ["--preset", "released-code", "--max-steps", "2", "--kl-weight", "2"]),
  );
  expect(code).toBe(0);
  expect(JSON.parse(readFileSync(join(output, "config.json"), "utf8"))).toMatchObject({
    ...{ preset: "released-code", klReduction: "sum", klWeight: 2, optimizer: "bertadam", shuffle: false },
  });
});

test("a flag that the regularizer does not read is wrong usage; in a file it may serve another", async () => {
  const refused = await run(
    toyRun(folder, join(folder, "stray"), ["--regularizer", "r-at", "--ascent-steps", "3"]),
  );
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/ascentSteps is for pgd, freelb, smart/);
  const output = join(folder, "freelb");
  const flags = ["--regularizer", "freelb", "--ascent-steps", "2", "--step-size", "0.5", "--max-steps", "2"];
  expect((await run(toyRun(folder, output, flags))).code).toBe(0);
  const config = join(output, "config.json");
  expect(JSON.parse(readFileSync(config, "utf8"))).toMatchObject({
    ascentSteps: 2,
    stepSize: 0.5,
    scope: "example",
  });
  const again = ["train", "--config", config, "--regularizer", "r-drop", "--output", join(folder, "again")];
  expect((await run(again)).code).toBe(0);
});
