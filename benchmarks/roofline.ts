/**
 * What bounds a step of R-AT on one core, operator by operator: products by the machine's best product, all else by the bytes that
 * it cannot help moving.
 *
 *     npx tsx benchmarks/roofline.ts [RESULTS.md]
 *
 * Without arguments the page goes to stdout alone. Takes half a minute, on a machine that does nothing else.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { nativeRegularizer, resolveRegularizer } from "#dist/config/regularizer.js";
import { type NativeOperatorShape, type NativeStepProfile, native } from "#dist/native/binding.js";
import { renderTable } from "#dist/render/table.js";
import { measureRates, type Rates, withOperators } from "./rates.js";
import { median } from "./statistics.js";
import { pack, tokenBatches } from "./workloads/batches.js";
import { benchmarkModel } from "./workloads/models.js";

const MODEL = benchmarkModel("minilm");
const BATCH = 32;
/** CoLA's mean. */
const LENGTH = 11;
const WHERE = { device: "cpu", threads: 1, precision: "fp32" } as const;
/** AdamW reads weight, gradient and two moments, and writes all but the gradient. */
const OPTIMIZER_BYTES = 28;
const WARM = 3;
const REPETITIONS = 15;

interface Part {
  readonly operator: string;
  readonly what: string;
  readonly width: number;
  readonly outputs: number;
  /** In a forward. */
  readonly times: number;
  /** Of the texts' first tokens alone: what the last layer needs. */
  readonly firstOnly?: boolean;
}

function partsOf({ options }: typeof MODEL): Part[] {
  const { hiddenSize: width, layers } = options;
  const inner = options.encoder?.intermediateSize ?? 0;
  const layer = (times: number, firstOnly: boolean): Part[] =>
    [
      { operator: "linear", what: "attention's output", width, outputs: width },
      { operator: "add_norm", what: "dropout, residual, LayerNorm", width, outputs: width, twice: true },
      { operator: "linear_gelu", what: "feed-forward, GELU", width, outputs: inner },
      { operator: "linear", what: "feed-forward, back", width: inner, outputs: width },
    ].map(({ twice = false, ...part }) => ({ ...part, times: twice ? 2 * times : times, firstOnly }));
  return [
    {
      operator: "embedding_norm",
      what: "positions, types, LayerNorm, dropout",
      width,
      outputs: width,
      times: 1,
    },
    { operator: "linear", what: "queries, keys, values", width, outputs: 3 * width, times: layers - 1 },
    { operator: "attention", what: "attention", width, outputs: width, times: layers - 1 },
    ...layer(layers - 1, false),
    { operator: "linear", what: "keys, values", width, outputs: 2 * width, times: 1 },
    // Of the last layer the queries, and the head's dense layer.
    { operator: "linear", what: "queries; head", width, outputs: width, times: 2, firstOnly: true },
    ...layer(1, true),
  ];
}

interface Measured extends Part {
  readonly rows: number;
  readonly milliseconds: number;
  readonly flop: number;
  readonly bytes: number;
}

async function measure(part: Part, copies: number): Promise<Measured> {
  const { operator, width, outputs, firstOnly, times } = part;
  const shape: NativeOperatorShape = {
    ...{ sequences: copies * BATCH, length: firstOnly ? 1 : LENGTH },
    ...{ width, outputs, heads: MODEL.options.encoder?.heads ?? 1 },
  };
  const { forwardMs, backwardMs, flop, bytes } = await withOperators(WHERE, (trainer) =>
    trainer.timeOperator(operator, shape, REPETITIONS),
  );
  const milliseconds = times * (median([...forwardMs]) + median([...backwardMs]));
  const rows = shape.sequences * shape.length;
  return { ...part, rows, milliseconds, flop: times * flop, bytes: times * bytes };
}

/** Steps of R-AT: the median of their milliseconds, and the last one's phases where they are asked for. */
async function measureStep(profile: boolean): Promise<{ milliseconds: number; last?: NativeStepProfile }> {
  const { options, classes } = MODEL;
  const drawn = tokenBatches("imdb", {
    ...{ batchSize: BATCH, count: WARM + REPETITIONS, classes, seed: 1 },
    vocabularySize: options.vocabularySize,
  });
  const trainer = new (native().Trainer)({
    model: options,
    kind: "classification",
    regularizer: nativeRegularizer(resolveRegularizer({ type: "r-at" }, undefined, 0.1), null),
    optimizer: { type: "adamw", weightDecay: 0.01, clipNorm: 1 },
    ...{ seed: 1, ...WHERE, profile },
  });
  const milliseconds: number[] = [];
  let last: NativeStepProfile | undefined;
  for (const [i, { texts, labels }] of drawn.entries()) {
    const batch = { labels, texts: texts.map((text) => ofLength(text)) };
    const started = performance.now();
    last = (await trainer.trainStep(pack(batch, i * BATCH, true), i + 1, 1e-5)).profile;
    if (i >= WARM) milliseconds.push(performance.now() - started);
  }
  await trainer.dispose();
  return { milliseconds: median(milliseconds), ...(last && { last }) };
}

const ofLength = (text: readonly number[]) =>
  Array.from({ length: LENGTH }, (_, i) => text[i % text.length] ?? 1);

/** Parameters that a step updates: rows of the word embeddings that the batch does not have wait. */
function updatedParameters({ options }: typeof MODEL): number {
  const { hiddenSize: width, layers, encoder } = options;
  const inner = encoder?.intermediateSize ?? 0;
  return layers * (4 * width ** 2 + 2 * width * inner) + BATCH * LENGTH * width;
}

function row(m: Measured, rates: Rates, whole: number): string[] {
  const isProduct = m.flop > 0;
  const bound = 1000 * (isProduct ? m.flop / rates.flopPerSecond.fp32 : m.bytes / rates.bytesPerSecond);
  const needed = isProduct ? `${(m.flop / 1e9).toFixed(2)} GFLOP` : `${(m.bytes / 1e6).toFixed(1)} MB`;
  return [
    ...[m.operator, m.what, String(m.rows), String(m.times), needed],
    ...[bound.toFixed(1), m.milliseconds.toFixed(1)],
    ...[
      `${((100 * bound) / m.milliseconds).toFixed(0)} %`,
      `${((100 * m.milliseconds) / whole).toFixed(1)} %`,
    ],
  ];
}

const rates = await measureRates("cpu", 1);
const { milliseconds: whole } = await measureStep(false);
const { last: profile } = await measureStep(true);
const measured: Measured[] = [];
for (const copies of [1, 2]) for (const part of partsOf(MODEL)) measured.push(await measure(part, copies));
const optimizer = profile?.phases.optimizer ?? Number.NaN;
measured.push({
  ...{ operator: "AdamW", what: "with the gradients' norm", width: 0, outputs: 0, rows: 1, times: 1 },
  ...{ milliseconds: optimizer, flop: 0, bytes: OPTIMIZER_BYTES * updatedParameters(MODEL) },
});
const sum = (of: (m: Measured) => number) => measured.reduce((total, m) => total + of(m), 0);
const ofProducts = sum(({ flop }) => flop) / rates.flopPerSecond.fp32;
const ofMemory = sum(({ flop, bytes }) => (flop > 0 ? 0 : bytes)) / rates.bytesPerSecond;
const all = sum(({ milliseconds }) => milliseconds);
const products = sum(({ flop, milliseconds }) => (flop > 0 ? milliseconds : 0));
const table = renderTable(
  ["operator", "what", "rows", "times", "needed", "bound, ms", "takes, ms", "of bound", "of the step"],
  measured.map((m) => row(m, rates, whole)),
  { format: "markdown" },
);
const { libtorchVersion, cpuCapability } = native().buildInfo();
const page = `# A step on one core, operator by operator

One thread of ${cpus()[0]?.model ?? "a processor"}, LibTorch ${libtorchVersion} (${cpuCapability}), ${new Date().toISOString().slice(0, 10)}; \`npx tsx benchmarks/roofline.ts\`. MiniLM size, R-AT, fp32, dropout on, batch 32, texts of ${LENGTH} tokens (CoLA's mean). The machine's best product: ${(rates.flopPerSecond.fp32 / 1e9).toFixed(0)} GFLOP/s; a large copy: ${(rates.bytesPerSecond / 1e9).toFixed(1)} GB/s, and more within a cache.

Each operator was timed alone, forward and backward, at the shapes that it has in the step: ${BATCH * LENGTH} rows in the clean pass, ${2 * BATCH * LENGTH} in the adversarial one, and in the last layer the first tokens alone.

${table}

| | ms |
|---|---:|
| bound: ${(1000 * ofProducts).toFixed(0)} ms of products, ${(1000 * ofMemory).toFixed(0)} of memory | ${(1000 * (ofProducts + ofMemory)).toFixed(0)} |
| these operators, each alone (${products.toFixed(0)} ms of products) | ${all.toFixed(0)} |
| the step | ${whole.toFixed(0)} |
| between the operators: sums of the passes' gradients, copies, autograd, the system | ${(whole - all).toFixed(0)} |
`;
const [, , results] = process.argv;
if (results !== undefined) writeFileSync(results, page);
console.log(page);
