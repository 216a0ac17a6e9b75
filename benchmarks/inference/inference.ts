/**
 * Classifying real text of mixed lengths: `Classifier`, tokenising included, beside PyTorch and `onnxruntime-node`, which get
 * the same tokenizer and pad batches of texts of like length.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RATTrainer, type Task, type Tokenizer, trainTokenizer } from "r-at";
import type { Python } from "../python.js";
import { loadBrown } from "../quickstart/brown.js";
import { RunnerError, RunnerProcess } from "../runner/process.js";
import { median } from "../statistics.js";
import { lengthsOf } from "../workloads/batches.js";
import { makeEncoderFolder } from "./encoder-folder.js";

export interface InferenceResult {
  readonly model: string;
  readonly implementation: "r-at" | "pytorch" | "onnxruntime-node";
  readonly precision: "fp32";
  /** Null where it was not run; `why` says why. */
  readonly textsPerSecond: number | null;
  /** How many times as long as ours it takes. */
  readonly ratio: number | null;
  /** Largest difference of a probability from ours. */
  readonly difference: number | null;
  readonly why?: string;
}

/** What a runner of inference reads from its file. */
export interface InferenceCase {
  readonly folder: string;
  readonly texts: readonly string[];
  readonly threads: number;
  /** Of `onnxruntime-node` alone. */
  readonly onnx: string;
}

/** serve.ts; `export` is PyTorch's alone. */
interface InferenceAnswers {
  probabilities: { readonly probabilities: readonly number[] };
  warmup: { readonly milliseconds: number };
  block: { readonly milliseconds: number };
  export: Record<string, never>;
}

const TEXTS = 128;
const BLOCKS = 3;
const ROUNDS = 2;
const TOLERANCE = 1e-4;

export const ONNX_ADVICE = "npm i --no-save --ignore-scripts onnxruntime-node";

/** Two models: a from-scratch one and an encoder of MiniLM's size. */
export async function measureInference(setting: {
  readonly threads: number;
  readonly python: Python | undefined;
  readonly models: readonly ("textcnn" | "minilm")[];
}): Promise<InferenceResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "rat-bench-inference-"));
  try {
    const task = loadBrown(TEXTS * 4);
    const tokenizer = await trainTokenizer(task.train);
    const texts = mixedLengths(task.train.map(({ text }) => text));
    const results: InferenceResult[] = [];
    await saveTextCnn(join(folder, "textcnn"), task, tokenizer);
    await makeEncoderFolder(join(folder, "minilm"), {
      tokenizerFile: join(folder, "textcnn/tokenizer.json"),
      ...{ vocabularySize: tokenizer.vocabularySize, labels: task.labels },
    });
    for (const model of setting.models) {
      const place = join(folder, model);
      const one: InferenceCase = {
        folder: place,
        texts,
        threads: setting.threads,
        onnx: join(folder, `${model}.onnx`),
      };
      const path = join(folder, `${model}.json`);
      writeFileSync(path, JSON.stringify(one));
      results.push(...(await compareOn(model, path, setting.python)));
    }
    await tokenizer.dispose();
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function saveTextCnn(folder: string, task: Task, tokenizer: Tokenizer): Promise<void> {
  const options = { model: { type: "textcnn" }, device: "cpu", maxLength: 128 } as const;
  await using trainer = await RATTrainer.create({ ...options, task, tokenizer });
  await trainer.save(folder);
}

/** Beginnings of the texts, as long in words as those of short, middling and long tasks. */
function mixedLengths(texts: readonly string[]): string[] {
  const words = texts.join(" ").split(" ");
  let at = 0;
  return lengthsOf(["cola", "mnli", "imdb"], TEXTS).map((length) => {
    const text = words.slice(at, at + length).join(" ");
    at = (at + length) % (words.length - 300);
    return text;
  });
}

async function compareOn(
  model: string,
  path: string,
  python: Python | undefined,
): Promise<InferenceResult[]> {
  const here = import.meta.dirname;
  const node = [process.execPath, "--import", "tsx"];
  const py = python && [python.path, join(here, "../baseline/infer.py"), path];
  const commands: [InferenceResult["implementation"], readonly string[] | undefined, string | undefined][] = [
    ["r-at", [...node, join(here, "rat.ts"), path], undefined],
    ["pytorch", py, "no Python with PyTorch and transformers"],
    ["onnxruntime-node", py && hasOnnx() ? [...node, join(here, "onnx.ts"), path] : undefined, ONNX_ADVICE],
  ];
  const probabilities = new Map<string, readonly number[]>();
  const blocks = new Map<string, number[]>();
  const failures = new Map<string, string>();
  for (const [name, command, advice] of commands) if (!command) failures.set(name, advice ?? "");
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, command] of round % 2 === 0 ? commands : [...commands].reverse()) {
      if (!command || failures.has(name)) continue;
      if (name === "onnxruntime-node" && round === 0 && py) await exportOnnx(py, failures);
      const runner = new RunnerProcess<InferenceAnswers>(command);
      try {
        if (!probabilities.has(name))
          probabilities.set(name, (await runner.ask("probabilities")).probabilities);
        await runner.ask("warmup");
        const taken = blocks.get(name) ?? [];
        for (let i = 0; i < BLOCKS; i++) taken.push((await runner.ask("block")).milliseconds);
        blocks.set(name, taken);
      } catch (error) {
        if (!(error instanceof RunnerError)) throw error;
        failures.set(name, error.message);
      } finally {
        runner.kill();
      }
    }
  const ours = median(blocks.get("r-at") ?? []);
  return commands.map(([implementation]) => {
    const taken = blocks.get(implementation);
    const difference = apart(probabilities.get("r-at"), probabilities.get(implementation));
    const why = failures.get(implementation);
    const agrees = difference !== null && difference <= TOLERANCE;
    const counts = taken && agrees && why === undefined;
    return {
      ...{ model, implementation, precision: "fp32" as const, difference },
      textsPerSecond: counts ? (TEXTS * 1000) / median(taken) : null,
      ratio: counts && implementation !== "r-at" ? median(taken) / ours : null,
      ...((why ?? (agrees ? undefined : "other probabilities")) && { why: why ?? "other probabilities" }),
    };
  });
}

function apart(ours: readonly number[] | undefined, theirs: readonly number[] | undefined): number | null {
  if (!ours || !theirs) return null;
  return Math.max(...ours.map((p, i) => Math.abs(p - (theirs[i] ?? Number.NaN))));
}

function hasOnnx(): boolean {
  try {
    createRequire(import.meta.url).resolve("onnxruntime-node");
    return true;
  } catch {
    return false;
  }
}

async function exportOnnx(python: readonly string[], failures: Map<string, string>): Promise<void> {
  const runner = new RunnerProcess<InferenceAnswers>(python);
  try {
    await runner.ask("export");
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    failures.set("onnxruntime-node", error.message);
  } finally {
    runner.kill();
  }
}
