// Run by cpu-versions.test.ts under different ATEN_CPU_CAPABILITY: prints masks of dropout, and what steps of R-AT with each
// of the given options come to, as JSON.
import { native } from "#dist/native/binding.js";

const masks = [1, 2, 3, 5, 64, 129, 1001].map((count) => [
  ...native().dropoutMask({
    ...{ seed: 3, step: 2, exampleId: 7, site: 4, layer: 1, pass: 2 },
    ...{ probability: 0.3, count },
  }),
]);
const lengths = [19, 3, 33, 1, 8, 8, 2, 13, 5, 4, 1, 7, 6, 11];
const starts = [0];
for (const length of lengths) starts.push((starts.at(-1) ?? 0) + length);
const batch = {
  tokens: Int32Array.from({ length: starts.at(-1) ?? 0 }, (_, i) => 1 + ((i * 7) % 20)),
  sequenceStarts: Int32Array.from(starts),
  labels: Int32Array.from(lengths, (_, i) => i % 3),
  exampleIds: Int32Array.from(lengths, (_, i) => 4 + ((i * 5) % lengths.length)),
};

/** Of two steps. */
async function lossesOf(options) {
  const trainer = new (native().Trainer)(options);
  const losses = [];
  for (let step = 1; step <= 2; step++) {
    const { loss, klLoss, gradNorm } = await trainer.trainStep(batch, step, 0.05);
    losses.push(loss, klLoss, gradNorm);
  }
  await trainer.dispose();
  return losses;
}

const losses = [];
for (const options of JSON.parse(process.argv[2])) losses.push(await lossesOf(options));
console.log(JSON.stringify({ masks, losses }));
