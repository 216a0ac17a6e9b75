/** `r-at evaluate`: loss and metrics of a trained model on one split of a task. */
import { type Command, Option } from "commander";
import { type Example, type LoadedTask, SPLIT_NAMES, type SplitName } from "../datasets/types.js";
import { RATError } from "../errors.js";
import { formatMetrics } from "../render/metrics.js";
import { BadRows } from "./bad-rows.js";
import { refusalIsUsage } from "./failure.js";
import { fetchNamedModel } from "./model.js";
import { note, print, printJson } from "./output.js";
import { addTaskFlags, addUseFlags, taskOf, useOf } from "./task-flags.js";

interface EvaluateFlags {
  readonly model: string;
  readonly split: SplitName;
  readonly splitBy?: string;
  readonly report?: boolean;
  readonly json?: boolean;
}

/** Adds the command. */
export function defineEvaluate(program: Command, signal: AbortSignal): void {
  const command = program
    .command("evaluate")
    .description("loss and metrics of a trained model")
    .usage("--model <folder> --task <name> --data <folder> [options]")
    .requiredOption("--model <folder>", "folder of a trained model")
    .addOption(new Option("--split <name>", "what to evaluate on").choices(SPLIT_NAMES).default("test"))
    .addOption(
      new Option("--split-by <name>", "where splits come from, --split of train")
        .choices(["official", "paper"])
        .default("official"),
    );
  addTaskFlags(command, ["split"], {
    train: "training file, out of which dev or test rows are held if they have no file of their own",
    dev: "dev file instead of the task's",
    labels: "custom: class names in order (default: the model's)",
    kind: "custom: what the labels are (default: as the model has it)",
  });
  addUseFlags(command);
  command
    .option("--report", "add precision, recall and F1 by class and the confusion matrix")
    .option("--json", "print one JSON object")
    .action((flags: EvaluateFlags) => evaluate(command, flags, signal));
}

async function evaluate(command: Command, flags: EvaluateFlags, signal: AbortSignal): Promise<void> {
  const { name, options } = taskOf(command, { split: flags.splitBy });
  const use = useOf(command);
  const { Classifier } = await import("../inference/classifier.js");
  // The files first: what is wrong with them is said before a model is fetched.
  const path = await fileOf(name, options, flags.split);
  const knowsLabels = name !== "custom" || options.labels !== undefined;
  const early =
    path === null
      ? await load(name, options, flags.split, signal)
      : knowsLabels
        ? await loadFile(path, name, options, flags.split, signal)
        : undefined;
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...use, signal });
  // The classes of a custom task are the model's.
  const { kind, labels } = classifier;
  const own = { ...options, kind, ...(labels.length > 0 && { labels: [...labels] }) };
  const { task, examples } = early ?? (await loadFile(path ?? "", name, own, flags.split, signal));
  note(`${name}: ${examples.length} ${flags.split} rows`);
  const evaluation = await classifier.evaluate(examples, task, { signal });
  const { loss, metrics, report, confusionMatrix } = evaluation;
  const result = { command: "evaluate", task: name, split: flags.split, loss, metrics };
  const line = `${name} ${flags.split}: loss ${loss.toFixed(4)}, ${formatMetrics(metrics)}`;
  if (flags.report) {
    const { renderClassReport } = await import("../render/class-report.js");
    if (flags.json) await printJson({ ...result, report, confusionMatrix });
    else await print(`${line}\n\n${renderClassReport(evaluation)}`);
  } else if (flags.json) await printJson(result);
  else await print(line);
}

type TaskOptions = ReturnType<typeof taskOf>["options"];
type EvaluatedTask = Pick<LoadedTask, "name" | "kind" | "labels" | "metrics" | "f1Average">;
type Loaded = { readonly task: EvaluatedTask; readonly examples: readonly Example[] };

/** The file of a split that has one of its own: then no training file is needed. */
async function fileOf(name: string, options: TaskOptions, split: SplitName): Promise<string | null> {
  if (split === "train") return null;
  const { findSplit } = await import("../datasets/load-task.js");
  return refusalIsUsage(findSplit(name, split, options));
}

async function load(
  name: string,
  options: TaskOptions,
  split: SplitName,
  signal: AbortSignal,
): Promise<Loaded> {
  const { loadTask } = await import("../datasets/load-task.js");
  const task = await refusalIsUsage(loadTask(name, { ...options, signal }));
  const examples = task[split];
  if (examples) return { task, examples };
  const other = split === "dev" ? "test" : "dev";
  throw new RATError("ERR_RAT_LABEL", `${name} has no labelled ${split} rows; try --split ${other}`);
}

async function loadFile(
  path: string,
  name: string,
  { data: _, train: __, dev: ___, test: ____, split: _____, ...options }: TaskOptions,
  split: SplitName,
  signal: AbortSignal,
): Promise<Loaded> {
  const [{ readExamples }, { findTask }] = await Promise.all([
    import("../datasets/read-examples.js"),
    import("../datasets/registry.js"),
  ]);
  const { limitTrain, limitDev, limitTest, skipBadRows, ...columns } = options;
  const badRows = new BadRows(skipBadRows);
  const reading = { ...columns, task: name, labelMode: "required", signal, onBadRow: badRows.take } as const;
  const rows = await refusalIsUsage(readExamples(path, reading));
  await badRows.tell();
  const { kind, labels, metrics, f1Average } = findTask(name, columns);
  const examples = rows.slice(0, split === "test" ? limitTest : limitDev) as Example[];
  return { task: { name, kind, labels: labels ?? [], metrics, f1Average }, examples };
}
