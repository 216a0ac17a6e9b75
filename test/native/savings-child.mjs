// Run by savings.test.ts under different RAT_DISABLE: prints what two steps come to, the weights after them, and how many operators
// of LibTorch a step called, as JSON.
import { native } from "#dist/native/binding.js";

const { options, batch } = JSON.parse(process.argv[2]);
const typed = {
  ...{ tokens: Int32Array.from(batch.tokens), sequenceStarts: Int32Array.from(batch.sequenceStarts) },
  ...{ exampleIds: Int32Array.from(batch.exampleIds), labels: Int32Array.from(batch.labels) },
};
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
console.log(JSON.stringify({ values, operators, disabled: native().buildInfo().disabledSavings }));
