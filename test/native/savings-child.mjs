// Run by savings.test.ts under different RAT_DISABLE: prints, of each of some trainers, what two steps come to, what it predicts
// after them, and how many operators of LibTorch a step called, as JSON.
import { native } from "#dist/native/binding.js";

const { trainers, batch } = JSON.parse(process.argv[2]);
const typed = {
  ...{ tokens: Int32Array.from(batch.tokens), sequenceStarts: Int32Array.from(batch.sequenceStarts) },
  ...{ exampleIds: Int32Array.from(batch.exampleIds), labels: Int32Array.from(batch.labels) },
};

async function outcomeOf(options) {
  const trainer = new (native().Trainer)({ ...options, profile: true });
  const values = [];
  let operators = 0;
  for (let step = 1; step <= 2; step++) {
    const result = await trainer.trainStep(typed, step, 0.05);
    values.push(result.loss, result.cleanLoss, result.klLoss, result.deltaNorm, result.gradNorm);
    operators = result.profile.operators;
  }
  values.push(...(await trainer.predict(typed)));
  await trainer.dispose();
  return { values, operators };
}

const outcomes = [];
for (const options of trainers) outcomes.push(await outcomeOf(options));
console.log(JSON.stringify({ outcomes, disabled: native().buildInfo().disabledSavings }));
