/** A task's files as examples in memory: splits, labels, limits. */
import { resolve } from "node:path";
import { invalidArgument, RATError } from "../errors.js";
import { targetOf } from "../targets/index.js";
import { type BadRow, badRowOf } from "./bad-row.js";
import type { CustomColumns } from "./custom.js";
import { formatError, nameSome } from "./data-error.js";
import type { SplitPlan, TaskDefinition } from "./definition.js";
import { holdOut } from "./hold-out.js";
import { type LabelParser, labelParser, orderLabels, parseLabel } from "./labels.js";
import { type FileOptions, locateSplit, locateSplits, type SplitSources } from "./locate.js";
import { findTask } from "./registry.js";
import { readTaskRows, textOf } from "./task-rows.js";
import { type ReadOptions, readLines } from "./text-file.js";
import type { DataFile, Example, LoadedTask, SplitName, TaskSource } from "./types.js";

/** What {@link loadTask} takes. The column options (`textColumn` to `kind`) belong to the task `custom`. */
export interface LoadTaskOptions extends FileOptions, CustomColumns, Omit<ReadOptions, "onBadRow"> {
  /**
   * `official`: the files as they are published; where there is no dev file, a stratified tenth of the training rows is
   * held out by a seed of its own. `paper`: the splits of the paper's Table 6 as far as they are known; `taskCatalogue`
   * tells for each task what is done, and says "assumed" where neither sizes nor drawing could be confirmed. IMDB holds
   * out a fifth, AG News a twelfth; TNEWS and IFLYTEK train on all of train, and their official dev set is dev and test
   * at once, so that the best model is chosen on the rows that it is reported on. Default: `official`.
   */
  readonly split?: "official" | "paper" | undefined;
  /** Only the first rows of the training set in file order, after dev rows are held out. */
  readonly limitTrain?: number | undefined;
  /** Only the first rows of the dev set (MNLI: of each). */
  readonly limitDev?: number | undefined;
  /** Only the first rows of the test set. */
  readonly limitTest?: number | undefined;
  /** Leaves out rows that cannot be read, and lists them as `badRows`. Default: the first one is an error. */
  readonly skipBadRows?: boolean | undefined;
}

/**
 * Loads a task: one of GLUE (`cola`, `sst2`, `mrpc`, `stsb`, `qqp`, `mnli`, `qnli`, `rte`, `wnli`), `imdb`, `agnews`,
 * `tnews`, `iflytek`, or `custom`; from the official files or as the Hugging Face hub serves them.
 *
 * Texts are taken as the files have them. `test` is null where the test labels are not public (GLUE; Microsoft's own
 * files of MRPC have them); TNEWS and IFLYTEK have their official dev set as test. MNLI has `dev-mismatched` beside `dev`.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an unknown task or impossible options; `ERR_RAT_PATH` for missing files;
 * `ERR_RAT_DATA_FORMAT`, `ERR_RAT_DATA_ENCODING`, `ERR_RAT_LABEL` and `ERR_RAT_LIMIT` for what is in them, with file and
 * line; `ERR_RAT_ABORTED`.
 */
export async function loadTask(name: string, options: LoadTaskOptions = {}): Promise<LoadedTask> {
  checkOptions(options);
  const task = findTask(name, options);
  const plan = choosePlan(task, options.split);
  const sources = await locateSplits(task, plan, options);

  let skippedRows = 0;
  const files: DataFile[] = [];
  const badRows: BadRow[] = [];
  const reading = {
    signal: options.signal,
    onSkip: () => skippedRows++,
    ...(options.skipBadRows && { onBadRow: (error: RATError) => badRows.push(badRowOf(error)) }),
  };
  const { labels, rows } = await readTrain(task, sources.train, reading);
  files.push({ split: "train", path: resolve(sources.train), rows: rows.length });
  const read = async (split: SplitName, path: string) => {
    const examples = (await readLabelled(task, path, labelParser(task, labels), reading)).map(exampleOf);
    files.push({ split, path: resolve(path), rows: examples.length });
    return examples;
  };
  const { rows: rest, test: heldOut } = takeTest(rows, sources, options.testShare);
  const { train, dev } = await takeDev(rest, sources, (path) => read("dev", path), options.signal);
  const test = sources.test === null ? heldOut : await read("test", sources.test);
  const mismatched = sources.mismatched === null ? null : await read("dev-mismatched", sources.mismatched);
  const loaded = {
    name: task.name,
    kind: task.kind,
    labels,
    metrics: task.metrics,
    ...(task.f1Average && { f1Average: task.f1Average }),
    train: train.slice(0, options.limitTrain),
    dev: dev?.slice(0, options.limitDev) ?? null,
    ...(plan.mismatched && { "dev-mismatched": mismatched?.slice(0, options.limitDev) ?? null }),
    test: test?.slice(0, options.limitTest) ?? null,
    skippedRows,
    ...(options.skipBadRows && { badRows }),
  };
  // Not copied by a spread: a task with other data is from elsewhere.
  const { signal: _, ...given } = options;
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  const source: TaskSource = { options: Object.fromEntries(known), files };
  return Object.defineProperty(loaded, "source", { value: source, enumerable: false });
}

function checkOptions(options: LoadTaskOptions): void {
  const { split = "official" } = options;
  if (split !== "official" && split !== "paper") invalidArgument("split", '"official" or "paper"', split);
  const { testShare } = options;
  if (testShare !== undefined && !(testShare > 0 && testShare < 1))
    invalidArgument("testShare", "a number between 0 and 1", testShare);
  for (const name of ["limitTrain", "limitDev", "limitTest"] as const) {
    const limit = options[name];
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
      invalidArgument(name, "a whole number above 0", limit);
    }
  }
  for (const name of ["data", "train", "dev", "test"] as const) {
    const path = options[name];
    if (path !== undefined && (typeof path !== "string" || path === ""))
      invalidArgument(name, "a path", path);
  }
}

function choosePlan(task: TaskDefinition, split: "official" | "paper" = "official"): SplitPlan {
  const plan = split === "paper" ? task.paper : task.official;
  if (plan) return plan;
  throw new RATError("ERR_RAT_INVALID_ARG", `The paper has no split of ${task.name}; leave \`split\` out`);
}

/**
 * The files that a task would be read from, absolute; what stands in them is not looked at.
 *
 * @throws RATError as {@link loadTask} for options and folders.
 */
export async function taskFiles(name: string, options: LoadTaskOptions): Promise<string[]> {
  checkOptions(options);
  const task = findTask(name, options);
  const { train, dev, mismatched, test } = await locateSplits(task, choosePlan(task, options.split), options);
  const ofDev = typeof dev === "string" ? dev : dev !== null && "ids" in dev ? dev.ids : null;
  return [train, ofDev, mismatched, test].filter((path) => path !== null).map((path) => resolve(path));
}

/**
 * The file of a split, if it has one of its own, so that it can be read without the training file.
 *
 * @throws RATError as {@link loadTask} for options and folders.
 */
export async function findSplit(
  name: string,
  split: "dev" | "dev-mismatched" | "test",
  options: LoadTaskOptions,
): Promise<string | null> {
  checkOptions(options);
  const task = findTask(name, options);
  return locateSplit(task, choosePlan(task, options.split), options, split);
}

/** A row of the data. */
interface Row extends Example {
  readonly id?: string;
}

function exampleOf({ id: _, ...example }: Row): Example {
  return example;
}

type Reading = ReadOptions & { readonly onSkip: () => void };

/** The training rows, and the class names: the task's own, or those that the rows have. */
async function readTrain(
  task: TaskDefinition,
  path: string,
  options: Reading,
): Promise<{ labels: readonly string[]; rows: Row[] }> {
  const rows = await readLabelled(task, path, labelParser(task, task.labels), options);
  if (task.labels !== null) return { labels: task.labels, rows };
  const found = new Set(rows.flatMap(({ label }) => label).map(String));
  if (found.size < targetOf(task.kind).fewestLabels) {
    throw new RATError(
      "ERR_RAT_LABEL",
      found.size === 0
        ? `${path}: no row has a label; give \`labels\`, or another column`
        : `${path}: every row has the label ${nameSome([...found])}; a classifier needs at least two, or give \`labels\``,
      { details: { file: path } },
    );
  }
  return { labels: orderLabels(found), rows };
}

/** Where there is no test file, the share that is wanted. */
function takeTest(
  rows: readonly Row[],
  { test, train: path }: SplitSources,
  share: number | undefined,
): { rows: readonly Row[]; test: Example[] | null } {
  if (test !== null || share === undefined) return { rows, test: null };
  const parts = holdOut(rows.map(exampleOf), share);
  if (parts.dev.length > 0) return { rows: parts.train, test: parts.dev };
  throw new RATError(
    "ERR_RAT_DATA_FORMAT",
    `${path} has too few rows to hold out a test set; name a file with \`test\`, or leave \`testShare\` out`,
    { details: { file: path } },
  );
}

async function takeDev(
  rows: readonly Row[],
  { dev, train: path }: SplitSources,
  read: (path: string) => Promise<Example[]>,
  signal: AbortSignal | undefined,
): Promise<{ train: Example[]; dev: Example[] | null }> {
  if (dev === null) return { train: rows.map(exampleOf), dev: null };
  if (typeof dev === "string") return { train: rows.map(exampleOf), dev: await read(dev) };
  const parts =
    "ids" in dev ? await takeListed(rows, dev.ids, signal) : holdOut(rows.map(exampleOf), dev.share);
  if (parts.dev.length > 0) return parts;
  throw new RATError(
    "ERR_RAT_DATA_FORMAT",
    `${path} has too few rows to hold out a dev set; name a file with \`dev\`, or go without with \`dev\` "none"`,
    { details: { file: path } },
  );
}

/** Dev rows are those whose ids stand in a file, a row's ids a line. */
async function takeListed(
  rows: readonly Row[],
  file: string,
  signal: AbortSignal | undefined,
): Promise<{ train: Example[]; dev: Example[] }> {
  const listed = new Set<string>();
  for await (const { text } of readLines(file, { signal })) listed.add(text.trim());
  const isDev = ({ id }: Row) => id !== undefined && listed.has(id);
  return {
    train: rows.filter((row) => !isDev(row)).map(exampleOf),
    dev: rows.filter(isDev).map(exampleOf),
  };
}

async function readLabelled(
  task: TaskDefinition,
  path: string,
  parse: LabelParser,
  options: Reading,
): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readTaskRows(task, path, "required", options)) {
    const { id } = row;
    const label = parseLabel(parse, row.label ?? "", row, options);
    if (label !== undefined) rows.push({ ...textOf(row), label, ...(id === undefined ? {} : { id }) });
  }
  if (rows.length === 0) {
    const which = options.onBadRow ? " that can be read" : "";
    throw formatError({ file: path, line: 1 }, `there are no rows in it${which}`);
  }
  return rows;
}
