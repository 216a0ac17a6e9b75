/** A run from a configuration, as the command line makes it and an experiment may. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { loadTask } from "#dist/datasets/load-task.js";
import { taskOptions } from "#dist/pipeline/options.js";
import { trainFromConfig } from "#dist/pipeline/train.js";
import { expectRATError, temporaryFolder, toyTask } from "../trainer/toy.js";

async function configOf(changes: Record<string, unknown> = {}) {
  const folder = await temporaryFolder();
  const rows = toyTask.train.map(({ text, label }) => `${text},${label}`).join("\n");
  await writeFile(join(folder, "train.csv"), `text,label\n${rows}\n`);
  return resolveRunConfig({
    ...{
      task: "custom",
      train: join(folder, "train.csv"),
      model: "textcnn",
      embeddingSize: 16,
      hiddenSize: 8,
    },
    ...{ epochs: 1, batchSize: 16, learningRate: 0.01, device: "cpu", threads: 1, ...changes },
  });
}

it("trains, tells what happens, and gives the model to be used before it is gone", async () => {
  const config = await configOf();
  const task = await loadTask(config.task, taskOptions(config));
  const told: string[] = [];
  const [kept, prediction] = await trainFromConfig(
    config,
    task,
    {
      onStage: (stage) => told.push(stage),
      onProgress: ({ stage, split = "", done, total }) => told.push(`${stage} ${split} ${done}/${total}`),
      onEvent: ({ type, step }) => told.push(`${type} ${step}`),
    },
    async ({ trainer, summary }) => {
      expect(summary.steps).toBe(6);
      return [trainer, await trainer.predict("w1 fine w2")] as const;
    },
  );
  expect(told.filter((line) => /^(step|eval) /.test(line))).toEqual(["step 6", "eval 6"]);
  // Each stage once, in order; steps and evaluations are counted.
  expect(told.filter((line, i) => line.split(" ")[0] !== told[i - 1]?.split(" ")[0]).slice(0, 4)).toEqual([
    ...["counting words", "loading the model", "tokenising train 0/0", "training  0/6"],
  ]);
  for (const counted of ["training  3/6", "training  6/6"]) expect(told).toContain(counted);
  expect(told.some((line) => /^evaluating \w+ (\d+)\/\1$/.test(line))).toBe(true);
  expect(prediction).toHaveLength(1);
  await expectRATError(() => kept.predict("x"), "ERR_RAT_DISPOSED");
});

it("two runs may share a task", async () => {
  const config = await configOf();
  const task = await loadTask(config.task, taskOptions(config));
  const steps = (seed: number) =>
    trainFromConfig({ ...config, seed }, task, {}, async ({ summary }) => summary.dev);
  expect(await steps(1)).toEqual(await steps(1));
  await steps(2);
});

it("lets a failure through, and frees everything", async () => {
  const config = await configOf({ learningRate: 1e30, optimizer: "sgd", clipNorm: 0 });
  const task = await loadTask(config.task, taskOptions(config));
  const run = () => trainFromConfig(config, task, {}, async () => expect.unreachable());
  await expectRATError(run, "ERR_RAT_NON_FINITE");
});
