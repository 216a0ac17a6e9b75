/**
 * Fine-tunes a pretrained BERT on small GLUE tasks, here and with PyTorch and transformers (baseline/finetune.py), and adds a
 * line for each finished run to a file; runs that the file has are not made again.
 *
 *     npx tsx benchmarks/finetune.ts MODEL DATA RESULTS.jsonl     (a table goes beside it, RESULTS.md)
 *
 * Two runs at a time with one thread each: that is faster on two cores than one after the other with two.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPython, PYTHON_ADVICE } from "./python.js";

/** One training. */
export interface Run {
  readonly side: "r-at" | "pytorch";
  readonly task: string;
  readonly regularizer: "none" | "r-at";
  readonly seed: number;
}

/** What a run came to. */
export interface RunResult extends Run {
  readonly dev: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

const THREADS = 1;
const RUNS_AT_ONCE = 2;

const runs = (
  side: Run["side"],
  tasks: readonly string[],
  regularizer: Run["regularizer"],
  seeds: readonly number[],
): Run[] => seeds.flatMap((seed) => tasks.map((task) => ({ side, task, regularizer, seed })));

const TASKS = ["rte", "mrpc", "stsb", "cola"];
/** What is asked first comes first: whether plain training is the same on both sides, then what R-AT brings. */
const PLAN: readonly Run[] = [
  ...runs("r-at", TASKS, "none", [1]),
  ...runs("pytorch", TASKS, "none", [1]),
  ...runs("r-at", TASKS, "r-at", [1]),
  // Seed by seed, so that a plan that is cut short leaves whole pairs.
  ...[2, 3, 4, 5].flatMap((seed) => [
    ...runs("r-at", ["mrpc", "rte"], "none", [seed]),
    ...runs("pytorch", ["mrpc", "rte"], "none", [seed]),
  ]),
  ...runs("r-at", ["stsb", "cola"], "none", [2]),
  ...runs("r-at", TASKS, "r-at", [2]),
  ...runs("pytorch", ["cola", "stsb"], "r-at", [1]),
];

const [model, data, results] = process.argv.slice(2);
if (model === undefined || data === undefined || results === undefined) {
  console.error("usage: npx tsx benchmarks/finetune.ts MODEL DATA RESULTS.jsonl");
  process.exit(2);
}
const python = findPython();
if (python === undefined) console.warn(`PyTorch's side is left out. ${PYTHON_ADVICE}`);
else if (spawnSync(python.path, ["-c", "import scipy, sklearn"]).status !== 0) {
  console.error(`The baseline's metrics are missing: ${python.path} -m pip install scipy scikit-learn`);
  process.exit(2);
}

/** The last line of a command's stdout, read as JSON; throws if it fails. */
async function lastLine<T>(command: string, args: readonly string[]): Promise<T> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: String(THREADS) },
  });
  let text = "";
  const ended = once(child, "close");
  for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk;
  const [code] = await ended;
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`);
  return JSON.parse(text.trim().split("\n").at(-1) ?? "") as T;
}

async function runHere({ task, regularizer, seed }: Run): Promise<Omit<RunResult, keyof Run>> {
  const output = mkdtempSync(join(tmpdir(), "r-at-finetune-"));
  try {
    const { dev, steps, seconds, peakMemoryBytes } = await lastLine<RunResult>("node", [
      join(import.meta.dirname, "../dist/cli/main.js"),
      ...[
        "train",
        "--task",
        task,
        "--data",
        data ?? "",
        "--model",
        model ?? "",
        "--output",
        output,
        "--overwrite",
      ],
      ...["--regularizer", regularizer, "--seed", String(seed), "--learning-rate", "5e-5", "--epochs", "3"],
      ...["--device", "cpu", "--threads", String(THREADS), "--json"],
    ]);
    return { dev, steps, seconds, peakMemoryBytes };
  } finally {
    rmSync(output, { recursive: true });
  }
}

async function runInPyTorch({ task, regularizer, seed }: Run): Promise<Omit<RunResult, keyof Run>> {
  const { dev, steps, seconds, peakMemoryBytes } = await lastLine<RunResult>(python?.path ?? "", [
    join(import.meta.dirname, "baseline/finetune.py"),
    ...[model ?? "", join(data ?? "", task), task, regularizer, String(seed)],
  ]);
  return { dev, steps, seconds, peakMemoryBytes };
}

const key = ({ side, task, regularizer, seed }: Run) => [side, task, regularizer, seed].join();

function finished(): RunResult[] {
  if (results === undefined || !existsSync(results)) return [];
  const lines = readFileSync(results, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as RunResult);
}

/** The first metric of a task, in percent. */
function scoreOf({ dev }: RunResult): number {
  return 100 * (Object.values(dev)[0] ?? Number.NaN);
}

/** A line for each task, method and side; seeds in order. */
function tableOf(all: readonly RunResult[]): string {
  const rows = PLAN.map(({ side, task, regularizer }) => [task, regularizer, side].join())
    .filter((group, i, groups) => groups.indexOf(group) === i)
    .sort()
    .flatMap((group) => {
      const own = all
        .filter(({ side, task, regularizer }) => [task, regularizer, side].join() === group)
        .sort((a, b) => a.seed - b.seed);
      if (own.length === 0) return [];
      const list = (of: (run: RunResult) => string) => own.map(of).join(", ");
      const peak = Math.max(...own.map((run) => run.peakMemoryBytes)) / 1e6;
      return [
        [
          ...[...group.split(","), list(({ seed }) => String(seed)), list((run) => scoreOf(run).toFixed(1))],
          ...[String(own[0]?.steps), list(({ seconds }) => seconds.toFixed(0)), peak.toFixed(0)],
        ],
      ];
    });
  const header = ["task", "method", "side", "seeds", "dev, %", "steps", "seconds", "peak memory, MB"];
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/**
 * Whether plain training differs between the sides: an exact permutation test on the differences of runs of one task and seed
 * (signs flipped in all 2^n ways; two-sided). Null below two pairs.
 */
function pairedTest(all: readonly RunResult[]): string | null {
  const plain = all.filter(({ regularizer }) => regularizer === "none");
  const differences = plain
    .filter(({ side }) => side === "r-at")
    .flatMap((own) => {
      const other = plain.find(
        ({ side, task, seed }) => side === "pytorch" && task === own.task && seed === own.seed,
      );
      return other === undefined ? [] : [scoreOf(own) - scoreOf(other)];
    });
  if (differences.length < 2) return null;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const observed = Math.abs(mean(differences));
  const flips = 2 ** differences.length;
  let asFar = 0;
  for (let signs = 0; signs < flips; signs++) {
    const flipped = differences.map((difference, i) => (((signs >> i) & 1) === 1 ? -difference : difference));
    // A hair below, as the sums of the same numbers may round differently.
    if (Math.abs(mean(flipped)) >= observed * (1 - 1e-9)) asFar++;
  }
  return (
    `Plain training here minus PyTorch's, ${differences.length} pairs of one task and seed: ` +
    `${mean(differences).toFixed(2)} points on average ` +
    `(${differences.map((difference) => difference.toFixed(1)).join(", ")}); ` +
    `exact permutation test of the pairs, two-sided: p = ${(asFar / flips).toFixed(2)}.`
  );
}

const PAGE = `# MiniLM-L6 on small GLUE tasks, here and in PyTorch

\`npx tsx benchmarks/finetune.ts MODEL DATA RESULTS.jsonl\`: three epochs, batches of 32, 128 tokens, AdamW at 5e-5 (linear, 6 % warm-up),
R-AT with ε = 0.1 and weight 0.5; the best epoch on dev, by accuracy (RTE, MRPC), Pearson (STS-B) or Matthews (CoLA). One thread a
run, two runs at a time; where the machine did other work besides, the seconds are too many.

`;

const done = new Set(finished().map(key));
const waiting = PLAN.filter(
  (run) => !done.has(key(run)) && (run.side === "r-at" || python !== undefined),
).values();

function writePage(): void {
  const all = finished();
  const test = pairedTest(all);
  writeFileSync(
    `${(results ?? "").replace(/\.jsonl$/, "")}.md`,
    `${PAGE}${tableOf(all)}\n${test === null ? "" : `\n${test}\n`}`,
  );
}

async function work(): Promise<void> {
  // Both workers take from one iterator.
  for (const run of waiting) {
    const result = { ...run, ...(await (run.side === "r-at" ? runHere(run) : runInPyTorch(run))) };
    appendFileSync(results ?? "", `${JSON.stringify(result)}\n`);
    console.log(JSON.stringify(result));
    writePage();
  }
}
writePage();
await Promise.all(Array.from({ length: RUNS_AT_ONCE }, work));
