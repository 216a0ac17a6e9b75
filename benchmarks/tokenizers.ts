/**
 * Tokens a second of a tokenizer on the texts of a task's file, cut at 128 tokens: the first time, and when its words are known.
 *
 *     npx tsx benchmarks/tokenizers.ts TOKENIZER_FOLDER TASK FILE [ROWS]
 */
import { readExamples } from "#dist/datasets/read-examples.js";
import { loadTokenizer } from "#dist/tokenizers/load.js";

const [folder, task, file, rows] = process.argv.slice(2);
if (folder === undefined || task === undefined || file === undefined) {
  console.error("usage: npx tsx benchmarks/tokenizers.ts TOKENIZER_FOLDER TASK FILE [ROWS]");
  process.exit(2);
}
const examples = await readExamples(file, { task: task as never, labelMode: "ignored" });
const texts = examples.slice(0, rows === undefined ? undefined : Number(rows));
await using tokenizer = await loadTokenizer(folder);
for (const time of ["first", "again"]) {
  const from = performance.now();
  const { tokens } = await tokenizer.encodeAll(texts, { maxLength: 128 });
  const seconds = (performance.now() - from) / 1000;
  console.log(
    `${time}: ${texts.length} texts, ${tokens.length} tokens, ${(tokens.length / seconds / 1e6).toFixed(2)} M tokens/s`,
  );
}
