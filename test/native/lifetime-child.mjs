// Run as a process of its own by lifetime.test.ts: starts training and then ends in the way that its argument names.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { native } from "#dist/native/binding.js";

const BATCH = 32;
const LENGTH = 60;

function newTrainer(seed = 1) {
  return new (native().Trainer)({
    model: {
      type: "textcnn",
      vocabularySize: 5_000,
      outputs: 2,
      embeddingSize: 300,
      hiddenSize: 256,
      layers: 1,
      windows: [2, 3, 4],
      paddingId: 0,
      embeddingStd: 0.1,
    },
    kind: "classification",
    regularizer: {
      type: "r-at",
      forwards: 2,
      epsilon: [1],
      klWeight: 0.5,
      klReduction: "batch-mean",
      cleanDropout: 0.5,
      forwardDropout: [0.5],
    },
    optimizer: { type: "adamw", weightDecay: 0, clipNorm: 1 },
    seed,
    device: "cpu",
    precision: "fp32",
    threads: 1,
  });
}

function batch() {
  return {
    tokens: Int32Array.from({ length: BATCH * LENGTH }, (_, i) => 3 + ((i * 7919) % 4_990)),
    sequenceStarts: Int32Array.from({ length: BATCH + 1 }, (_, i) => i * LENGTH),
    labels: Int32Array.from({ length: BATCH }, (_, i) => i % 2),
    exampleIds: Int32Array.from({ length: BATCH }, (_, i) => i),
  };
}

/** Queues steps and returns once the first has run, so that one is surely under way. */
async function train(trainer, steps = 1_000) {
  const running = [];
  const always = batch();
  for (let step = 1; step <= steps; step++) running.push(trainer.trainStep(always, step, 1e-3));
  for (const step of running) step.catch(() => {});
  await running[0];
  return running;
}

const modes = {
  async exit() {
    await train(newTrainer());
    process.exit(7);
  },
  async "exit while disposing"() {
    const trainer = newTrainer();
    await train(trainer);
    trainer.dispose();
    process.exit(7);
  },
  async throw() {
    await train(newTrainer());
    setImmediate(() => {
      throw new Error("thrown while a step runs");
    });
  },
  async "unawaited end"() {
    // Nothing else keeps the process alive: the pending steps must, and then it must end by itself.
    newTrainer()
      .trainStep(batch(), 1, 1e-3)
      .then(() => console.log("step done"));
  },
  async idle() {
    await newTrainer().trainStep(batch(), 1, 1e-3);
    console.log("step done"); // an idle trainer that nobody disposed of must not keep the process alive
  },
  async signal() {
    await train(newTrainer());
    console.log("training");
  },
  async "dispose in mid-step"() {
    const trainer = newTrainer();
    const running = await train(trainer);
    trainer.cancel();
    await trainer.dispose();
    await trainer.dispose();
    const codes = new Set(
      (await Promise.allSettled(running.slice(1))).map((r) => r.reason?.code ?? r.status),
    );
    const late = await trainer.predict(batch()).catch((error) => error.code);
    console.log([...codes].join(), late, native().liveTrainers());
  },
  async "garbage in mid-step"() {
    for (let i = 0; i < 3; i++) await train(newTrainer(i), 3);
    for (let i = 0; i < 200 && native().liveTrainers() > 0; i++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    console.log("live", native().liveTrainers());
  },
  async "terminate workers"() {
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(new URL(import.meta.url), { workerData: "train" });
      await new Promise((resolve) => worker.once("message", resolve));
      await worker.terminate();
    }
    console.log("terminated");
  },
  async "exit in a worker"() {
    const worker = new Worker(new URL(import.meta.url), { workerData: "exit" });
    const code = await new Promise((resolve) => worker.once("exit", resolve));
    console.log("worker", code);
  },
  async "workers side by side"() {
    const workers = Array.from(
      { length: 3 },
      () => new Worker(new URL(import.meta.url), { workerData: "losses" }),
    );
    const losses = await Promise.all(
      workers.map((w) => new Promise((resolve) => w.once("message", resolve))),
    );
    console.log(new Set(losses).size === 1 ? "same losses" : losses.join("\n"));
  },
  async "event loop"() {
    const running = await train(newTrainer(), 12);
    let last = performance.now();
    let gap = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      gap = Math.max(gap, now - last);
      last = now;
    }, 2);
    await Promise.all(running);
    clearInterval(timer);
    console.log(gap.toFixed(1));
  },
};

const workerModes = {
  async train(port) {
    await train(newTrainer());
    port.postMessage("training");
  },
  async exit() {
    await train(newTrainer());
    process.exit(3);
  },
  async losses(port) {
    const trainer = newTrainer();
    const losses = [];
    for (let step = 1; step <= 3; step++) losses.push((await trainer.trainStep(batch(), step, 1e-3)).loss);
    await trainer.dispose();
    port.postMessage(losses.join());
  },
};

if (isMainThread) await modes[process.argv[2]]();
else await workerModes[workerData]((await import("node:worker_threads")).parentPort);
