/**
 * Which cases a suite has. To add one, add an entry here: everything else follows from its fields.
 *
 * smoke: a minute, to see that it runs. default: about ten minutes. full: everything, for results that are published.
 */
import type { Method } from "./runner/protocol.js";

export type SuiteName = "smoke" | "default" | "full";
export const suiteNames: readonly SuiteName[] = ["smoke", "default", "full"];

export interface BenchmarkCase {
  readonly model: string;
  readonly task: string;
  readonly regularizer: Method["type"];
  readonly precision: "fp32" | "bf16";
  readonly batchSize: number;
  /** What it is compared with, the first being the one that counts. */
  readonly baselines: readonly string[];
}

/** Baselines that a machine can run; compiled ones take minutes to start on a CPU. */
export const baselineNames = [
  "released",
  "tuned",
  "released-compiled",
  "tuned-compiled",
  "flattened",
] as const;

const EAGER = ["released", "tuned"];
/** Where ten minutes do not suffice for both. */
const STRONGEST = ["tuned"];
const ALL_CPU = [...EAGER, "released-compiled", "tuned-compiled"];
const ALL_GPU = [...ALL_CPU, "flattened"];

type Line = readonly [
  model: string,
  task: string,
  regularizers: readonly Method["type"][],
  precisions: readonly ("fp32" | "bf16")[],
  baselines: readonly string[],
];

const cpu: Readonly<Record<SuiteName, readonly Line[]>> = {
  smoke: [
    ["bert-tiny", "cola", ["r-at"], ["fp32"], ["released"]],
    ["textcnn", "sst2", ["r-at"], ["fp32"], ["released"]],
  ],
  default: [
    ["minilm", "cola", ["r-at"], ["fp32"], EAGER],
    ["minilm", "cola", ["r-at"], ["bf16"], STRONGEST],
    ["minilm", "cola", ["none"], ["fp32"], []],
    ["textcnn", "agnews", ["r-at"], ["fp32"], STRONGEST],
    ["bilstm", "sst2", ["r-at"], ["fp32"], STRONGEST],
    ["texthan", "sst2", ["r-at"], ["fp32"], STRONGEST],
  ],
  full: [
    ["minilm", "cola", ["none", "fgm", "r-drop", "r-at"], ["fp32", "bf16"], ALL_CPU],
    ["minilm", "stsb", ["none", "r-at"], ["fp32", "bf16"], ALL_CPU],
    ["minilm", "mnli", ["r-at"], ["fp32", "bf16"], EAGER],
    ["bert-base", "cola", ["r-at"], ["fp32", "bf16"], EAGER],
    ["textcnn", "agnews", ["none", "r-at"], ["fp32"], ALL_CPU],
    ["textcnn", "imdb", ["r-at"], ["fp32"], EAGER],
    ["bilstm", "sst2", ["none", "r-at"], ["fp32"], EAGER],
    ["bilstm", "agnews", ["r-at"], ["fp32"], EAGER],
    ["texthan", "sst2", ["none", "r-at"], ["fp32"], EAGER],
    ["texthan", "agnews", ["r-at"], ["fp32"], EAGER],
  ],
};

const gpu: Readonly<Record<SuiteName, readonly Line[]>> = {
  smoke: [["bert-tiny", "cola", ["r-at"], ["fp32"], ["released"]]],
  default: [
    ["bert-base", "sst2", ["r-at"], ["fp32", "bf16"], [...EAGER, "flattened"]],
    ["bert-base", "mnli", ["none", "r-at"], ["bf16"], [...EAGER, "flattened"]],
    ["bert-base", "imdb", ["r-at"], ["bf16"], [...EAGER, "flattened"]],
    ["textcnn", "agnews", ["r-at"], ["fp32"], EAGER],
    ["bilstm", "agnews", ["r-at"], ["fp32"], EAGER],
    ["texthan", "agnews", ["r-at"], ["fp32"], EAGER],
  ],
  full: [
    ["bert-base", "cola", ["none", "fgm", "r-drop", "r-at"], ["fp32", "bf16"], ALL_GPU],
    ["bert-base", "sst2", ["none", "r-at"], ["fp32", "bf16"], ALL_GPU],
    ["bert-base", "mnli", ["none", "r-at"], ["fp32", "bf16"], ALL_GPU],
    ["bert-base", "imdb", ["r-at"], ["bf16"], ALL_GPU],
    ["minilm", "mnli", ["r-at"], ["fp32", "bf16"], ALL_GPU],
    ["textcnn", "agnews", ["none", "r-at"], ["fp32"], ALL_CPU],
    ["bilstm", "agnews", ["none", "r-at"], ["fp32"], ALL_CPU],
    ["texthan", "agnews", ["none", "r-at"], ["fp32"], ALL_CPU],
  ],
};

export const BATCH_SIZE = 32;

/** What narrows a suite, or makes a case that it lacks. */
export interface Selection {
  readonly model?: string | undefined;
  readonly task?: string | undefined;
  readonly regularizer?: Method["type"] | undefined;
  readonly precision?: "fp32" | "bf16" | undefined;
  readonly batchSize?: number | undefined;
  /** Baselines in place of the suite's own. */
  readonly compare?: readonly string[] | undefined;
}

/**
 * The suite's cases that fit the selection; one of its own where a model or task is named that the suite lacks.
 *
 * @param hasBf16 - Whether the machine is faster in bf16. Where it only imitates it, ten times as slow, the default suite takes
 *   the smallest encoder for bf16.
 */
export function casesOf(
  suite: SuiteName,
  onGpu: boolean,
  selection: Selection,
  hasBf16 = true,
): BenchmarkCase[] {
  const lines = (onGpu ? gpu : cpu)[suite].map((line): Line => {
    const [, task, regularizers, precisions, baselines] = line;
    const imitates = suite === "default" && !hasBf16 && precisions.includes("bf16");
    return imitates ? ["bert-tiny", task, regularizers, precisions, baselines] : line;
  });
  const all = lines.flatMap(([model, task, regularizers, precisions, baselines]) =>
    regularizers.flatMap((regularizer) =>
      precisions.map((precision) => ({
        model,
        task,
        regularizer,
        precision,
        baselines,
        batchSize: BATCH_SIZE,
      })),
    ),
  );
  const { model, task, regularizer, precision, batchSize, compare } = selection;
  const fits = all.filter(
    (one) =>
      (model === undefined || one.model === model) &&
      (task === undefined || one.task === task) &&
      (regularizer === undefined || one.regularizer === regularizer) &&
      (precision === undefined || one.precision === precision),
  );
  const chosen: BenchmarkCase[] =
    fits.length > 0
      ? fits
      : [
          {
            model: model ?? all[0]?.model ?? "minilm",
            task: task ?? "cola",
            regularizer: regularizer ?? "r-at",
            precision: precision ?? "fp32",
            ...{ batchSize: BATCH_SIZE, baselines: EAGER },
          },
        ];
  return chosen.map((one) => ({
    ...one,
    batchSize: batchSize ?? one.batchSize,
    baselines: compare ?? one.baselines,
  }));
}
