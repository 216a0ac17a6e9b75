// Run by graphs.test.ts: prints the results of four steps of one size, with the options that it is given.
import { native } from "#dist/native/binding.js";

const trainer = new (native().Trainer)(JSON.parse(process.argv[2]));
for (let step = 1; step <= 4; step++) {
  const batch = {
    tokens: Int32Array.of(step, 1, 2, 1 + step, 3),
    sequenceStarts: Int32Array.of(0, 3, 5),
    exampleIds: Int32Array.of(step, 40 + step),
    labels: Int32Array.of(0, 1),
  };
  console.log(JSON.stringify(await trainer.trainStep(batch, step, 0.1 / step)));
}
await trainer.dispose();
