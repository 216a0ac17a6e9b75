/** `r-at predict`: what a trained model says about texts from the command line, a file or stdin. */
import { type Command, InvalidArgumentError } from "commander";
import type { ReadExamplesOptions } from "../datasets/read-examples.js";
import type { Prediction } from "../inference/classifier.js";
import { BadRows } from "./bad-rows.js";
import { refusalIsUsage, UsageError } from "./failure.js";
import { fetchNamedModel } from "./model.js";
import { note, print, printJson } from "./output.js";
import { type Asked, PredictionFile, type PredictionRow, rowOf } from "./prediction-file.js";
import { addTaskFlags, addUseFlags, taskOf, useOf } from "./task-flags.js";
import { readFileLines, readStdinLines, textsAtOnce } from "./text-input.js";

interface PredictFlags {
  readonly model: string;
  readonly input?: string;
  readonly task?: string;
  readonly textColumn?: string;
  readonly data?: string;
  readonly glueSubmission?: string;
  readonly output?: string;
  readonly idColumn?: string;
  readonly topK?: number;
  readonly withText?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  $ r-at predict --model runs/imdb/model "a great film" "what a bore"
  $ r-at predict --model runs/imdb/model --input texts.txt > predictions.jsonl
  $ zcat texts.gz | r-at predict --model runs/imdb/model | head
  $ r-at predict --model runs/tickets --input new.csv --id-column id --output predictions.csv
  $ r-at predict --model runs/cola/model --task cola --input data/cola/test.tsv --json
  $ r-at predict --model runs/cola/model --task cola --data data/cola --glue-submission submission

The input is one text a line; a .csv, .tsv, .jsonl or .parquet file is a table whose text column is guessed, or named by
--text-column, or has the format of --task. Without --json there is one JSON object a
line, in the order of the input: {"label","probability","probabilities"}, for regression {"score"}, for multilabel {"labels","probabilities"}.`;

/** Flags about a task's files that mean nothing here: the one file is `--input`. */
const fileKeys = [
  ...(["train", "dev", "test", "split", "testShare"] as const),
  ...(["limitTrain", "limitDev", "limitTest"] as const),
] as const;

/** Adds the command. */
export function definePredict(program: Command, signal: AbortSignal): void {
  const command = program
    .command("predict")
    .description("classify texts with a trained model")
    .usage("--model <folder> [texts...] [options]")
    .argument("[texts...]", "texts; without any, --input or stdin is read")
    .requiredOption("--model <folder>", "folder of a trained model")
    .option("--input <file>", "file of texts, plain or .gz; - is stdin (default: -)");
  // What is predicted is the model's affair.
  addTaskFlags(command, fileKeys, {
    ...{ labels: null, labelSeparator: null, kind: null, labelColumn: null },
    task: "the file has the format of this task",
    data: "with --glue-submission: folder of the task's files",
  });
  addUseFlags(command);
  command
    .option(
      "--glue-submission <folder>",
      "answer the task's test sets in the files that the GLUE server takes",
    )
    .option("--output <file>", "write predictions to a .csv, .jsonl or .parquet file")
    .option("--id-column <column>", "custom tables: a column that is copied to the output as id")
    .option("--with-text", "copy the texts to the output")
    .option("--top-k <n>", "probabilities of the n most probable labels alone (for JSON)", parseCount)
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
  const file = flags.output === undefined ? undefined : new PredictionFile(flags.output);
  // The columns of a table are the same labels in each row.
  if (file && file.format !== "jsonl" && flags.topK !== undefined)
    throw new UsageError(`--top-k is for JSON; a .${file.format} file has a column for every label`);
  const { Classifier } = await import("../inference/classifier.js");
  await fetchNamedModel(flags.model, signal);
  await using classifier = await Classifier.load(flags.model, { ...use, signal });
  const all: PredictionRow[] = [];
  const withText = flags.withText === true;
  let count = 0;
  try {
    for await (const texts of input) {
      const predictions = (await classifier.predict(texts, { signal })).map((prediction) =>
        topOf(prediction, flags.topK),
      );
      const rows = predictions.map((prediction, i) => rowOf(texts[i], prediction, { withText }));
      count += rows.length;
      if (file) await file.write(rows);
      else if (flags.json) all.push(...rows);
      else if (!(await printLines(rows))) return;
    }
    await file?.finish();
  } catch (error) {
    await file?.discard();
    throw error;
  }
  if (flags.json)
    await printJson({
      command: "predict",
      ...(file ? { output: flags.output, rows: count } : { predictions: all }),
    });
  else if (file) note(`${flags.output}: ${count} predictions`);
}

/** With the most probable labels alone. */
function topOf(prediction: Prediction, count: number | undefined): Prediction {
  if (count === undefined || !prediction.probabilities) return prediction;
  const top = Object.entries(prediction.probabilities).sort(([, a], [, b]) => b - a);
  return { ...prediction, probabilities: Object.fromEntries(top.slice(0, count)) } as Prediction;
}

function parseCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
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
): AsyncIterable<Asked[]> | Iterable<Asked[]> {
  if (flags.data !== undefined)
    throw new UsageError("--data is for --glue-submission; name one file with --input");
  if (given.length > 0) {
    if (flags.input !== undefined) throw new UsageError("Expected texts or --input but received both");
    return [given.map((text) => ({ text }))];
  }
  const isGuessed =
    flags.task === undefined && flags.textColumn === undefined && TABLE.test(flags.input ?? "");
  if (isGuessed) return readGuessedTable(command, flags, signal);
  const isTable = flags.task !== undefined || flags.textColumn !== undefined;
  if (!isTable && flags.idColumn !== undefined)
    throw new UsageError("--id-column is for tables: a .csv, .tsv, .jsonl or .parquet file");
  if (isTable) {
    if (flags.input === undefined || flags.input === "-") {
      throw new UsageError("Expected --input FILE with --task or --text-column: stdin is one text a line");
    }
    const { name, options } = taskOf(command, { task: flags.task ?? "custom" });
    const { idColumn } = flags;
    return readTable(flags.input, { ...options, idColumn, task: name, labelMode: "ignored", signal });
  }
  if (flags.input === undefined && process.stdin.isTTY) {
    note("Reading texts from the terminal, one a line; Ctrl-D ends.");
  }
  return flags.input === undefined || flags.input === "-"
    ? readStdinLines(signal)
    : readFileLines(flags.input, signal);
}

/** Files that are tables without being told. */
const TABLE = /\.(csv|tsv|jsonl|ndjson|parquet)(\.gz)?$/i;

type ReadTableOptions = ReadExamplesOptions & { readonly skipBadRows?: boolean | undefined };

async function* readGuessedTable(
  command: Command,
  { input = "", idColumn }: PredictFlags,
  signal: AbortSignal,
): AsyncGenerator<Asked[]> {
  const { name, options } = taskOf(command, { task: "custom" });
  const { guessTextColumns } = await import("../datasets/guess-columns.js");
  const columns = await refusalIsUsage(guessTextColumns(input, { ...options, signal }));
  note(
    `columns: text = ${columns.textColumn}${columns.pairColumn ? `, pair = ${columns.pairColumn}` : ""} (--text-column)`,
  );
  yield* readTable(input, { ...options, ...columns, idColumn, task: name, labelMode: "ignored", signal });
}

async function* readTable(path: string, options: ReadTableOptions): AsyncGenerator<Asked[]> {
  const { readExamples } = await import("../datasets/read-examples.js");
  const badRows = new BadRows(options.skipBadRows);
  const rows = await refusalIsUsage(readExamples(path, { ...options, onBadRow: badRows.take }));
  await badRows.tell();
  for (let start = 0; start < rows.length; start += textsAtOnce) yield rows.slice(start, start + textsAtOnce);
}

async function printLines(predictions: readonly object[]): Promise<boolean> {
  return await print(predictions.map((prediction) => JSON.stringify(prediction)).join("\n"));
}
