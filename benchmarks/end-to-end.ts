/** Training from texts: what `RATTrainer` takes for a step with everything in it, and how much of that is not the device's. */

import { RATTrainer, type Regularizer, trainTokenizer } from "r-at";
import { packBatch } from "#dist/inference/batching.js";
import { loadBrown } from "./quickstart/brown.js";

export interface EndToEndResult {
  readonly model: string;
  readonly regularizer: string;
  readonly device: string;
  readonly batchSize: number;
  readonly examplesPerSecond: number;
  readonly tokensPerSecond: number;
  /** Milliseconds of a step. Texts are tokenised once, before training; here, that is divided among the steps of an epoch. */
  readonly tokeniseMs: number;
  readonly packMs: number;
  /** All of it: tokenising, packing, the native step, and what JavaScript does in between. */
  readonly stepMs: number;
}

const BATCH_SIZE = 32;

/** Two epochs of the Brown Corpus. */
export async function measureEndToEnd(
  device: string,
  threads: number,
  passages = 1000,
): Promise<EndToEndResult[]> {
  const task = { ...loadBrown(passages), dev: null, test: null };
  const tokenizer = await trainTokenizer(task.train);
  const started = performance.now();
  const texts = await tokenizer.encodeAll(task.train, { maxLength: 400 });
  const tokenise = performance.now() - started;
  const steps = Math.ceil(task.train.length / BATCH_SIZE);
  const rows = Int32Array.from({ length: BATCH_SIZE }, (_, i) => i);
  const labels = new Int32Array(task.train.length);
  const packing = performance.now();
  for (let i = 0; i < steps; i++) packBatch(texts, labels, rows);
  const packMs = (performance.now() - packing) / steps;

  const results: EndToEndResult[] = [];
  const methods: Regularizer[] = [{ type: "none" }, { type: "r-at", epsilon: 1, klWeight: 0.5 }];
  for (const regularizer of methods) {
    await using trainer = await RATTrainer.create({
      model: { type: "textcnn" },
      ...{ task, tokenizer, regularizer, device, threads, seed: 1 },
    });
    const summary = await trainer.fit({ epochs: 2, batchSize: BATCH_SIZE });
    const { examplesPerSecond, tokensPerSecond } = summary;
    results.push({
      ...{ model: "textcnn", regularizer: regularizer.type, device: trainer.device, batchSize: BATCH_SIZE },
      ...{ examplesPerSecond, tokensPerSecond },
      tokeniseMs: tokenise / steps,
      packMs,
      stepMs: (BATCH_SIZE * 1000) / examplesPerSecond + tokenise / steps / 2,
    });
  }
  await tokenizer.dispose();
  return results;
}
