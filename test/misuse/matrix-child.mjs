/**
 * Calls every method of a trainer and a classifier in every state, and tells what came of each: `ok`, or the code of its
 * error. Plain JavaScript, so that it runs as it is on the main thread, in a worker and in a process that is exiting.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isMainThread, parentPort } from "node:worker_threads";
import { Classifier, isRATError, RATTrainer, trainTokenizer } from "r-at";

const examples = Array.from({ length: 64 }, (_, row) => ({
  text: `w${row % 7} ${row % 2 === 0 ? "fine" : "awful"} w${row % 5}`,
  label: row % 2 === 0 ? "good" : "bad",
}));
const task = {
  ...{ name: "toy", kind: "classification", labels: ["bad", "good"], metrics: ["accuracy"] },
  ...{ train: examples, dev: examples.slice(0, 8), test: null },
};
const model = { type: "textcnn", embeddingSize: 8, hiddenSize: 4, windows: [1, 2] };
/** Far longer than anything here waits for. */
const endless = { maxSteps: 1_000_000, batchSize: 8 };

const tokenizer = await trainTokenizer(examples, {});
const folder = await mkdtemp(join(tmpdir(), "rat-matrix-"));
const newTrainer = () => RATTrainer.create({ model, task, tokenizer, threads: 1, device: "cpu" });

const trainerCalls = {
  fit: (trainer) => trainer.fit({ maxSteps: 1 }),
  evaluate: (trainer) => trainer.evaluate("dev"),
  predict: (trainer) => trainer.predict("fine"),
  save: (trainer) => trainer.save(join(folder, "saved")),
  dispose: (trainer) => trainer.dispose(),
  asyncDispose: (trainer) => trainer[Symbol.asyncDispose](),
};

/** Puts a trainer into a state; what it returns is called in the end. */
const trainerStates = {
  fresh: async () => {},
  trained: async (trainer) => {
    await trainer.fit({ maxSteps: 2 });
  },
  busy: async (trainer) => {
    const run = trainer.fit(endless).catch(() => {});
    return () => run;
  },
  iterating: async (trainer) => {
    const run = trainer.fit({ ...endless, logEvery: 1 });
    const iterator = run[Symbol.asyncIterator]();
    await iterator.next();
    return () => run.catch(() => {});
  },
  reading: async (trainer) => {
    const evaluation = trainer.evaluate("train").catch(() => {});
    return () => evaluation;
  },
  aborted: async (trainer) => {
    const controller = new AbortController();
    const run = trainer.fit({ ...endless, signal: controller.signal });
    await setImmediate();
    controller.abort(new Error("enough"));
    await run.catch(() => {});
  },
  failed: async (trainer) => {
    await trainer.fit({ maxSteps: 1, learningRate: -1 }).catch(() => {});
  },
  disposing: async (trainer) => {
    const disposal = trainer.dispose();
    return () => disposal;
  },
  disposed: (trainer) => trainer.dispose(),
};

const classifierCalls = {
  predict: (classifier) => classifier.predict("fine"),
  dispose: (classifier) => classifier.dispose(),
  asyncDispose: (classifier) => classifier[Symbol.asyncDispose](),
};

const classifierStates = {
  fresh: async () => {},
  busy: async (classifier) => {
    const predictions = classifier.predict(examples.map(({ text }) => text)).catch(() => {});
    return () => predictions;
  },
  aborted: async (classifier) => {
    await classifier.predict("fine", { signal: AbortSignal.abort() }).catch(() => {});
  },
  disposing: async (classifier) => {
    const disposal = classifier.dispose();
    return () => disposal;
  },
  disposed: (classifier) => classifier.dispose(),
};

async function outcomeOf(call) {
  try {
    await call();
    return "ok";
  } catch (error) {
    return isRATError(error) ? error.code : `${error}`;
  }
}

async function tabulate(make, states, calls) {
  const table = {};
  for (const [state, enter] of Object.entries(states)) {
    table[state] = {};
    for (const [name, call] of Object.entries(calls)) {
      const object = await make();
      const settle = await enter(object);
      table[state][name] = await outcomeOf(() => call(object));
      await object.dispose();
      await settle?.();
    }
  }
  return table;
}

/** While the process exits, nothing settles any more; no call may throw or crash. */
async function callWhileExiting() {
  const trainer = await newTrainer();
  const classifier = await Classifier.load(join(folder, "saved"), { threads: 1, device: "cpu" });
  trainer.fit(endless).catch(() => {});
  await setImmediate();
  const callAll = () => {
    for (const call of Object.values(trainerCalls)) Promise.resolve(call(trainer)).catch(() => {});
    for (const call of Object.values(classifierCalls)) call(classifier).catch(() => {});
    newTrainer().catch(() => {});
    process.stdout.write("called ");
  };
  // Before the library's own listener, and after it has stopped everything.
  process.prependListener("exit", callAll);
  process.on("exit", callAll);
  process.exit(7);
}

const trainers = await tabulate(newTrainer, trainerStates, trainerCalls);
const saved = await newTrainer();
await saved.save(join(folder, "saved"));
await saved.dispose();
const load = () => Classifier.load(join(folder, "saved"), { threads: 1, device: "cpu" });
const classifiers = await tabulate(load, classifierStates, classifierCalls);

if (!isMainThread) {
  await rm(folder, { recursive: true });
  parentPort.postMessage({ trainers, classifiers });
} else if (process.argv[2] === "exit") {
  await callWhileExiting();
} else {
  await rm(folder, { recursive: true });
  process.stdout.write(JSON.stringify({ trainers, classifiers }));
}
