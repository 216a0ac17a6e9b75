// Run by late-rows.test.ts: saves the weights and the moments after steps of which each has other words, into the folder that it
// is given.
import { join } from "node:path";
import { native } from "#dist/native/binding.js";

const { options, folder } = JSON.parse(process.argv[2]);
const VOCABULARY = options.model.vocabularySize;
const STEPS = 14;

const batchOf = (first) => ({
  tokens: Int32Array.of(first, 1 + (first % 7), 2, first + 1, first),
  sequenceStarts: Int32Array.of(0, 3, 5),
  exampleIds: Int32Array.of(first, 40 + first),
  labels: Int32Array.of(0, 1),
});
const trainer = new (native().Trainer)(options);
const save = async (name) => {
  await trainer.save("model", join(folder, `${name}.model.safetensors`), {});
  await trainer.save("optimizer", join(folder, `${name}.optimizer.safetensors`), {});
};
for (let step = 1; step <= STEPS; step++) {
  await trainer.trainStep(batchOf(1 + ((step * step) % (VOCABULARY - 2))), step, 0.1 / step);
  if (step === 5) await trainer.predict(batchOf(4));
  // What is loaded is what has been saved, with moments of the steps before.
  if (step === 8) await save("middle");
  if (step === 11) await trainer.load("model", join(folder, "middle.model.safetensors"));
  if (step === 10) await trainer.load("optimizer", join(folder, "middle.optimizer.safetensors"));
}
await save("last");
await trainer.dispose();
