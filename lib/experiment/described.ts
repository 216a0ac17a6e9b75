/** An experiment as its folder remembers it, so that it can be looked at while it runs and by who does not have its options. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathError } from "../errors.js";
import { commandLine } from "../run/provenance.js";
import type { Cell } from "./cells.js";
import { ExperimentFolder } from "./folder.js";
import { EXPERIMENT_FILE, type ExperimentPlan } from "./plan.js";
import { type ExperimentTable, tableOf } from "./table.js";

type DescribedCell = Pick<Cell, "hash" | "group" | "row" | "column" | "seed">;

interface Described extends Pick<ExperimentPlan, "name" | "title" | "notes" | "baselines" | "paper"> {
  readonly command: string;
  readonly cells: readonly DescribedCell[];
}

/** The content of `experiment.json`. */
export function describeExperiment(
  { name, title, notes, baselines, paper }: ExperimentPlan,
  cells: readonly Cell[],
): string {
  const described = cells.map(({ hash, group, row, column, seed, resolved }) => ({
    ...{ hash, group, row, column, seed, config: resolved },
  }));
  const command = commandLine(process.argv);
  return `${JSON.stringify({ name, title, notes, baselines, paper, command, cells: described }, null, 2)}\n`;
}

/** An experiment as far as it has come. */
export interface ReadExperiment {
  readonly table: ExperimentTable;
  readonly command: string;
  readonly cells: readonly DescribedCell[];
}

/** @throws RATError `ERR_RAT_PATH` for a folder that holds none. */
export async function readExperiment(path: string): Promise<ReadExperiment> {
  const text = await readFile(join(path, EXPERIMENT_FILE), "utf8").catch((cause: unknown) => {
    throw pathError(path, `${path} holds no experiment: there is no ${EXPERIMENT_FILE}`, cause);
  });
  const described = JSON.parse(text) as Described;
  const { results, failures } = await new ExperimentFolder(path).ended(described.cells);
  const { command, cells } = described;
  return { table: tableOf(described, cells, results, failures), command, cells };
}
