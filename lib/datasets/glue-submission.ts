/**
 * The files that the GLUE server takes (gluebenchmark.com, "How do I submit?"): a table with the header `index
 * prediction` for each test set, and a zip of all eleven.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../files/durable-file.js";
import type { TaskDefinition } from "./definition.js";
import { findSplitFile } from "./locate.js";

/** One test set of the benchmark. */
export interface GlueTestSet {
  /** The task whose model answers it. */
  readonly task: string;
  /** Name of the file in the zip. */
  readonly file: string;
  /** Rows of the official test set. */
  readonly rows: number;
  /** Whether classes are written by number instead of by name. */
  readonly byNumber: boolean;
  /** Names of the official file, below the task's folder or the one above it. */
  readonly inputs: readonly string[];
  /** What the hub calls the split. */
  readonly hub?: string;
}

const byNumber = true;
const byName = false;
const test = { inputs: ["test.tsv"], hub: "test" };

export const GLUE_TEST_SETS: readonly GlueTestSet[] = [
  { task: "cola", file: "CoLA.tsv", rows: 1_063, byNumber, ...test },
  { task: "sst2", file: "SST-2.tsv", rows: 1_821, byNumber, ...test },
  { task: "mrpc", file: "MRPC.tsv", rows: 1_725, byNumber, ...test },
  { task: "stsb", file: "STS-B.tsv", rows: 1_379, byNumber, ...test },
  { task: "qqp", file: "QQP.tsv", rows: 390_965, byNumber, ...test },
  {
    ...{ task: "mnli", file: "MNLI-m.tsv", rows: 9_796, byNumber: byName },
    ...{ inputs: ["test_matched.tsv"], hub: "test_matched" },
  },
  {
    ...{ task: "mnli", file: "MNLI-mm.tsv", rows: 9_847, byNumber: byName },
    ...{ inputs: ["test_mismatched.tsv"], hub: "test_mismatched" },
  },
  { task: "qnli", file: "QNLI.tsv", rows: 5_463, byNumber: byName, ...test },
  { task: "rte", file: "RTE.tsv", rows: 3_000, byNumber: byName, ...test },
  { task: "wnli", file: "WNLI.tsv", rows: 146, byNumber, ...test },
  {
    ...{ task: "mnli", file: "AX.tsv", rows: 1_104, byNumber: byName },
    inputs: ["diagnostic.tsv", "AX.tsv", "diagnostic/diagnostic.tsv", "AX/diagnostic.tsv", "AX/AX.tsv"],
  },
];

/** The test set that a file belongs to; of MNLI's three its name tells, matched if it does not. */
export function testSetOf(task: string, input: string): GlueTestSet | undefined {
  const sets = GLUE_TEST_SETS.filter((set) => set.task === task);
  if (sets.length < 2) return sets[0];
  const name = input.split(/[/\\]/).at(-1)?.toLowerCase() ?? "";
  const file = name.includes("mismatched")
    ? "MNLI-mm.tsv"
    : /diagnostic|^ax\b/.test(name)
      ? "AX.tsv"
      : "MNLI-m.tsv";
  return sets.find((set) => set.file === file);
}

/** The test sets of a task that are below `data`, with their files. */
export async function findTestSets(
  task: TaskDefinition,
  data: string,
): Promise<{ readonly set: GlueTestSet; readonly input: string }[]> {
  const found: { set: GlueTestSet; input: string }[] = [];
  for (const set of GLUE_TEST_SETS.filter((each) => each.task === task.name)) {
    const input = await findSplitFile(task, data, { files: set.inputs, ...(set.hub && { hub: set.hub }) });
    if (input !== null) found.push({ set, input });
  }
  return found;
}

/** What a model says about one row: a class, or a score. */
export type Answer = { readonly label: string } | { readonly score: number };

/**
 * The text of a submission file: scores are kept within 0 to 5.
 *
 * @param labels - The task's classes in their official order.
 */
export function submissionText(
  answers: readonly Answer[],
  { byNumber: asNumber }: GlueTestSet,
  labels: readonly string[],
): string {
  const spell = (answer: Answer) => {
    if ("score" in answer) return Math.min(5, Math.max(0, answer.score)).toFixed(3);
    return asNumber ? String(labels.indexOf(answer.label)) : answer.label;
  };
  return ["index\tprediction", ...answers.map((answer, index) => `${index}\t${spell(answer)}`), ""].join(
    "\n",
  );
}

const SUBMISSION_ZIP = "submission.zip";

/**
 * Writes a submission file and, as soon as the folder has all eleven, the zip of them.
 *
 * @returns The path of the zip, or the names of the files that it still needs.
 * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`.
 */
export async function writeSubmission(
  folder: string,
  set: GlueTestSet,
  text: string,
): Promise<{ readonly zip: string } | { readonly missing: readonly string[] }> {
  await replaceFile(join(folder, set.file), text);
  const names = await readdir(folder);
  const missing = GLUE_TEST_SETS.map(({ file }) => file).filter((file) => !names.includes(file));
  return missing.length > 0 ? { missing } : { zip: await zipSubmission(folder) };
}

async function zipSubmission(folder: string): Promise<string> {
  const { zip } = await import("fflate");
  const entries: Record<string, Uint8Array> = {};
  for (const { file } of GLUE_TEST_SETS) entries[file] = await readFile(join(folder, file));
  const bytes = await new Promise<Uint8Array>((resolve, reject) => {
    zip(entries, (error, data) => (error ? reject(error) : resolve(data)));
  });
  const path = join(folder, SUBMISSION_ZIP);
  await replaceFile(path, bytes);
  return path;
}
