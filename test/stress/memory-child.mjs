/** What a process's memory does over many workers, steps or objects; prints numbers as JSON. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { ENCODER_FAMILIES } from "#dist/models/families/index.js";
import { native } from "#dist/native/binding.js";

const SELF = new URL(import.meta.url);

/** Memory that is the process's own, in KiB. */
const privateMemory = () => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

const word = {
  vocabularySize: 1_000,
  outputs: 2,
  embeddingSize: 64,
  hiddenSize: 32,
  windows: [2, 3],
  paddingId: 0,
  embeddingStd: 0.1,
};
const types = [
  { type: "textcnn", layers: 1 },
  { type: "bilstm", layers: 2 },
  { type: "texthan", layers: 1 },
];
const newTrainer = (index = 0) =>
  new (native().Trainer)({
    model: { ...word, ...types[index % types.length] },
    kind: "classification",
    regularizer: {
      ...{ type: "r-at", forwards: 2, epsilon: [1], klWeight: 0.5, klReduction: "batch-mean" },
      ...{ cleanDropout: 0.5, forwardDropout: [0.5] },
    },
    optimizer: { type: "adamw", weightDecay: 0, clipNorm: 1 },
    ...{ seed: 1, device: "cpu", precision: "fp32", threads: 1 },
  });

/** Of another shape each time, from a few tokens to a few hundred. */
function batch(turn) {
  const lengths = Array.from({ length: 8 }, (_, i) => 1 + ((turn * 13 + i * i * 7) % 50));
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1) + length);
  return {
    tokens: Int32Array.from({ length: starts.at(-1) }, (_, i) => 1 + ((i * 7919 + turn) % 999)),
    sequenceStarts: Int32Array.from(starts),
    labels: Int32Array.from(lengths, (length) => length % 2),
    exampleIds: Int32Array.from(lengths.keys()),
  };
}

/** Trains without end with a few steps queued, as RATTrainer does, and tells when the first is done. */
async function trainWithoutEnd(trainer, tell) {
  const queued = [];
  for (let step = 1; ; step++) {
    const running = trainer.trainStep(batch(step % 100), step, 1e-3);
    running.catch(() => {});
    queued.push(running);
    if (step === 1) running.then(tell);
    if (queued.length < 4) continue;
    const isOver = await queued.shift().then(
      () => false,
      () => true,
    );
    if (isOver) return;
  }
}

const scenarios = {
  /** Eight trainers in eight workers at a time, terminated in mid-step. */
  async workers(count) {
    const readings = [];
    for (let done = 0; done < count; done += 8) {
      const workers = Array.from({ length: 8 }, (_, i) => new Worker(SELF, { workerData: done + i }));
      await Promise.all(workers.map((worker) => once(worker, "message")));
      await Promise.all(workers.map((worker) => worker.terminate()));
      globalThis.gc();
      // What the allocator holds for later goes back to the system with a trainer.
      await newTrainer().dispose();
      readings.push([done + 8, privateMemory()]);
    }
    return readings;
  },

  /** One trainer, many steps and predictions of all shapes. */
  async steps(count) {
    const trainer = newTrainer(1);
    const readings = [];
    for (let step = 1; step <= count; step++) {
      await trainer.trainStep(batch(step % 100), step, 1e-3);
      if (step % 10 === 0) await trainer.predict(batch(step % 100));
      if (step % 50 !== 0) continue;
      globalThis.gc();
      readings.push([step, privateMemory()]);
    }
    await trainer.dispose();
    return readings;
  },

  /** Readings after each tenth step of an encoder, on batches that never have the same number of tokens twice. */
  async shapes(count) {
    const { native: encoder, ...sizes } = ENCODER_FAMILIES.get("bert").parse(
      {
        vocab_size: 1_000,
        hidden_size: 256,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        intermediate_size: 1_024,
      },
      "the test",
    );
    const trainer = new (native().Trainer)({
      model: {
        type: "encoder",
        ...sizes,
        windows: [],
        outputs: 2,
        embeddingStd: 1,
        encoder: { ...encoder, pretrained: false },
      },
      kind: "classification",
      regularizer: {
        ...{ type: "none", forwards: 1, epsilon: [0], klWeight: 0, klReduction: "batch-mean" },
        ...{ cleanDropout: null, forwardDropout: [null] },
      },
      optimizer: { type: "adamw", weightDecay: 0, clipNorm: 1 },
      ...{ seed: 1, device: "cpu", precision: "fp32", threads: 2 },
    });
    const readings = [];
    for (let step = 1; step <= count; step++) {
      // 400 to 1,600 tokens, in an order that has no end.
      const tokens = 400 + ((step * 523) % 1_201);
      const length = Math.floor(tokens / 16);
      const starts = Array.from({ length: 17 }, (_, i) => (i < 16 ? i * length : tokens));
      await trainer.trainStep(
        {
          tokens: Int32Array.from({ length: tokens }, (_, i) => 1 + ((i * 7919 + step) % 999)),
          sequenceStarts: Int32Array.from(starts),
          labels: Int32Array.from({ length: 16 }, (_, i) => i % 2),
          exampleIds: Int32Array.from({ length: 16 }, (_, i) => i),
        },
        step,
        1e-4,
      );
      if (step % 10 === 0) readings.push(privateMemory());
    }
    await trainer.dispose();
    return readings;
  },

  /** Trainers disposed of in mid-step. */
  async dispose(count) {
    for (let i = 0; i < count; i++) {
      const trainer = newTrainer(i);
      await new Promise((resolve) => trainWithoutEnd(trainer, resolve));
      await trainer.dispose();
    }
    return native().liveTrainers();
  },

  /** Trainers that nobody holds, in mid-step: they end when their steps are done. */
  async garbage(count) {
    for (let i = 0; i < count; i++) {
      const trainer = newTrainer(i);
      const [first] = [1, 2, 3].map((step) => trainer.trainStep(batch(step), step, 1e-3));
      await first;
      globalThis.gc();
    }
    for (let i = 0; i < 200 && native().liveTrainers() > 0; i++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return native().liveTrainers();
  },
};

if (isMainThread) {
  const [scenario, count] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(await scenarios[scenario](Number(count))));
} else {
  trainWithoutEnd(newTrainer(workerData), () => parentPort.postMessage("training"));
}
