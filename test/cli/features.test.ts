/** The flags of a step and of what learns, from the command line to `config.json` and the log, and back by `--config`. */
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

const flags = [
  ...[
    "--micro-batch-size",
    "3",
    "--label-smoothing",
    "0.1",
    "--class-weights",
    "1,2.5",
    "--layer-decay",
    "0.9",
  ],
  ...["--freeze", "embeddings", "--metric", "f1", "--limit-dev", "4", "--log-every", "1"],
];

async function train(name: string, more: readonly string[]) {
  const output = join(folder, name);
  const { code, stderr } = await run(toyRun(folder, output, [...more, "--json"]));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8")) as Record<string, unknown>;
  const log = readFileSync(join(output, "log.jsonl"), "utf8");
  return { config, log, output };
}

test("stand in config.json, which makes the same run again", async () => {
  const first = await train("first", flags);
  expect(first.config).toMatchObject({
    ...{ microBatchSize: 3, labelSmoothing: 0.1, classWeights: [1, 2.5], layerDecay: 0.9 },
    ...{ freeze: "embeddings", metric: "f1", limitDev: 4 },
  });
  const again = join(folder, "again");
  const { code } = await run(["train", "--config", join(first.output, "config.json"), "--output", again]);
  expect(code).toBe(0);
  expect(readFileSync(join(again, "log.jsonl"), "utf8")).toBe(first.log);
});

test("take the other forms: balanced, and a number of layers", async () => {
  const { config } = await train("forms", [
    "--class-weights",
    "balanced",
    "--freeze",
    "1",
    "--metric",
    "loss",
  ]);
  expect(config).toMatchObject({ classWeights: "balanced", freeze: 1, metric: "loss" });
});

test.each([
  ["--class-weights", "equal"],
  ["--class-weights", "1,-1"],
  ["--label-smoothing", "1"],
  ["--layer-decay", "0"],
  ["--freeze", "head"],
  ["--micro-batch-size", "0"],
  ["--metric", "bleu"],
  ["--limit-dev", "0"],
])("%s %s is wrong usage", async (flag, value) => {
  const { code, stderr } = await run(toyRun(folder, join(folder, "never"), [flag, value]));
  expect(code).toBe(2);
  expect(stderr).toContain(flag);
});

test("a micro-batch larger than the batch is wrong usage, before any file is read", async () => {
  const args = ["train", "--task", "imdb", "--data", join(folder, "nowhere"), "--model", "textcnn"];
  const { code, stderr } = await run([...args, "--batch-size", "4", "--micro-batch-size", "5"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--micro-batch-size");
});
