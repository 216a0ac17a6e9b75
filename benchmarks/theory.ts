/**
 * Whether what section 6 of the R-AT paper says of a regularized model shows: flatter loss around the sample, sub-models of
 * dropout closer to each other and to the model without dropout. Trains small models on SST-2 by each method and several
 * seeds, and writes what `--diagnostics` measures at the end.
 *
 *     npx tsx benchmarks/theory.ts DATA RESULTS.md     (DATA: the folder of sst2's files, or the one above it)
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import type { DiagnosticsEvent, TrainSummary } from "r-at";
import { mean } from "./statistics.js";

const MODELS = ["textcnn", "bilstm"] as const;
const METHODS = ["none", "fgm", "r-drop", "r-at"] as const;
const SEEDS = [1, 2, 3, 4, 5];
const ROWS = 4_000;
const EPOCHS = 3;
const STEPS_AN_EPOCH = Math.ceil(ROWS / 32);
const MEASURES = ["accuracy", "inputGradientNorm", "submodelDivergence", "averagingGap"] as const;
type Measured = Record<(typeof MEASURES)[number], number>;

const [data, results] = process.argv.slice(2);
if (data === undefined || results === undefined) {
  console.error("usage: npx tsx benchmarks/theory.ts DATA RESULTS.md");
  process.exit(2);
}

function train(model: string, method: string, seed: number): Measured {
  const output = mkdtempSync(join(tmpdir(), "r-at-theory-"));
  try {
    const { stdout, status, stderr } = spawnSync(
      process.execPath,
      [
        join(import.meta.dirname, "../dist/cli/main.js"),
        ...["train", "--task", "sst2", "--data", data ?? "", "--limit-train", String(ROWS), "--model", model],
        ...["--regularizer", method, "--seed", String(seed), "--epochs", String(EPOCHS), "--device", "cpu"],
        ...["--diagnostics", String(STEPS_AN_EPOCH), "--output", output, "--overwrite", "--json"],
      ],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    const summary = JSON.parse(stdout) as TrainSummary;
    // Of the weights at the end of the last epoch, whichever were the best on dev.
    const log = readFileSync(join(output, "log.jsonl"), "utf8").trim().split("\n");
    const events = log.map((line) => JSON.parse(line) as DiagnosticsEvent);
    const last = events.filter(({ type }) => type === "diagnostics").at(-1);
    if (last === undefined) throw new Error("nothing was measured");
    const { inputGradientNorm, submodelDivergence, averagingGap } = last;
    const accuracy = summary.dev?.accuracy ?? Number.NaN;
    return { accuracy, inputGradientNorm, submodelDivergence, averagingGap };
  } finally {
    rmSync(output, { recursive: true });
  }
}

const deviation = (values: readonly number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1));

const rows: string[][] = [];
for (const model of MODELS) {
  const all = new Map<string, Measured[]>();
  for (const seed of SEEDS)
    for (const method of METHODS) {
      const found = train(model, method, seed);
      console.log(model, method, seed, JSON.stringify(found));
      all.set(method, [...(all.get(method) ?? []), found]);
    }
  const plain = all.get("none") ?? [];
  for (const [method, found] of all)
    rows.push([
      model,
      method,
      ...MEASURES.map((measure) => {
        const values = found.map((each) => each[measure]);
        const lower = found.filter((each, i) => each[measure] < (plain[i]?.[measure] ?? Number.NaN)).length;
        const beside = method === "none" ? "" : `, ${lower} of ${found.length} below none`;
        return `${mean(values).toPrecision(3)} ± ${deviation(values).toPrecision(2)}${beside}`;
      }),
    ]);
}

const header = ["model", "method", ...MEASURES];
writeFileSync(
  results,
  `# What section 6 of the paper says, measured

\`npx tsx benchmarks/theory.ts DATA FILE\`, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpus()[0]?.model}: the first ${ROWS.toLocaleString("en")} rows of SST-2, ${EPOCHS} epochs, default options (ε 1, weight
0.5, dropout 0.5, K 2); mean ± standard deviation over seeds ${SEEDS.join(", ")}. Accuracy is the best on dev; the rest is measured after the last
step, on 256 rows of dev ([what they are](../../docs/regularizers.md)). "Below none": pairs of one seed in which it is lower.

${[header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")}
`,
);
