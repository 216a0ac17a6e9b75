/** Files whose rows are objects with named columns: JSON lines, a JSON array, Parquet in one file or in shards. */
import { throwIfAborted } from "../errors.js";
import { WorkerClient } from "../worker/client.js";
import { formatError } from "./data-error.js";
import { type JsonRow, readJsonLines } from "./jsonl.js";
import type { RecordsCalls, RecordsWorkerData } from "./records-worker.js";
import { type ReadOptions, readLines } from "./text-file.js";

const WORKER = new URL("./records-worker.js", import.meta.url);
/** Rows that cross at once. */
const SLICE = 500;

/**
 * The rows of a file; `line` is the line of JSON lines, elsewhere the number of the row. Of a Parquet file that is the
 * first of several shards (`...-00000-of-00003.parquet`) the others follow.
 *
 * Numbers of a column whose classes the file names (`ClassLabel` of Hugging Face) are given as these names; -1 stays.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for what is damaged or no such file; `ERR_RAT_PATH` for a file, or a shard, that
 *   is missing; and as `readLines`.
 */
export async function* readRecords(
  path: string,
  syntax: "jsonl" | "parquet",
  options: ReadOptions = {},
): AsyncGenerator<JsonRow> {
  if (syntax === "parquet") for (const shard of shardsOf(path)) yield* readWhole(shard, "parquet", options);
  else if (await isArray(path, options)) yield* readWhole(path, "json", options);
  else yield* readJsonLines(path, options);
}

/** A file and, if it is the first of several shards, the others. */
export function shardsOf(path: string): string[] {
  const count = Number(/-00000-of-(\d{5})\.parquet$/.exec(path)?.[1] ?? 1);
  const shard = (index: number) =>
    path.replace(/-00000(-of-\d{5}\.parquet)$/, `-${String(index).padStart(5, "0")}$1`);
  return Array.from({ length: Math.max(count, 1) }, (_, index) => shard(index));
}

/** Whether the file is one JSON array; its first character tells. */
async function isArray(path: string, options: ReadOptions): Promise<boolean> {
  for await (const { text } of readLines(path, options)) {
    if (text.trim() === "") continue;
    return text.trimStart().startsWith("[");
  }
  return false;
}

async function* readWhole(
  path: string,
  format: RecordsWorkerData["format"],
  { signal }: ReadOptions,
): AsyncGenerator<JsonRow> {
  const worker = new WorkerClient<RecordsWorkerData, RecordsCalls>(WORKER, { path, format }, "reader");
  try {
    throwIfAborted(signal);
    const { rows: total, classes } = await worker.call("describe", null);
    const named = Object.entries(classes);
    for (let start = 0; start < total; ) {
      throwIfAborted(signal);
      const { rows } = await worker.call("read", { start, count: SLICE });
      if (rows.length === 0) throw formatError({ file: path, line: start + 1 }, "the file ends too early");
      for (const row of rows) {
        const names = named.flatMap(([column, list]) => {
          const name = list[Number(row[column] ?? -1)];
          return name === undefined ? [] : [[column, name] as const];
        });
        yield { value: { ...row, ...Object.fromEntries(names) }, line: ++start };
      }
    }
  } finally {
    await worker.dispose();
  }
}
