/** A Hugging Face folder of an encoder of MiniLM's size, with random weights and another model's tokenizer. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withModel } from "../rates.js";
import { benchmarkModel } from "../workloads/models.js";

export async function makeEncoderFolder(
  folder: string,
  {
    tokenizerFile,
    vocabularySize,
    labels,
  }: { tokenizerFile: string; vocabularySize: number; labels: readonly string[] },
): Promise<void> {
  const { options, config } = benchmarkModel("minilm");
  mkdirSync(folder);
  const named = {
    ...config,
    vocab_size: vocabularySize,
    id2label: { ...labels },
    architectures: ["BertForSequenceClassification"],
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(named));
  copyFileSync(tokenizerFile, join(folder, "tokenizer.json"));
  await withModel({ ...options, vocabularySize }, { device: "cpu", threads: 1, precision: "fp32" }, (model) =>
    model.save("model", join(folder, "model.safetensors"), {}),
  );
}
