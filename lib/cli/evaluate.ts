/** `r-at evaluate`: loss and metrics of a trained model on one split of a task. */
import { type Command, Option } from "commander";
import { SPLIT_NAMES, type SplitName } from "../datasets/types.js";
import { RATError } from "../errors.js";
import { formatMetrics } from "../report/words.js";
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
  const [{ loadTask }, { Classifier }] = await Promise.all([
    import("../datasets/load-task.js"),
    import("../inference/classifier.js"),
  ]);
  const task = await refusalIsUsage(loadTask(name, { ...options, signal }));
  const examples = task[flags.split];
  if (!examples) {
    const other = flags.split === "dev" ? "test" : "dev";
    throw new RATError("ERR_RAT_LABEL", `${name} has no labelled ${flags.split} rows; try --split ${other}`);
  }
  note(`${name}: ${examples.length} ${flags.split} rows`);
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...use, signal });
  const evaluation = await classifier.evaluate(examples, task, { signal });
  const { loss, metrics, labels } = evaluation;
  const result = { command: "evaluate", task: name, split: flags.split, loss, metrics };
  const line = `${name} ${flags.split}: loss ${loss.toFixed(4)}, ${formatMetrics(metrics)}`;
  if (flags.report) {
    const { renderClassReport, reportClasses } = await import("./class-report.js");
    const report = reportClasses(classifier.kind, evaluation);
    if (flags.json) await printJson({ ...result, ...report });
    else await print(`${line}\n\n${renderClassReport(report, labels)}`);
  } else if (flags.json) await printJson(result);
  else await print(line);
}
