/**
 * Trains the same TextCNN plainly and with R-AT on real text, three times each, and compares them. About a minute on
 * two cores. Run by `npm run quickstart`; written as a program that uses the package would be.
 */
import { Classifier, RATTrainer, type Regularizer, trainTokenizer } from "r-at";
import { requireRealDevice } from "#dist/inference/device.js";
import { meanAndDeviation, renderTable } from "#dist/render/table.js";
import { createProgress } from "#dist/report/progress.js";
import { loadBrown } from "./brown.js";

const seeds = [1, 2, 3];
const methods: Regularizer[] = [{ type: "none" }, { type: "r-at", epsilon: 1, klWeight: 0.5 }];
const epochs = 3;
const batchSize = 32;
const folder = "runs/quickstart/model";

const started = performance.now();
const task = loadBrown(2000);
const tokenizer = await trainTokenizer(task.train);
console.log(
  `The Brown Corpus: ${task.train.length} passages to learn from, ${task.test?.length} to test on.`,
);
console.log(
  `Is a passage fiction or not? The same TextCNN, plain and with R-AT, seeds ${seeds.join(", ")}.\n`,
);

const accuracies = new Map<string, number[]>();
for (const seed of seeds) {
  for (const regularizer of methods) {
    // Smaller than the default sizes (300 and 256), so that six runs take a minute.
    await using trainer = await RATTrainer.create({
      model: { type: "textcnn", embeddingSize: 100, hiddenSize: 64 },
      ...{ task, tokenizer, regularizer, seed },
    });
    requireRealDevice(trainer.device);
    const title = `${regularizer.type.padEnd(4)} seed ${seed}`;
    const progress = createProgress({ title, totalSteps: epochs * Math.ceil(task.train.length / batchSize) });
    const run = trainer.fit({ epochs, batchSize });
    for await (const event of run) progress.update(event);
    progress.stop();
    const accuracy = (await run).test?.accuracy ?? 0;
    accuracies.set(regularizer.type, [...(accuracies.get(regularizer.type) ?? []), accuracy]);
    if (regularizer.type === "r-at" && seed === seeds[0]) await trainer.save(folder);
  }
}

console.log("\nAccuracy on documents that no model has seen:\n");
const rows = [...accuracies].map(([name, values]) => [name, ...values, meanAndDeviation(values)]);
console.log(
  renderTable(["method", ...seeds.map((seed) => `seed ${seed}`), "mean ± sd"], rows, { decimals: 3 }),
);

const sentence = "She did not answer. Outside, the rain had begun again, and he reached for his hat.";
await using classifier = await Classifier.load(folder);
const [prediction] = await classifier.predict([sentence]);
console.log(
  `\n"${sentence}"\n  ${prediction?.label} (${((prediction?.probability ?? 0) * 100).toFixed(0)} %)`,
);

console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(0)} s. Now try:`);
console.log(`  npx r-at predict --model ${folder} "The committee shall report to the Senate in May."`);
console.log("  npx r-at train --help");
