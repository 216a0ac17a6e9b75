/** The runner of this library: a native trainer under the benchmark's protocol. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type NativeTrainer, native } from "#dist/native/binding.js";
import { median } from "../statistics.js";
import { pack } from "../workloads/batches.js";
import { type Answers, type Command, type GateStep, type RunnerCase, WARM_BATCHES } from "./protocol.js";

const runnerCase = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as RunnerCase;
const { model, method, precision, device, threads } = runnerCase;
const withTypes = model.kind === "encoder";
const batchSize = runnerCase.batches[0]?.texts.length ?? 0;
const batches = runnerCase.batches.map((batch, i) => pack(batch, i * batchSize, withTypes));

/** `dropout` undefined: the case's own. */
function makeTrainer(options: { dropout?: number; profile?: boolean } = {}): NativeTrainer {
  const rate = options.dropout ?? (withTypes ? null : runnerCase.dropout);
  return new (native().Trainer)({
    model: model.options,
    kind: "classification",
    regularizer: {
      type: method.type,
      forwards: method.forwards,
      epsilon: [method.epsilon],
      klWeight: method.klWeight,
      klReduction: "batch-mean",
      cleanDropout: rate,
      forwardDropout: [rate],
    },
    optimizer: { type: "adamw", weightDecay: runnerCase.weightDecay, clipNorm: runnerCase.clipNorm },
    ...{ seed: 1, device, precision, threads, profile: options.profile ?? false },
  });
}

let trainer: NativeTrainer | undefined;
let step = 0;

async function trained(): Promise<NativeTrainer> {
  if (!trainer) {
    trainer = makeTrainer();
    await trainer.load("model", runnerCase.weights);
  }
  return trainer;
}

/** Queued all at once, as a run queues them: the device need not wait for JavaScript. */
async function steps(first: number, count: number): Promise<number> {
  const current = await trained();
  const started = performance.now();
  await Promise.all(
    batches
      .slice(first, first + count)
      .map((batch) => current.trainStep(batch, ++step, runnerCase.learningRate)),
  );
  return performance.now() - started;
}

async function warmUp(seconds: number): Promise<number> {
  const started = performance.now();
  const times: number[] = [];
  const most = device === "cpu" ? 10 : 20;
  while (times.length < 2 || (times.length < most && performance.now() - started < seconds * 1000))
    times.push(await steps(times.length % WARM_BATCHES, 1));
  return median(times);
}

const commands: { [C in Command]: (argument: string) => Promise<Answers[C]> } = {
  async weights(path) {
    const fresh = makeTrainer();
    await fresh.save("model", path, {});
    await fresh.dispose();
    return {};
  },
  async gate() {
    const plain = makeTrainer({ dropout: 0 });
    await plain.load("model", runnerCase.weights);
    const done: GateStep[] = [];
    for (const batch of batches.slice(0, 2)) {
      const result = await plain.trainStep(batch, done.length + 1, runnerCase.learningRate);
      const { cleanLoss, adversarialLoss, klLoss, gradNorm } = result;
      done.push({ cleanLoss, adversarialLoss, klLoss, gradNorm });
    }
    await plain.dispose();
    return { steps: done };
  },
  async warmup(seconds) {
    return { milliseconds: await warmUp(Number(seconds)) };
  },
  async block(range) {
    const [first = 0, count = 1] = range.split(" ").map(Number);
    return { milliseconds: await steps(first, count) };
  },
  async profile() {
    const profiled = makeTrainer({ profile: true });
    await profiled.load("model", runnerCase.weights);
    let last: Answers["profile"]["profile"] | undefined;
    for (const [i, batch] of batches.slice(0, 3).entries())
      last = (await profiled.trainStep(batch, i + 1, runnerCase.learningRate)).profile;
    await profiled.dispose();
    if (!last) throw new Error("the addon gave no profile");
    return { profile: last };
  },
  async end() {
    const current = await trained();
    const peakMemoryBytes =
      device === "cpu" ? process.resourceUsage().maxRSS * 1024 : await current.peakDeviceMemoryBytes();
    await current.dispose();
    return { peakMemoryBytes };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command = "", ...rest] = line.split(" ");
  if (!(command in commands)) throw new Error(`unknown command ${command}`);
  process.stdout.write(`${JSON.stringify(await commands[command as Command](rest.join(" ")))}\n`);
  if (command === "end") break;
}
