/** `r-at data`: which tasks there are and what each expects; `data check` looks at the files, `data get` fetches them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { TASK_NAMES } from "../config/fields.js";
import type { RunConfig } from "../config/schema.js";
import { didYouMean } from "../nearest.js";
import { refusalIsUsage, UsageError } from "./failure.js";
import { givenRunFlags } from "./flags.js";
import { note, print, printJson } from "./output.js";
import { addTaskFlags, taskOf } from "./task-flags.js";
import { dataOfFile } from "./train-file.js";

/** Adds the command and its sub-commands. */
export function defineData(program: Command, signal: AbortSignal): void {
  const data = program
    .command("data")
    .description("list the tasks and the files each expects; look at the files")
    .option("--json", "print one JSON object")
    .action((flags: { json?: boolean }) => listTasks(flags.json === true));

  const check = data
    .command("check")
    .description("print rows, labels, lengths and what looks wrong")
    .argument("<task|file>", "name of a task, or a file of your own, whose columns are guessed")
    .argument("[folder]", "folder of the task's files, or the one above it")
    .option("--json", "print one JSON object");
  addTaskFlags(check, ["task", "data"]);
  check.action(async (what: string, folder: string | undefined, flags: { json?: boolean }) => {
    const { name, options } = taskOf(check, await dataOf(check, what, folder, signal));
    const [{ reportTask }, { renderTaskReport }] = await Promise.all([
      import("../datasets/check.js"),
      import("../render/task-report.js"),
    ]);
    const report = await refusalIsUsage(reportTask(name, { ...options, signal }));
    // The parent has a --json of its own, and takes the flag wherever it stands.
    if (flags.json || data.opts<{ json?: boolean }>().json) {
      await printJson({ command: "data check", ...report });
    } else await print(renderTaskReport(report));
  });

  data
    .command("get")
    .description("fetch a task's files from the Hugging Face hub")
    .argument("<task>", "name of the task")
    .argument("[folder]", "where to put them (default: data/<task>)")
    .option("--json", "print one JSON object")
    .action(async (task: string, folder: string | undefined, flags: { json?: boolean }) => {
      const known = TASK_NAMES.filter((name) => name !== "custom");
      if (!known.some((name) => name === task)) throw unknownTask(task, known);
      const target = folder ?? join("data", task);
      const [{ fetchDataset, HUB_DATASETS }, { createDownloadDisplay }] = await Promise.all([
        import("../hub/fetch-dataset.js"),
        import("../report/download.js"),
      ]);
      const { name = "", licence = "" } = HUB_DATASETS[task] ?? {};
      note(`${task} from ${name}\n${licence}`);
      const display = createDownloadDisplay(task);
      let files: readonly string[];
      try {
        files = await fetchDataset(task, target, { signal, onProgress: display.update });
      } finally {
        display.stop();
      }
      if (flags.json || data.opts<{ json?: boolean }>().json) {
        await printJson({ command: "data get", task, repository: name, licence, files });
      } else await print(`${files.join("\n")}\nr-at train --task ${task} --data ${target} ...`);
    });
}

/** A task's name, or a file. */
async function dataOf(
  command: Command,
  what: string,
  folder: string | undefined,
  signal: AbortSignal,
): Promise<Partial<RunConfig>> {
  const isTask = TASK_NAMES.some((name) => name === what);
  if (isTask) return { task: what as RunConfig["task"], ...(folder !== undefined && { data: folder }) };
  if (!existsSync(what) && !/[./\\]/.test(what)) throw unknownTask(what, TASK_NAMES);
  if (folder !== undefined)
    throw new UsageError(`Expected a task or a file but received ${what} and ${folder}`);
  return dataOfFile(what, givenRunFlags(command) as Partial<RunConfig>, signal);
}

function unknownTask(task: string, known: readonly string[]): UsageError {
  return new UsageError(`There is no task ${task}${didYouMean(task, known)}; there are ${known.join(", ")}`);
}

async function listTasks(json: boolean): Promise<void> {
  const { taskCatalogue } = await import("../datasets/registry.js");
  const tasks = taskCatalogue();
  if (json) {
    await printJson({ command: "data", tasks });
    return;
  }
  const { renderTable } = await import("../render/table.js");
  const rows = tasks.map(({ name, kind, labels, metrics }) => [name, kind, labels, metrics.join(", ")]);
  await print(renderTable(["task", "kind", "labels", "metrics"], rows));
  for (const { name, description, files, paperSplit } of tasks) {
    const paper = paperSplit === null ? [] : [`--split paper: ${paperSplit}`];
    await print([`\n${name}: ${description}`, ...files, ...paper].join("\n  "));
  }
  await print("\nFiles may be plain or .gz. r-at data check <task> <folder> looks at yours.");
}
