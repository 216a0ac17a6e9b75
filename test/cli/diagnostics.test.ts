/** `--diagnostics N`: lines in the log, which an interrupted run has as one without a stop does. */
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

const train = async (name: string, more: readonly string[]) => {
  const output = join(folder, name);
  const { code, stderr } = await run(toyRun(folder, output, ["--diagnostics", "3", ...more]));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return readFileSync(join(output, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
};

test("measure every N steps, and the stop of a run leaves no trace in its log", async () => {
  const straight = await train("straight", ["--max-steps", "9"]);
  const measured = straight.filter(({ type }) => type === "diagnostics");
  expect(measured.map(({ step }) => step)).toEqual([3, 6, 9]);
  for (const { type: _, step: __, ...values } of measured) {
    expect(Object.keys(values)).toEqual(["inputGradientNorm", "submodelDivergence", "averagingGap"]);
    for (const value of Object.values(values)) expect(value).toBeGreaterThan(0);
  }
  await train("stopped", ["--max-steps", "6", "--checkpoint-every", "5"]);
  const resumed = await train("stopped", ["--max-steps", "9", "--resume"]);
  const trained = (events: typeof straight) => events.filter(({ type }) => type !== "eval");
  expect(trained(resumed)).toEqual(trained(straight));
});

test("need a dev set", async () => {
  const flags = ["--train", join(folder, "train.csv"), "--dev", "none", "--diagnostics", "2", "--json"];
  const { code, stdout } = await run(toyRun(folder, join(folder, "none"), flags));
  expect(code).toBe(1);
  expect(JSON.parse(stdout).error).toMatchObject({ code: "ERR_RAT_CONFIG" });
});
