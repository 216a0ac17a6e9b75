/** A task's files as examples in memory: splits, labels, limits. */
import { invalidArgument, RATError } from "../errors.js";
import type { CustomColumns } from "./custom.js";
import { formatError, nameSome } from "./data-error.js";
import type { SplitPlan, TaskDefinition } from "./definition.js";
import { holdOut } from "./hold-out.js";
import { type LabelParser, labelParser, orderLabels } from "./labels.js";
import { type FileOptions, locateSplits, type SplitSources } from "./locate.js";
import { findTask } from "./registry.js";
import { readTaskRows, textOf } from "./task-rows.js";
import type { ReadOptions } from "./text-file.js";
import type { Example, LoadedTask } from "./types.js";

/** What {@link loadTask} takes. The column options (`textColumn` to `kind`) belong to the task `custom`. */
export interface LoadTaskOptions extends FileOptions, CustomColumns, ReadOptions {
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
  /** Only the first rows of the test set. */
  readonly limitTest?: number | undefined;
}

/**
 * Loads a task: `cola`, `stsb`, `imdb`, `agnews`, `tnews`, `iflytek`, or `custom`.
 *
 * Texts are taken as the files have them. `test` is null where the test labels are not public (CoLA, STS-B); TNEWS and
 * IFLYTEK have their official dev set as test.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an unknown task or impossible options; `ERR_RAT_PATH` for missing files;
 * `ERR_RAT_DATA_FORMAT`, `ERR_RAT_DATA_ENCODING`, `ERR_RAT_LABEL` and `ERR_RAT_LIMIT` for what is in them, with file and
 * line; `ERR_RAT_ABORTED`.
 */
export async function loadTask(name: string, options: LoadTaskOptions = {}): Promise<LoadedTask> {
  checkOptions(options);
  const task = findTask(name, options);
  const sources = await locateSplits(task, choosePlan(task, options.split), options);

  const { labels, examples } = await readTrain(task, sources.train, options);
  const read = (path: string) => readLabelled(task, path, labelParser(task, labels), options);
  const { train, dev } = await takeDev(examples, sources, read);
  const test = sources.test === null ? null : await read(sources.test);
  return {
    name: task.name,
    kind: task.kind,
    labels,
    metrics: task.metrics,
    train: train.slice(0, options.limitTrain),
    dev,
    test: test?.slice(0, options.limitTest) ?? null,
  };
}

function checkOptions(options: LoadTaskOptions): void {
  const { split = "official" } = options;
  if (split !== "official" && split !== "paper") invalidArgument("split", '"official" or "paper"', split);
  for (const name of ["limitTrain", "limitTest"] as const) {
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
  throw new RATError("ERR_RAT_INVALID_ARG", `The paper has no split of ${task.name}; leave split out`);
}

/** The training rows, and the class names: the task's own, or those that the rows have. */
async function readTrain(
  task: TaskDefinition,
  path: string,
  options: ReadOptions,
): Promise<{ labels: readonly string[]; examples: Example[] }> {
  const examples = await readLabelled(task, path, labelParser(task, task.labels), options);
  if (task.labels !== null) return { labels: task.labels, examples };
  const found = new Set(examples.map(({ label }) => String(label)));
  if (found.size < 2) {
    throw new RATError(
      "ERR_RAT_LABEL",
      `${path}: every row has the label ${nameSome([...found])}; a classifier needs at least two, or give labels`,
      { details: { file: path } },
    );
  }
  return { labels: orderLabels(found), examples };
}

async function takeDev(
  examples: Example[],
  { dev, train }: SplitSources,
  read: (path: string) => Promise<Example[]>,
): Promise<{ train: Example[]; dev: Example[] | null }> {
  if (dev === null) return { train: examples, dev: null };
  if (typeof dev === "string") return { train: examples, dev: await read(dev) };
  const parts = holdOut(examples, dev);
  if (parts.dev.length > 0) return parts;
  throw new RATError(
    "ERR_RAT_DATA_FORMAT",
    `${train} has too few rows to hold out a dev set; name a file with dev, or go without with dev "none"`,
    { details: { file: train } },
  );
}

async function readLabelled(
  task: TaskDefinition,
  path: string,
  parse: LabelParser,
  options: ReadOptions,
): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const row of readTaskRows(task, path, "required", options)) {
    examples.push({ ...textOf(row), label: parse(row.label ?? "", row) });
  }
  if (examples.length === 0) throw formatError({ file: path, line: 1 }, "there are no rows in it");
  return examples;
}
