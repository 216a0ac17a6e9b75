/** `r-at predict --glue-submission`: a task's test sets, answered in the files that the GLUE server takes. */

import {
  findTestSets,
  type GlueTestSet,
  submissionText,
  testSetOf,
  writeSubmission,
} from "../datasets/glue-submission.js";
import { readExamples } from "../datasets/read-examples.js";
import { findTask } from "../datasets/registry.js";
import { RATError } from "../errors.js";
import { makeFolder } from "../files/durable-file.js";
import type { Classifier } from "../inference/classifier.js";
import { areGenericLabels } from "../models/encoder-config.js";
import { UsageError } from "./failure.js";
import { note } from "./output.js";

export interface SubmissionRequest {
  readonly task: string;
  /** Folder of the submission. */
  readonly folder: string;
  /** One file to answer, or the folder where the official ones are. */
  readonly input: string | undefined;
  readonly data: string | undefined;
}

/** A file of the submission. */
export interface SubmissionFile {
  readonly name: string;
  readonly rows: number;
  /** Rows of the official test set. */
  readonly expectedRows: number;
}

/** What was written. */
export interface Submission {
  readonly folder: string;
  readonly files: readonly SubmissionFile[];
  /** The zip, once the folder has all files. */
  readonly zip: string | null;
}

/** @throws UsageError where nothing says what to answer. */
export function checkSubmission({ task, input, data }: SubmissionRequest): void {
  if (testSetOf(task, "") === undefined) throw new UsageError(`${task} is no task of GLUE`);
  if ((input === undefined) === (data === undefined)) {
    throw new UsageError(
      "Expected --data FOLDER (all test sets of the task) or --input FILE with --glue-submission",
    );
  }
}

/** @throws RATError `ERR_RAT_PATH` where there are no test sets; `ERR_RAT_MODEL_MISMATCH` for another task's model. */
export async function answerTestSets(
  classifier: Classifier,
  { task: name, folder, input, data }: SubmissionRequest,
  signal: AbortSignal,
): Promise<Submission> {
  const task = findTask(name);
  const sets = await chosenSets(name, input, data);
  const official = task.labels ?? [];
  const labelOf = labelReader(classifier, official, name);
  await makeFolder(folder);
  const files: SubmissionFile[] = [];
  let written: Awaited<ReturnType<typeof writeSubmission>> = { missing: [] };
  for (const { set, input: file } of sets) {
    const rows = await readExamples(file, { task: name, labelMode: "ignored", signal });
    const predictions = await classifier.predict(
      rows.map(({ text, pair }) => (pair === undefined ? { text } : { text, pair })),
      { signal },
    );
    const answers = predictions.map((prediction) =>
      prediction.score === undefined
        ? { label: labelOf(prediction.label ?? "") }
        : { score: prediction.score },
    );
    written = await writeSubmission(folder, set, submissionText(answers, set, official));
    files.push({ name: set.file, rows: rows.length, expectedRows: set.rows });
    if (rows.length !== set.rows) {
      note(
        `WARNING: ${set.file} has ${rows.length} rows, the official test set ${set.rows}: the GLUE server will refuse it`,
      );
    }
  }
  if ("missing" in written) note(`For a submission ${folder} still needs ${written.missing.join(", ")}`);
  return { folder, files, zip: "zip" in written ? written.zip : null };
}

async function chosenSets(
  task: string,
  input: string | undefined,
  data: string | undefined,
): Promise<readonly { readonly set: GlueTestSet; readonly input: string }[]> {
  const set = testSetOf(task, input ?? "");
  if (input !== undefined && set) return [{ set, input }];
  const found = await findTestSets(findTask(task), data ?? ".");
  if (found.length > 0) return found;
  throw new RATError("ERR_RAT_PATH", `There is no test file of ${task} in ${data}; name one with --input`, {
    details: { file: data ?? "" },
  });
}

/** A model may have the classes in another order, or have been saved without their names. */
function labelReader(
  { labels, kind }: Classifier,
  official: readonly string[],
  task: string,
): (label: string) => string {
  const isGeneric = areGenericLabels(labels);
  const isSame = labels.every((label) => official.includes(label));
  const kindOfTask = official.length === 0 ? "regression" : "classification";
  if (kind === kindOfTask && labels.length === official.length && (isSame || isGeneric))
    return (label) => (isSame ? label : (official[labels.indexOf(label)] ?? label));
  const outputs = (names: readonly string[]) => (names.length === 0 ? "scores" : names.join(", "));
  throw new RATError(
    "ERR_RAT_MODEL_MISMATCH",
    `The model gives ${outputs(labels)}; ${task} needs ${outputs(official)}`,
  );
}
