// Run by late-rows.test.ts: of each of some trainers, saves the weights and the moments after steps of which each has other words,
// into the trainer's folder.
import { join } from "node:path";
import { native } from "#dist/native/binding.js";

const STEPS = 14;

const batchOf = (first) => ({
  tokens: Int32Array.of(first, 1 + (first % 7), 2, first + 1, first),
  sequenceStarts: Int32Array.of(0, 3, 5),
  exampleIds: Int32Array.of(first, 40 + first),
  labels: Int32Array.of(0, 1),
});

async function train({ options, folder }) {
  const trainer = new (native().Trainer)(options);
  const save = async (name) => {
    await trainer.save("model", join(folder, `${name}.model.safetensors`), {});
    await trainer.save("optimizer", join(folder, `${name}.optimizer.safetensors`), {});
  };
  for (let step = 1; step <= STEPS; step++) {
    const first = 1 + ((step * step) % (options.model.vocabularySize - 2));
    await trainer.trainStep(batchOf(first), step, 0.1 / step);
    if (step === 5) await trainer.predict(batchOf(4));
    // What is loaded is what has been saved, with moments of the steps before.
    if (step === 8) await save("middle");
    if (step === 11) await trainer.load("model", join(folder, "middle.model.safetensors"));
    if (step === 10) await trainer.load("optimizer", join(folder, "middle.optimizer.safetensors"));
  }
  await save("last");
  await trainer.dispose();
}

for (const each of JSON.parse(process.argv[2])) await train(each);
