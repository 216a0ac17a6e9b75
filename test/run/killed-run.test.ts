/** A process that is killed at any moment leaves nothing that cannot be resumed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryFolder, toyTask } from "../trainer/toy.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const script = `
import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
const [, file, output] = process.argv;
const task = JSON.parse(await readFile(file, "utf8"));
const tokenizer = await trainTokenizer(task.train, {});
const trainer = await RATTrainer.create({
  model: { type: "textcnn", embeddingSize: 64, hiddenSize: 32 }, task, tokenizer, threads: 1, device: "cpu",
});
const run = trainer.fit({ maxSteps: 30, batchSize: 8, logEvery: 1, evalEvery: 7, checkpointEvery: 2, output, resume: true });
for await (const { step } of run) writeSync(1, step + "\\n");
await trainer.dispose();
await tokenizer.dispose();
`;

/** Runs to the end, or until it tells of step `killAt` or a later one. Resolves to what it ended with. */
async function train(
  taskFile: string,
  output: string,
  killAt = Number.POSITIVE_INFINITY,
): Promise<number | string> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, taskFile, output], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  for await (const line of createInterface(child.stdout)) if (Number(line) >= killAt) child.kill("SIGKILL");
  const [code, signal] = await exit;
  return signal ?? code;
}

it("goes on bit for bit after SIGKILL", async () => {
  const folder = await temporaryFolder();
  const taskFile = join(folder, "task.json");
  await writeFile(taskFile, JSON.stringify(toyTask));
  const whole = join(folder, "whole");
  expect(await train(taskFile, whole)).toBe(0);
  const killed = join(folder, "killed");
  for (const killAt of [1, 5, 11, 18]) expect(await train(taskFile, killed, killAt)).toBe("SIGKILL");
  expect(await train(taskFile, killed)).toBe(0);
  expect((await readdir(killed)).sort()).toEqual((await readdir(whole)).sort());
  expect((await readdir(join(killed, "checkpoints"))).sort()).toEqual(["step-28", "step-30"]);
  for (const name of ["log.jsonl", "model/model.safetensors"]) {
    expect((await readFile(join(killed, name))).equals(await readFile(join(whole, name)))).toBe(true);
  }
});
