/**
 * How a step's time on the CPU goes with its tokens, with what makes it fast, and with what else the machine does.
 *
 *     npx tsx benchmarks/scaling.ts [RESULTS.md]
 *
 * Every figure comes from a process of its own. Without arguments the tables go to stdout alone. Takes a quarter of an hour, on a
 * machine that does nothing else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { nativeRegularizer, resolveRegularizer } from "#dist/config/regularizer.js";
import { native } from "#dist/native/binding.js";
import type { RegularizerType } from "#dist/regularizers/index.js";
import { renderTable } from "#dist/render/table.js";
import { median } from "./statistics.js";
import { pack, type TokenBatch, tokenBatches } from "./workloads/batches.js";
import { benchmarkModel } from "./workloads/models.js";

interface Case {
  readonly model: string;
  readonly regularizer: RegularizerType;
  /** A task whose texts' lengths they have, or the lengths of every batch. */
  readonly texts: string | readonly number[];
  readonly threads: number;
  readonly steps: number;
  readonly disable?: string;
}

const CORES = cpus().length;
const WARM = 3;
const LENGTH = 32;
const TOKENS = [512, 1024, 2048, 4096, 8192, 16_384];
/** From nothing on, each beside those before it. */
const SAVINGS = [
  "kept-gradients",
  "cls-only",
  "packed",
  "panels",
  "vector",
  "lanes",
  "host-memory",
  "late-rows",
];
const BUSY = [
  ...(["bilstm", "texthan", "textcnn"] as const).map((model) => ({ model, texts: "sst2", steps: 100 })),
  { model: "bert-tiny", texts: "sst2", steps: 100 },
  { model: "minilm", texts: "cola", steps: 20 },
];

function batchesOf({ model, texts, steps }: Case): TokenBatch[] {
  const { options, classes } = benchmarkModel(model);
  const wanted = { count: WARM + steps, vocabularySize: options.vocabularySize, classes, seed: 1 };
  if (typeof texts === "string") return tokenBatches(texts, { ...wanted, batchSize: 32 });
  return tokenBatches("imdb", { ...wanted, batchSize: texts.length }).map((batch) => ({
    ...batch,
    texts: batch.texts.map((text, at) =>
      Array.from({ length: texts[at] ?? 0 }, (_, i) => text[i % text.length] ?? 1),
    ),
  }));
}

/** As even as it goes. */
function lengths(tokens: number, texts: number): number[] {
  return Array.from({ length: texts }, (_, i) => Math.floor((tokens + i) / texts));
}

/** Milliseconds a step. */
async function measure(one: Case): Promise<number> {
  const { options, kind } = benchmarkModel(one.model);
  const isEncoder = kind === "encoder";
  const trainer = new (native().Trainer)({
    model: options,
    kind: "classification",
    regularizer: nativeRegularizer(
      resolveRegularizer({ type: one.regularizer }, undefined, isEncoder ? 0.1 : 1),
      isEncoder ? null : 0.5,
    ),
    optimizer: { type: "adamw", weightDecay: 0.01, clipNorm: 1 },
    ...{ seed: 1, device: "cpu", precision: "fp32", threads: one.threads },
  });
  const milliseconds: number[] = [];
  for (const [i, batch] of batchesOf(one).entries()) {
    const started = performance.now();
    await trainer.trainStep(pack(batch, i * 1000, isEncoder), i + 1, 1e-5);
    if (i >= WARM) milliseconds.push(performance.now() - started);
  }
  await trainer.dispose();
  return median(milliseconds);
}

async function inProcess(one: Case): Promise<number> {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), "--measure", JSON.stringify(one)];
  const env = { ...process.env, RAT_DISABLE: one.disable ?? "" };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const ended = once(child, "close");
  for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk;
  const [code] = await ended;
  if (code !== 0) throw new Error(`${JSON.stringify(one)} ended with ${code}`);
  return Number(text);
}

async function besideBusyCore<T>(work: () => Promise<T>): Promise<T> {
  const busy: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL("busy.mjs", import.meta.url))]);
  try {
    return await work();
  } finally {
    busy.kill();
  }
}

const minilm = { model: "minilm", regularizer: "r-at", texts: "cola", threads: CORES, steps: 20 } as const;

async function savings(): Promise<string> {
  const rows: (string | number)[][] = [];
  let before = Number.NaN;
  for (let on = 0; on <= SAVINGS.length; on++) {
    const ms = await inProcess({ ...minilm, disable: SAVINGS.slice(on).join(",") });
    const name = on === 0 ? "none of them" : `+ ${SAVINGS[on - 1]}`;
    rows.push([name, ms.toFixed(0), on === 0 ? "" : `${(before / ms).toFixed(2)}x`]);
    before = ms;
  }
  return renderTable(["with", "ms/step", "faster"], rows, { format: "markdown" });
}

async function tokens(): Promise<string> {
  const points: [number, number][] = [];
  for (const count of TOKENS)
    points.push([
      count,
      await inProcess({ ...minilm, regularizer: "none", texts: lengths(count, count / LENGTH), steps: 8 }),
    ]);
  const mean = (of: (point: [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([count]) => count), mean(([, ms]) => ms)];
  const covariance = mean(([count, ms]) => (count - x) * (ms - y));
  const r2 = covariance ** 2 / (mean(([count]) => (count - x) ** 2) * mean(([, ms]) => (ms - y) ** 2));
  const ofRat = await inProcess({ ...minilm, texts: lengths(2048, 2048 / LENGTH), steps: 8 });
  const plain = points.find(([count]) => count === 2048)?.[1] ?? Number.NaN;
  const rows = points.map(([count, ms]) => [count, ms.toFixed(0), ((1000 * ms) / count).toFixed(0)]);
  return `${renderTable(["tokens", "ms/step", "µs a token"], rows, { format: "markdown" })}\n\nA straight line: R² = ${r2.toFixed(4)}. Plain : R-AT at 2,048 tokens: 1 : ${(ofRat / plain).toFixed(2)}.`;
}

/** One text of twice the length, and all others a little shorter: as many tokens, twice the padding. */
async function padding(): Promise<string> {
  const [tokens, texts] = [2048, 2048 / LENGTH];
  const even = { ...minilm, texts: lengths(tokens, texts), steps: 20 };
  const uneven = { ...even, texts: [2 * LENGTH, ...lengths(tokens - 2 * LENGTH, texts - 1)] };
  const times: [number[], number[]] = [[], []];
  for (const one of [0, 1, 1, 0, 0, 1] as const) times[one].push(await inProcess(one === 0 ? even : uneven));
  const [before, after] = [median(times[0]), median(times[1])];
  return `${before.toFixed(0)} and ${after.toFixed(0)} ms a step: ${(100 * (after / before - 1)).toFixed(1)} % more (goal: 2 %).`;
}

async function busyMachine(): Promise<string> {
  const rows: (string | number)[][] = [];
  for (const one of BUSY) {
    const own = { ...one, regularizer: "r-at" as const };
    const alone = await inProcess({ ...own, threads: 1 });
    const all = await inProcess({ ...own, threads: CORES });
    const busy = await besideBusyCore(() => inProcess({ ...own, threads: CORES }));
    const both = await Promise.all([1, 2].map(() => inProcess({ ...own, threads: CORES })));
    rows.push([
      ...[one.model, alone.toFixed(1), all.toFixed(1), busy.toFixed(1), (alone / busy).toFixed(2)],
      ...[both.map((ms) => ms.toFixed(1)).join(", "), (all / Math.max(...both)).toFixed(2)],
    ]);
  }
  const header = [
    "model",
    "one thread",
    `${CORES} threads`,
    "one core busy",
    "of one thread",
    "two at once",
    "of alone",
  ];
  return renderTable(header, rows, { format: "markdown" });
}

if (process.argv[2] === "--measure") {
  console.log(await measure(JSON.parse(process.argv[3] ?? "") as Case));
  process.exit(0);
}
const { libtorchVersion, cpuCapability } = native().buildInfo();
const page = `# A step on the CPU: savings, tokens, other work

${CORES} cores of ${cpus()[0]?.model ?? "a processor"}, LibTorch ${libtorchVersion} (${cpuCapability}), ${new Date().toISOString().slice(0, 10)}; \`npx tsx benchmarks/scaling.ts\`.

## What makes it fast, one after the other

R-AT, MiniLM size, CoLA's lengths, batch 32, fp32, all threads. \`RAT_DISABLE\` has what is not there yet.

${await savings()}

## Time against tokens

Plain training, MiniLM size, texts of ${LENGTH} tokens.

${await tokens()}

## Twice the padding

R-AT, MiniLM size, 64 texts of ${LENGTH} tokens; and as many tokens where one text has ${2 * LENGTH}, to which others would be padded.

${await padding()}

## A machine that does something else

Milliseconds of a step of R-AT, batch 32. One core busy: beside a process that keeps a core busy, with all threads; how much that is of the speed of one thread alone (goal: 0.7). Two at once: two trainings side by side, both with all threads; the slower one's part of its speed alone (goal: 0.4).

${await busyMachine()}
`;
const [, , results] = process.argv;
if (results !== undefined) writeFileSync(results, page);
console.log(page);
