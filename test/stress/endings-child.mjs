/** Trains, and ends some milliseconds later in the way that its arguments name, saying `now` just before. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { RATTrainer, trainTokenizer } from "r-at";

const [ending, type, delay] = process.argv.slice(2);

const words = Array.from({ length: 400 }, (_, i) => `w${i}`);
const examples = Array.from({ length: 256 }, (_, row) => ({
  text: Array.from({ length: 40 + (row % 60) }, (_, i) => words[(row * 31 + i * i) % 400]).join(" "),
  label: row % 2 === 0 ? "good" : "bad",
}));
const task = {
  ...{ name: "stress", kind: "classification", labels: ["bad", "good"], metrics: ["accuracy"] },
  ...{ train: examples, dev: examples.slice(0, 32), test: null },
};
const tokenizer = await trainTokenizer(examples, {});
const trainer = await RATTrainer.create({ model: { type }, task, tokenizer, threads: 1, device: "cpu" });
const output = mkdtempSync(join(tmpdir(), "rat-ending-"));
process.on("exit", () => rmSync(output, { recursive: true, force: true }));

// Evaluations and checkpoints in between, so that every kind of native call is hit.
const controller = new AbortController();
const run = trainer.fit({
  ...{ maxSteps: 100_000, batchSize: 16, logEvery: 1, evalEvery: 3, checkpointEvery: 2, output },
  signal: controller.signal,
});
const iterator = run[Symbol.asyncIterator]();
await iterator.next();
run.catch(() => {});

const say = () => process.stdout.write("now\n");
const endings = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error("thrown in mid-step");
  },
  rejection: () => {
    Promise.reject(new Error("rejected in mid-step"));
  },
  SIGINT: () => process.kill(process.pid, "SIGINT"),
  SIGTERM: () => process.kill(process.pid, "SIGTERM"),
  // The usual handler of a server: stop, and leave.
  "SIGTERM, handled": () => {
    process.once("SIGTERM", () => process.exit(143));
    process.kill(process.pid, "SIGTERM");
  },
  // Nothing is left to do: the process must end by itself.
  "abort and return": () => controller.abort(),
  "dispose and return": () => trainer.dispose(),
};

await setTimeout(Number(delay));
say();
endings[ending]();
