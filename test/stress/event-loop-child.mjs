/** The largest gap of a 2 ms timer while each thing is done, in milliseconds; prints `{name: [gap, duration]}`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Classifier, loadTask, loadTokenizer, RATTrainer, trainTokenizer } from "r-at";

const folder = mkdtempSync(join(tmpdir(), "rat-loop-"));
const gaps = {};

async function watch(name, call) {
  globalThis.gc();
  let last = performance.now();
  const begun = last;
  let gap = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
  }, 2);
  const result = await call();
  gap = Math.max(gap, performance.now() - last);
  clearInterval(timer);
  gaps[name] = [Math.round(gap), Math.round(performance.now() - begun)];
  return result;
}

// 40,000 words; texts of 20 to 400 of them.
const word = (n) => `w${((n * 2_654_435_761) >>> 3) % 40_000}`;
const textOf = (row) => Array.from({ length: 20 + (row % 380) }, (_, i) => word(row * 997 + i)).join(" ");
const rows = Array.from({ length: 6_000 }, (_, row) => `"${textOf(row)}",${row % 2 === 0 ? "good" : "bad"}`);
writeFileSync(join(folder, "train.csv"), `text,label\n${rows.join("\n")}\n`);
writeFileSync(
  join(folder, "train.jsonl"),
  rows
    .map((_, row) => JSON.stringify({ text: textOf(row), label: row % 2 === 0 ? "good" : "bad" }))
    .join("\n"),
);

const custom = (file) => loadTask("custom", { train: join(folder, file), dev: "none" });
const task = await watch("load CSV", () => custom("train.csv"));
await watch("load JSON lines", () => custom("train.jsonl"));
const tokenizer = await watch("train a tokenizer", () =>
  trainTokenizer(task.train, { vocabularySize: 30_000 }),
);
await watch("encode", () => tokenizer.encodeAll(task.train, { maxLength: 400 }));

const common = { task, tokenizer, device: "cpu", threads: 1, maxLength: 64 };
for (const type of ["textcnn", "bilstm", "texthan"]) {
  const model = { type, embeddingSize: 64, hiddenSize: 32 };
  const trainer = await watch(`create a ${type}`, () => RATTrainer.create({ ...common, model }));
  const output = join(folder, type);
  await watch(`train a ${type}, with checkpoints`, () =>
    trainer.fit({ maxSteps: 12, checkpointEvery: 4, logEvery: 1, output }),
  );
  await watch(`save a ${type}`, () => trainer.save(join(folder, `${type}-model`)));
  await trainer.dispose();
}
const model = join(folder, "textcnn-model");
await watch("load a tokenizer", async () => (await loadTokenizer(model)).dispose());
const classifier = await watch("load a classifier", () =>
  Classifier.load(model, { threads: 1, device: "cpu" }),
);
await watch("predict", () => classifier.predict(task.train.slice(0, 3_000).map(({ text }) => text)));
await watch("dispose", () => classifier.dispose());
await tokenizer.dispose();
rmSync(folder, { recursive: true });
process.stdout.write(JSON.stringify(gaps));
