/** `r-at evaluate`: loss and metrics of a trained model on one split of a task. */
import { type Command, Option } from "commander";
import { type Example, type LoadedTask, SPLIT_NAMES, type SplitName } from "../datasets/types.js";
import { RATError } from "../errors.js";
import type { Classifier } from "../inference/classifier.js";
import { formatMetrics } from "../render/metrics.js";
import { targetOf } from "../targets/index.js";
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
  addTaskFlags(command, ["split"]);
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
  const loaded = isOneFile(name, options, flags.split)
    ? undefined
    : await load(name, options, flags.split, signal);
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...use, signal });
  const { task, examples } = loaded ?? (await loadFile(classifier, options, flags.split, signal));
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
type Loaded = { readonly task: LoadedTask | EvaluatedTask; readonly examples: readonly Example[] };
type EvaluatedTask = Pick<LoadedTask, "name" | "kind" | "labels" | "metrics">;

/** Whether all there is is the file to evaluate on, so that only the model knows the labels. */
function isOneFile(name: string, { data, train, ...files }: TaskOptions, split: SplitName): boolean {
  const file = split === "dev" || split === "test" ? files[split] : undefined;
  return name === "custom" && data === undefined && train === undefined && file !== undefined;
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
  { kind, labels }: Classifier,
  { dev, test, split: _, limitDev, limitTest, skipBadRows, ...columns }: TaskOptions,
  split: SplitName,
  signal: AbortSignal,
): Promise<Loaded> {
  const { readExamples } = await import("../datasets/read-examples.js");
  const named = labels.length === 0 ? {} : { labels };
  const badRows = new BadRows(skipBadRows);
  const reading = { ...columns, ...named, kind, task: "custom", labelMode: "required" } as const;
  const path = (split === "dev" ? dev : test) ?? "";
  const rows = await refusalIsUsage(readExamples(path, { ...reading, signal, onBadRow: badRows.take }));
  await badRows.tell();
  const examples = rows.slice(0, split === "dev" ? limitDev : limitTest) as Example[];
  return { task: { name: "custom", kind, labels, metrics: targetOf(kind).usualMetrics }, examples };
}
