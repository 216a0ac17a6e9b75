/** `r-at predict`: what a trained model says about texts from the command line, a file or stdin. */
import type { Command } from "commander";
import type { ReadExamplesOptions } from "../datasets/read-examples.js";
import type { Prediction } from "../inference/classifier.js";
import type { TextOrPair } from "../tokenizers/types.js";
import { refusalIsUsage, UsageError } from "./failure.js";
import { fetchNamedModel } from "./model.js";
import { note, print, printJson } from "./output.js";
import { addTaskFlags, addUseFlags, taskOf, useOf } from "./task-flags.js";
import { readFileLines, readStdinLines, textsAtOnce } from "./text-input.js";

interface PredictFlags {
  readonly model: string;
  readonly input?: string;
  readonly task?: string;
  readonly textColumn?: string;
  readonly data?: string;
  readonly glueSubmission?: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  $ r-at predict --model runs/imdb/model "a great film" "what a bore"
  $ r-at predict --model runs/imdb/model --input texts.txt > predictions.jsonl
  $ zcat texts.gz | r-at predict --model runs/imdb/model | head
  $ r-at predict --model runs/cola/model --task cola --input data/cola/test.tsv --json
  $ r-at predict --model runs/cola/model --task cola --data data/cola --glue-submission submission

The input is one text a line unless --task or --text-column says otherwise. Without --json there is one JSON object a
line, in the order of the input: {"label","probability","probabilities"}, for regression {"score"}, for multilabel {"labels","probabilities"}.`;

/** Flags about a task's files that mean nothing here: the one file is `--input`. */
const fileKeys = ["train", "dev", "test", "split", "limitTrain", "limitDev", "limitTest"] as const;

/** Adds the command. */
export function definePredict(program: Command, signal: AbortSignal): void {
  const command = program
    .command("predict")
    .description("classify texts with a trained model")
    .usage("--model <folder> [texts...] [options]")
    .argument("[texts...]", "texts; without any, --input or stdin is read")
    .requiredOption("--model <folder>", "folder of a trained model")
    .option("--input <file>", "file of texts, plain or .gz; - is stdin (default: -)");
  addTaskFlags(command, fileKeys);
  addUseFlags(command);
  command
    .option(
      "--glue-submission <folder>",
      "answer the task's test sets in the files that the GLUE server takes",
    )
    .option("--json", "print all predictions as one JSON object")
    .addHelpText("after", examples)
    .action((texts: string[], flags: PredictFlags) => predict(command, texts, flags, signal));
}

async function predict(
  command: Command,
  given: readonly string[],
  flags: PredictFlags,
  signal: AbortSignal,
): Promise<void> {
  const use = useOf(command);
  if (flags.glueSubmission !== undefined) return submit(command, given, flags, signal);
  const input = chooseInput(command, given, flags, signal);
  const { Classifier } = await import("../inference/classifier.js");
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...use, signal });
  const all: Prediction[] = [];
  for await (const texts of input) {
    const predictions = await classifier.predict(texts, { signal });
    if (flags.json) all.push(...predictions);
    else if (!(await printLines(predictions))) return;
  }
  if (flags.json) await printJson({ command: "predict", predictions: all });
}

async function submit(
  command: Command,
  texts: readonly string[],
  flags: PredictFlags,
  signal: AbortSignal,
): Promise<void> {
  if (texts.length > 0) throw new UsageError("Expected no texts with --glue-submission");
  const { name: task, options } = taskOf(command);
  const request = { task, folder: flags.glueSubmission ?? "", input: flags.input, data: options.data };
  const { answerTestSets, checkSubmission } = await import("./glue-submission.js");
  checkSubmission(request);
  const { Classifier } = await import("../inference/classifier.js");
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...useOf(command), signal });
  const submission = await answerTestSets(classifier, request, signal);
  if (flags.json) await printJson({ command: "predict", submission });
  else
    for (const { name, rows } of submission.files) await print(`${submission.folder}/${name}: ${rows} rows`);
  if (!flags.json && submission.zip !== null) await print(submission.zip);
}

/** Decides where texts come from; nothing is read before the first is asked for. */
function chooseInput(
  command: Command,
  given: readonly string[],
  flags: PredictFlags,
  signal: AbortSignal,
): AsyncIterable<TextOrPair[]> | Iterable<TextOrPair[]> {
  if (flags.data !== undefined)
    throw new UsageError("--data is for --glue-submission; name one file with --input");
  if (given.length > 0) {
    if (flags.input !== undefined) throw new UsageError("Expected texts or --input but received both");
    return [given.map((text) => ({ text }))];
  }
  const isTable = flags.task !== undefined || flags.textColumn !== undefined;
  if (isTable) {
    if (flags.input === undefined || flags.input === "-") {
      throw new UsageError("Expected --input FILE with --task or --text-column: stdin is one text a line");
    }
    const { name, options } = taskOf(command, { task: flags.task ?? "custom" });
    return readTable(flags.input, { ...options, task: name, labelMode: "ignored", signal });
  }
  if (flags.input === undefined && process.stdin.isTTY) {
    note("Reading texts from the terminal, one a line; Ctrl-D ends.");
  }
  return flags.input === undefined || flags.input === "-"
    ? readStdinLines(signal)
    : readFileLines(flags.input, signal);
}

async function* readTable(path: string, options: ReadExamplesOptions): AsyncGenerator<TextOrPair[]> {
  const { readExamples } = await import("../datasets/read-examples.js");
  const rows = await refusalIsUsage(readExamples(path, options));
  for (let start = 0; start < rows.length; start += textsAtOnce) yield rows.slice(start, start + textsAtOnce);
}

async function printLines(predictions: readonly Prediction[]): Promise<boolean> {
  return await print(predictions.map((prediction) => JSON.stringify(prediction)).join("\n"));
}
