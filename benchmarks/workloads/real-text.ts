/** Batches of a task's own training texts, where its data and a tokenizer are at hand. */
import { loadTask, loadTokenizer, type Tokenizer, trainTokenizer } from "r-at";
import { native } from "#dist/native/binding.js";
import type { TokenBatch } from "./batches.js";
import type { BenchmarkModel } from "./models.js";

/** Tokens that a text is cut at, as in benchmarks of GLUE. */
const MAX_LENGTH = 128;

/** The texts as the model takes them, in the file's order. */
export interface RealTexts {
  readonly texts: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

/**
 * Reads a task's training set from `data`. An encoder's texts need `tokenizer`, a folder; a word model has a vocabulary of the
 * training texts. Segments are left out: they cost the same whatever they are.
 *
 * @throws Error where the task has other classes than the model, or its tokenizer more tokens.
 */
export async function readRealTexts(
  task: string,
  data: string,
  model: BenchmarkModel,
  tokenizerFolder: string | undefined,
): Promise<RealTexts> {
  const { train, labels: classes } = await loadTask(task, { data });
  if (classes.length !== model.classes)
    throw new Error(
      `${task} has ${classes.length} classes, and the models that are measured ${model.classes}`,
    );
  const { vocabularySize } = model.options;
  const openTokenizer = (): Promise<Tokenizer> => {
    if (model.kind !== "encoder") return trainTokenizer(train, { vocabularySize });
    if (tokenizerFolder === undefined) throw new Error(`${model.name} on real text needs --tokenizer FOLDER`);
    return loadTokenizer(tokenizerFolder);
  };
  await using tokenizer = await openTokenizer();
  if (tokenizer.vocabularySize > vocabularySize)
    throw new Error(
      `the tokenizer has ${tokenizer.vocabularySize} tokens, and ${model.name} ${vocabularySize}`,
    );
  const { tokens, starts } = await tokenizer.encodeAll(train, { maxLength: MAX_LENGTH });
  return {
    texts: train.map((_, i) => [...tokens.subarray(starts[i], starts[i + 1])]),
    labels: train.map(({ label }) => classes.indexOf(String(label))),
  };
}

/** The first `count` batches of epochs in the order that training has them; more of them begin with the same. */
export function realBatches(
  { texts, labels }: RealTexts,
  { batchSize, count, seed }: { batchSize: number; count: number; seed: number },
): TokenBatch[] {
  if (texts.length < batchSize)
    throw new Error(`${texts.length} texts are less than a batch of ${batchSize}`);
  const batches: TokenBatch[] = [];
  for (let epoch = 0; batches.length < count; epoch++) {
    const order = native().permutation(seed, epoch, texts.length);
    for (let from = 0; from + batchSize <= order.length && batches.length < count; from += batchSize) {
      const rows = [...order.subarray(from, from + batchSize)];
      batches.push({
        texts: rows.map((row) => texts[row] ?? []),
        labels: rows.map((row) => labels[row] ?? 0),
      });
    }
  }
  return batches;
}
