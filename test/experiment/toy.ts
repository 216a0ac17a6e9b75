/** A comparison that takes a second: a small TextCNN on seeded texts. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const WORDS = { good: ["fine", "great", "warm", "bright"], bad: ["poor", "cold", "dull", "weak"] };
const COMMON = ["a", "film", "the", "plot", "and", "it", "was", "scene"];

/** Deterministic: row i is always the same. */
function row(i: number): string {
  const label = i % 2 === 0 ? "good" : "bad";
  const pick = (words: readonly string[], k: number) => words[(i * 7 + k * 3) % words.length];
  const isNoise = i % 9 === 0;
  const words = [
    pick(COMMON, 1),
    isNoise ? pick(COMMON, 5) : pick(WORDS[label], 2),
    pick(COMMON, 4),
    pick(COMMON, 7),
  ];
  return `${words.join(" ")},${label}`;
}

const csv = (from: number, count: number) =>
  `text,label\n${Array.from({ length: count }, (_, i) => row(from + i)).join("\n")}\n`;

/** Writes `train.csv`, `dev.csv` and `compare.yaml` into a folder, which is made; returns the path of the last. */
export async function writeToy(
  folder: string,
  changes: { models?: string; seeds?: string; methods?: string } = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "train.csv"), csv(0, 64));
  await writeFile(join(folder, "dev.csv"), csv(64, 24));
  const {
    models = "[textcnn]",
    seeds = "[1, 2]",
    methods = "[no-dropout, dropout, r-at-without-kl, r-at]",
  } = changes;
  const path = join(folder, "compare.yaml");
  await writeFile(
    path,
    `title: Toy
models: ${models}
tasks: [custom]
methods: ${methods}
seeds: ${seeds}
options:
  train: ${JSON.stringify(join(folder, "train.csv"))}
  dev: ${JSON.stringify(join(folder, "dev.csv"))}
  embeddingSize: 8
  hiddenSize: 4
  epochs: 2
  batchSize: 16
  device: cpu
  threads: 1
`,
  );
  return path;
}

/** A training on it, to look at. */
export function toyTraining(folder: string, output: string): string[] {
  const data = ["--train", join(folder, "train.csv"), "--dev", join(folder, "dev.csv")];
  const sizes = ["--embedding-size", "8", "--hidden-size", "4", "--threads", "1", "--device", "cpu"];
  const course = ["--batch-size", "8", "--schedule", "linear", "--log-every", "1", "--eval-every", "4"];
  const task = ["--task", "custom", "--model", "textcnn", "--output", output, "--diagnostics", "4"];
  return ["train", ...task, ...data, ...sizes, ...course];
}
