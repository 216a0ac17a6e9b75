/** The files that an experiment's folder holds beside its cells. */
import { arch, cpus, hostname, totalmem } from "node:os";
import { renderTable } from "../render/table.js";
import { commandLine } from "../run/provenance.js";
import { VERSION } from "../version.js";
import type { Cell } from "./cells.js";
import type { CellResult, ExperimentFolder } from "./folder.js";
import { renderExperiment } from "./render.js";
import type { ExperimentTable } from "./table.js";

/** Writes `table.md`, `table.csv`, `table.tex`, `table.json`, `cost.md` and `manifest.json`. */
export async function writeTables(
  folder: ExperimentFolder,
  table: ExperimentTable,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
): Promise<void> {
  await folder.write("table.md", renderExperiment(table, "markdown"));
  await folder.write("table.csv", renderExperiment(table, "csv"));
  await folder.write("table.tex", renderExperiment(table, "latex"));
  await folder.write("table.json", renderExperiment(table, "json"));
  await folder.write("cost.md", costs(table, cells, results));
  await folder.write("manifest.json", `${JSON.stringify(manifest(table, cells, results), null, 2)}\n`);
}

/** What the table leaves out, since no two machines agree on it. */
function costs(
  table: ExperimentTable,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
): string {
  const rows = table.entries.flatMap(({ group, row, column, passes, seeds }) => {
    const own = seeds.flatMap(({ hash }) => results.get(hash) ?? []);
    if (own.length === 0) return [];
    const mean = (of: (result: CellResult) => number) =>
      own.reduce((sum, result) => sum + of(result), 0) / own.length;
    const peak = Math.max(...own.map(({ summary }) => summary.peakMemoryBytes)) / 1e6;
    return [
      [
        ...[group, row, column, passes ?? "", own[0]?.summary.steps ?? ""],
        ...[mean(({ summary }) => summary.seconds).toFixed(1), peak.toFixed(0)],
      ],
    ];
  });
  const header = ["model", "method", "column", "passes", "steps", "seconds", "peak memory, MB"];
  const devices = [...new Set(cells.flatMap(({ hash }) => results.get(hash)?.summary.device ?? []))];
  return `# ${table.title}: what it took\n\nMean seconds of a run on ${devices.join(", ") || "no device yet"}; the most memory that one held.\n\n${renderTable(header, rows, { format: "markdown" })}\n`;
}

function manifest(
  table: ExperimentTable,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
): object {
  return {
    ...{ name: table.name, title: table.title, notes: table.notes },
    ...{ rAt: VERSION, node: process.versions.node },
    command: commandLine(process.argv),
    host: {
      name: hostname(),
      processor: cpus()[0]?.model ?? arch(),
      cores: cpus().length,
      memoryBytes: totalmem(),
    },
    cells: cells.map(({ hash, group, row, column, seed }) => {
      const provenance = results.get(hash)?.summary.provenance;
      const device = results.get(hash)?.summary.device;
      return { hash, model: group, method: row, column, seed, ...(provenance && { device, ...provenance }) };
    }),
  };
}
