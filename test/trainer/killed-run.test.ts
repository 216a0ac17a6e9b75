/** A process that is killed at any moment leaves nothing that cannot be resumed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryFolder, toyTask } from "./toy.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const script = `
import { readFile } from "node:fs/promises";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
const [, file, output] = process.argv;
const task = JSON.parse(await readFile(file, "utf8"));
const tokenizer = await trainTokenizer(task.train, {});
const trainer = await RATTrainer.create({
  model: { type: "textcnn", embeddingSize: 64, hiddenSize: 32 }, task, tokenizer, threads: 1, device: "cpu",
});
await trainer.fit({ maxSteps: 30, batchSize: 8, logEvery: 1, evalEvery: 7, checkpointEvery: 2, output, resume: true });
await trainer.dispose();
await tokenizer.dispose();
`;

function train(taskFile: string, output: string) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, taskFile, output], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return { child, exit: once(child, "exit") };
}

it("goes on bit for bit after SIGKILL", async () => {
  const folder = await temporaryFolder();
  const taskFile = join(folder, "task.json");
  await writeFile(taskFile, JSON.stringify(toyTask));
  const whole = join(folder, "whole");
  const started = performance.now();
  expect(await train(taskFile, whole).exit).toEqual([0, null]);
  const duration = performance.now() - started;
  const killed = join(folder, "killed");
  let kills = 0;
  for (let isFinished = false, round = 0; !isFinished; round++) {
    const { child, exit } = train(taskFile, killed);
    // Later in each round, so that the run gets to its end.
    const timer = setTimeout(() => child.kill("SIGKILL"), duration * (0.5 + round * 0.1));
    const [code, signal] = await exit;
    clearTimeout(timer);
    isFinished = code === 0;
    if (signal === "SIGKILL") kills++;
    else expect(code).toBe(0);
  }
  expect(kills).toBeGreaterThan(0);
  expect((await readdir(killed)).sort()).toEqual((await readdir(whole)).sort());
  expect((await readdir(join(killed, "checkpoints"))).sort()).toEqual(["step-28", "step-30"]);
  for (const name of ["log.jsonl", "model/model.safetensors"]) {
    expect((await readFile(join(killed, name))).equals(await readFile(join(whole, name)))).toBe(true);
  }
});
