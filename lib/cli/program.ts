/** The command line as a whole: its commands, its help, and how a command ends. */
import { Command, CommanderError } from "commander";
import { MODEL_TYPES, TASK_NAMES } from "../config/fields.js";
import { didYouMean } from "../nearest.js";
import { REGULARIZER_TYPES } from "../regularizers/index.js";
import { VERSION } from "../version.js";
import { defineConvertAlpha } from "./convert-alpha.js";
import { defineData } from "./data.js";
import { defineDoctor } from "./doctor.js";
import { defineEvaluate } from "./evaluate.js";
import { defineExperiment } from "./experiment.js";
import { type Failure, plainMessage, toFailure, UsageError } from "./failure.js";
import { note, printJson } from "./output.js";
import { definePredict } from "./predict.js";
import { defineReport } from "./report.js";
import { defineSetup } from "./setup.js";
import { Signals } from "./signals.js";
import { defineTrain } from "./train.js";

const helpText = `
Tasks:         ${TASK_NAMES.join(", ")}
Models:        ${MODEL_TYPES.join(", ")}, or the folder of a trained model
Regularizers:  ${REGULARIZER_TYPES.join(", ")}

Examples:
  $ r-at train --task imdb --data data/imdb --model textcnn --regularizer r-at --output runs/imdb
  $ r-at evaluate --model runs/imdb/model --task imdb --data data/imdb --report
  $ r-at predict --model runs/imdb/model "a great film"
  $ r-at data                      what each task expects; r-at data check imdb data/imdb looks at the files
  $ r-at doctor                    is everything in place?

Exit code: 0; 2 wrong usage; 1 any other failure; 130 and 143 after SIGINT and SIGTERM.`;

/**
 * Runs one command line and reports how it went.
 *
 * @param argv Arguments without the node executable and the script.
 * @returns The exit code. Never rejects.
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  const signals = new Signals((signal) => {
    note(`\n${signal}: stopping in good order; once more to stop at once`);
  });
  try {
    const program = createProgram(signals.signal);
    refuseUnknown(program, argv);
    await program.parseAsync(argv, { from: "user" });
    return Number(process.exitCode ?? 0); // setup passes on the installer's
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // --help, --version
    const failure = toFailure(error);
    await fail(failure);
    return failure.code === "ERR_RAT_ABORTED" ? (signals.exitCode ?? 1) : failure.exitCode;
  }
}

/** Commander answers `nonsense --help` with the help of everything, as if it were a command. */
function refuseUnknown(program: Command, [name, ...others]: readonly string[]): void {
  const names = program.commands.map((command) => command.name());
  const asksForHelp = others.some((argument) => argument === "--help" || argument === "-h");
  if (name === undefined || name.startsWith("-") || [...names, "help"].includes(name) || !asksForHelp) return;
  throw new UsageError(
    `unknown command '${name}'${didYouMean(name, names)}; commands are ${names.join(", ")}`,
  );
}

/** Reports a failure: for people on stderr and, under `--json`, as the one object on stdout. Never rejects. */
export async function fail({ code, message, hint, stack, exitCode }: Failure): Promise<void> {
  note(`${code}: ${message}${hint ? `\n${hint}` : ""}`);
  if (exitCode === 2) note("See r-at --help, or r-at <command> --help.");
  if (process.argv.includes("--debug")) note(stack);
  if (process.argv.includes("--json")) {
    await printJson({ error: { code, message } }).catch((error: Error) => note(error.message));
  }
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command("r-at");
  program
    .description("Trains and runs text classifiers with R-AT (Regularized Adversarial Training).")
    .version(VERSION, "-V, --version")
    .usage("<command> [options]")
    .exitOverride((error) => {
      const names = program.commands.map((command) => command.name()).join(", ");
      if (error.code === "commander.help" && error.exitCode !== 0) {
        throw new UsageError(`Expected a command: ${names}`);
      }
      if (error.code === "commander.unknownCommand") {
        throw new UsageError(`${plainMessage(error)}; commands are ${names}`);
      }
      throw error;
    })
    .configureOutput({ outputError: () => {} }) // `fail` reports
    .configureHelp({ showGlobalOptions: false })
    .addHelpText("after", helpText);
  const ofModels = [defineTrain, defineEvaluate, definePredict, defineExperiment, defineReport, defineData];
  for (const define of [...ofModels, defineConvertAlpha, defineDoctor, defineSetup]) define(program, signal);
  for (const command of program.commands) {
    for (const each of [command, ...command.commands]) {
      each.allowExcessArguments(false).option("--debug", "show the stack of an error");
    }
  }
  return program;
}
