/**
 * What each regularizer costs beside plain training at the same tokens: time and memory of a step, measured.
 *
 *     npx tsx benchmarks/cost.ts [RESULTS.md]
 *
 * Every regularizer runs in a process of its own on the same batches, round after round in turn; times are medians over all
 * rounds. Without arguments the table goes to stdout alone.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { nativeRegularizer, passesOf, resolveRegularizer } from "#dist/config/regularizer.js";
import { native } from "#dist/native/binding.js";
import { REGULARIZER_TYPES, type RegularizerType } from "#dist/regularizers/index.js";
import { median } from "./statistics.js";
import { pack, tokenBatches } from "./workloads/batches.js";
import { benchmarkModel } from "./workloads/models.js";

const ROUNDS = 3;
const WARM = 3;
const STEPS = 12;
const CASES = [
  { model: "textcnn", task: "agnews", epsilon: 1, dropout: 0.5 },
  { model: "minilm", task: "cola", epsilon: 0.1, dropout: null },
] as const;

interface Measured {
  readonly milliseconds: number[];
  readonly peakMemoryBytes: number;
}

/** In a process of its own. */
async function measure(type: RegularizerType, at: number): Promise<Measured> {
  const { model: name, task, epsilon, dropout } = CASES[at] ?? CASES[0];
  const { options, classes, kind } = benchmarkModel(name);
  const device = native().buildInfo().cudaDevices.length > 0 ? "cuda:0" : "cpu";
  const resolved = resolveRegularizer({ type }, undefined, epsilon);
  const trainer = new (native().Trainer)({
    model: options,
    kind: "classification",
    regularizer: nativeRegularizer(resolved, dropout),
    optimizer: { type: "adamw", weightDecay: 0.01, clipNorm: 1 },
    ...{ seed: 1, device, precision: "fp32", threads: cpus().length },
  });
  const { vocabularySize } = options;
  const batches = tokenBatches(task, {
    batchSize: 32,
    count: WARM + STEPS,
    vocabularySize,
    classes,
    seed: 1,
  });
  const milliseconds: number[] = [];
  for (const [i, batch] of batches.entries()) {
    const started = performance.now();
    await trainer.trainStep(pack(batch, i * 32, kind === "encoder"), i + 1, 1e-5);
    if (i >= WARM) milliseconds.push(performance.now() - started);
  }
  const peakMemoryBytes =
    device === "cpu" ? process.resourceUsage().maxRSS * 1024 : await trainer.peakDeviceMemoryBytes();
  await trainer.dispose();
  return { milliseconds, peakMemoryBytes };
}

function run(type: RegularizerType, at: number): Measured {
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), "--measure", type, String(at)],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${type}: ${stderr}`);
  return JSON.parse(stdout) as Measured;
}

function table(): string {
  const header = [
    "regularizer",
    "passes",
    ...CASES.flatMap(({ model }) => [`${model}: ms`, "time", "memory"]),
  ];
  const found = new Map<string, Measured[]>();
  for (let round = 0; round < ROUNDS; round++)
    for (const at of CASES.keys())
      for (const type of REGULARIZER_TYPES) {
        const key = `${type} ${at}`;
        found.set(key, [...(found.get(key) ?? []), run(type, at)]);
      }
  const of = (type: RegularizerType, at: number) => {
    const rounds = found.get(`${type} ${at}`) ?? [];
    const bytes = Math.max(...rounds.map(({ peakMemoryBytes }) => peakMemoryBytes));
    return { ms: median(rounds.flatMap(({ milliseconds }) => milliseconds)), bytes };
  };
  const rows = REGULARIZER_TYPES.map((type) => [
    `\`${type}\``,
    String(passesOf(resolveRegularizer({ type }))),
    ...[...CASES.keys()].flatMap((at) => {
      const [own, plain] = [of(type, at), of("none", at)];
      const megabytes = `${(own.bytes / plain.bytes).toFixed(2)} (${(own.bytes / 1e6).toFixed(0)} MB)`;
      return [own.ms.toFixed(1), (own.ms / plain.ms).toFixed(2), megabytes];
    }),
  ]);
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--measure") {
  const [type = "none", at = "0"] = rest;
  process.stdout.write(JSON.stringify(await measure(type as RegularizerType, Number(at))));
} else {
  const { libtorchVersion, cudaDevices } = native().buildInfo();
  const where = cudaDevices[0]?.name ?? `${cpus().length} cores of ${cpus()[0]?.model}`;
  const page = `# What each regularizer costs

\`npx tsx benchmarks/cost.ts FILE\`, ${new Date().toISOString().slice(0, 10)}: ${where}, LibTorch ${libtorchVersion}, fp32, batches of 32.
Time and memory are those of plain training times so much; medians of ${ROUNDS} rounds of ${STEPS} steps in turn. Passes are forwards with a
backward, which is what a method cannot do without. textcnn has the lengths of AG News, minilm (6 layers, 384 wide) those of CoLA.

${table()}
`;
  if (first === undefined) process.stdout.write(page);
  else writeFileSync(first, page);
}
