/** `r-at train`: trains a model, tests it, and writes everything to an output folder. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { presetOf } from "../config/presets.js";
import { refuseStrayFields } from "../config/regularizer.js";
import { type ResolvedRunConfig, resolveRunConfig } from "../config/resolve.js";
import type { RunConfig } from "../config/schema.js";
import type { LoadedTask } from "../datasets/types.js";
import { isRATError } from "../errors.js";
import { describeEstimate, describeSummary } from "../report/words.js";
import type { RATTrainer } from "../trainer/rat-trainer.js";
import { readConfigFile } from "./config-file.js";
import { refusalIsUsage, withFlags } from "./failure.js";
import { addRunFlags, asUsage, givenRunFlags } from "./flags.js";
import { fetchNamedModel } from "./model.js";
import { note, print, printJson } from "./output.js";
import { configOfFile } from "./train-file.js";

interface TrainFlags {
  readonly config?: string;
  readonly report?: boolean;
  readonly estimate?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  $ r-at train tickets.csv
  $ r-at train --task imdb --data data/imdb --model textcnn --output runs/imdb
  $ r-at train --task agnews --data data/agnews --model bilstm --regularizer r-at --epsilon 0.5,1 --output runs/ag
  $ r-at train --task custom --train reviews.csv --text-column review --label-column stars --model textcnn
  $ r-at train --config runs/imdb/config.json --seed 2 --output runs/imdb-2
  $ r-at train --config runs/imdb/config.json --resume

Flags win over --config. A list of --epsilon or --dropout has one value for each forward.`;

/** Adds the command. */
export function defineTrain(program: Command, signal: AbortSignal): void {
  const command = program
    .command("train")
    .description("train a model on a task, and test it")
    .usage("<file> | --task <name> --data <folder> --model <name|folder> [options]")
    .argument("[file]", "CSV, TSV, JSON lines or Parquet of your own; its columns are guessed");
  addRunFlags(command);
  command
    .option("--config <file>", "YAML or JSON file with any of these options, in camel case")
    .option("--report", "print precision, recall and F1 by class and the confusion matrix")
    .option("--estimate", "make a few steps, print what the run would take, and train nothing")
    .option("--json", "print the summary as one JSON object")
    .addHelpText("after", examples)
    .action(async (path: string | undefined, flags: TrainFlags) => {
      const given = givenRunFlags(command);
      const file = flags.config === undefined ? {} : await readConfigFile(flags.config);
      const named = { ...file, ...given } as Partial<RunConfig>;
      const ofFile = path === undefined ? {} : await configOfFile(path, named, signal);
      const raw = { ...ofFile, ...named };
      const output = folderOf(raw);
      if (output !== raw.output && !flags.estimate) note(`the run goes to ${output} (--output)`);
      const config = asUsage(() => resolveRunConfig({ ...raw, output }), flags.config);
      asUsage(() => refuseStrayFields(config.regularizer, given));
      for (const difference of differencesOf(config)) note(`preset ${config.preset}: ${difference}`);
      await train(config, flags, signal);
    });
}

/**
 * Where a run goes: the folder that it names, else `runs/<task>-<model>-<date>-<time>`, which nothing has yet. What is resumed
 * has a name; what else is missing is for the schema to say.
 */
function folderOf({ output, task, model, resume }: Partial<RunConfig>): string | undefined {
  if (output !== undefined || resume || typeof task !== "string" || typeof model !== "string") return output;
  const [date, time] = new Date()
    .toISOString()
    .replace(/[-:]|\..*/g, "")
    .split("T");
  const base = join("runs", `${task}-${basename(model)}-${date}-${time}`);
  let folder = base;
  for (let again = 2; existsSync(folder); again++) folder = `${base}-${again}`;
  return folder;
}

function differencesOf({ preset, ...given }: ResolvedRunConfig): readonly string[] {
  return preset === undefined ? [] : presetOf(preset, given).differences;
}

async function train(config: ResolvedRunConfig, flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const [{ loadTask }, { taskOptions }, { trainFromConfig }, { estimateRun }, { createProgress }] =
    await Promise.all([
      import("../datasets/load-task.js"),
      import("../pipeline/options.js"),
      import("../pipeline/train.js"),
      import("../pipeline/estimate.js"),
      import("../report/progress.js"),
    ]);
  await fetchNamedModel(config.model, signal);
  const progress = createProgress();
  // While the bar is there, only it may write.
  const say = (message: string) => progress.log(withFlags(message));
  const logger = { info: say, warn: (message: string) => say(`warning: ${message}`) };
  try {
    progress.stage(`reading ${config.task}`);
    const task = await refusalIsUsage(loadTask(config.task, { ...taskOptions(config), signal }));
    await tellOf(task, say, signal);
    if (flags.estimate) {
      progress.stage("trying a few steps");
      const found = await estimateRun(config, task, { signal, logger });
      progress.stop();
      if (flags.json) await printJson({ command: "train", estimate: found });
      else await print(describeEstimate(found));
      return;
    }
    await trainFromConfig(
      config,
      task,
      {
        ...{ signal, logger },
        onStage: (stage) => progress.stage(stage),
        onProgress: ({ stage, split = "", done, total }) =>
          progress.stage(`${stage} ${split}`.trimEnd(), done, total),
        // The logger says what a warning event says.
        onEvent: (event) => {
          if (event.type !== "warning") progress.update(event);
        },
      },
      async ({ trainer, summary }) => {
        progress.stop();
        if (flags.report) await printReport(trainer, task, flags, signal);
        if (flags.json) await printJson({ command: "train", ...summary });
        else await print(describeSummary(summary));
      },
    ).catch((error: unknown) => {
      progress.stop();
      // A checkpoint that cannot be gone on from is no advice.
      if (!isRATError(error) || !error.code.startsWith("ERR_RAT_RESUME")) adviseResume(config.output);
      throw error;
    });
  } finally {
    progress.stop();
  }
}

/** What to type after an abort or a failure, if there is a checkpoint to go on from. */
function adviseResume(output: string | undefined): void {
  if (output === undefined || !existsSync(join(output, "checkpoints"))) return;
  const config = join(output, "config.json");
  const quoted = /^[\w./-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  note(`To go on from the last checkpoint: r-at train --config ${quoted} --resume`);
}

async function printReport(
  trainer: RATTrainer,
  task: LoadedTask,
  flags: TrainFlags,
  signal: AbortSignal,
): Promise<void> {
  const { renderClassReport } = await import("../render/class-report.js");
  const split = task.test ? "test" : task.dev ? "dev" : "train";
  const evaluation = await trainer.evaluate(split, { signal });
  // Under --json stdout holds the summary alone.
  const text = `${split}:\n${renderClassReport(evaluation)}\n`;
  if (flags.json) note(text);
  else await print(text);
}

/** What is in the data, and what looks wrong with them. */
async function tellOf(task: LoadedTask, say: (message: string) => void, signal: AbortSignal): Promise<void> {
  const [{ countLabels, findConcerns }, notes] = await Promise.all([
    import("../datasets/concerns.js"),
    import("../render/data-notes.js"),
  ]);
  for (const line of notes.describeTask(task, countLabels(task.labels, task.train))) say(line);
  for (const line of notes.describeBadRows(task.badRows ?? [])) say(line);
  for (const line of notes.describeConcerns(await findConcerns(task, signal))) say(`worth a look: ${line}`);
}
