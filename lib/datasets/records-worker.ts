/**
 * The worker thread that reads one file of records as a whole: Parquet, or a JSON array. Decoding blocks, so it happens
 * here; rows cross in slices that the owner copies in well under a millisecond.
 */
import { open } from "node:fs/promises";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { serve } from "../worker/server.js";
import { formatError, pathError } from "./data-error.js";
import { readBlocks } from "./text-file.js";

/** What the worker starts with. */
export interface RecordsWorkerData {
  readonly path: string;
  readonly format: "parquet" | "json";
}

export type Row = Readonly<Record<string, unknown>>;

/** The calls that the worker answers. */
export interface RecordsCalls {
  /** `classes`: names of the classes of a column, by number, where the file tells. */
  describe: {
    input: null;
    output: { rows: number; classes: Readonly<Record<string, readonly string[]>> };
  };
  /** Rows from `start` on: at least one if there is any, and no more than `count`. */
  read: { input: { start: number; count: number }; output: { rows: readonly Row[] } };
}

/** An opened file. */
interface Records {
  readonly rows: number;
  readonly classes: Readonly<Record<string, readonly string[]>>;
  readonly read: (start: number, count: number) => Promise<readonly Row[]>;
}

serve<RecordsWorkerData, RecordsCalls>(async ({ path, format }) => {
  const records = await (format === "parquet" ? openParquet(path) : openJson(path));
  return {
    describe: () => ({ rows: records.rows, classes: records.classes }),
    read: async ({ start, count }) => ({ rows: await records.read(start, count) }),
  };
});

const MAGIC = "PAR1";

async function openParquet(path: string): Promise<Records> {
  await checkMagic(path);
  const place = { file: path, line: 1 };
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    // Decoded group by group: a page in the middle of one cannot be had without those before it.
    const groups: { readonly start: number; readonly end: number }[] = [];
    for (const { num_rows } of metadata.row_groups) {
      const start = groups.at(-1)?.end ?? 0;
      groups.push({ start, end: start + Number(num_rows) });
    }
    let current: { readonly start: number; readonly rows: readonly Row[] } | undefined;
    return {
      rows: Number(metadata.num_rows),
      classes: classNames(metadata.key_value_metadata ?? []),
      async read(start, count) {
        const group = groups.find((each) => start >= each.start && start < each.end);
        if (!group) return [];
        try {
          if (current?.start !== group.start) {
            const { start: rowStart, end: rowEnd } = group;
            const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
            current = { start: group.start, rows };
          }
        } catch (error) {
          throw damaged({ file: path, line: start + 1 }, error);
        }
        return current.rows.slice(start - group.start, start - group.start + count).map(plainRow);
      },
    };
  } catch (error) {
    throw damaged(place, error);
  }
}

async function checkMagic(path: string): Promise<void> {
  const handle = await open(path, "r").catch((error: unknown) => {
    throw pathError(error, path);
  });
  try {
    const { size } = await handle.stat();
    const ends = await Promise.all(
      [0, Math.max(0, size - MAGIC.length)].map(async (position) => {
        const { buffer } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, position);
        return buffer.toString("latin1");
      }),
    );
    if (size > 2 * MAGIC.length && ends.every((end) => end === MAGIC)) return;
  } catch (error) {
    throw pathError(error, path);
  } finally {
    await handle.close();
  }
  throw formatError(
    { file: path, line: 1 },
    "this is not a Parquet file, or it is cut short; fetch it again",
  );
}

function damaged(place: { file: string; line: number }, error: unknown): unknown {
  const known = pathError(error, place.file);
  if (known !== error) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return formatError(place, `damaged Parquet data (${reason}); fetch the file again`, error);
}

/** `datasets` of Hugging Face describes its columns in the file: numbers of a `ClassLabel` stand for names. */
function classNames(
  metadata: readonly { readonly key: string; readonly value?: string | undefined }[],
): Record<string, readonly string[]> {
  const text = metadata.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return {};
  let features: unknown;
  try {
    features = (JSON.parse(text) as { info?: { features?: unknown } } | null)?.info?.features;
  } catch {
    return {}; // A remark that cannot be read says nothing; the numbers stay.
  }
  const named = Object.entries(typeof features === "object" && features !== null ? features : {}).map(
    ([column, feature]) => [column, (feature as { names?: unknown } | null)?.names] as const,
  );
  return Object.fromEntries(named.filter((entry): entry is [string, string[]] => Array.isArray(entry[1])));
}

/** 64-bit integers as numbers: labels and ids are small. */
function plainRow(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]),
  );
}

async function openJson(path: string): Promise<Records> {
  const blocks: Buffer[] = [];
  for await (const { bytes } of readBlocks(path)) blocks.push(bytes);
  let rows: unknown;
  try {
    rows = JSON.parse(Buffer.concat(blocks).toString("utf8"));
  } catch (error) {
    throw formatError({ file: path, line: 1 }, `not JSON: ${(error as Error).message}`, error);
  }
  if (!Array.isArray(rows)) throw formatError({ file: path, line: 1 }, "expected an array of objects");
  const stranger = rows.findIndex((row) => typeof row !== "object" || row === null || Array.isArray(row));
  if (stranger >= 0) {
    throw formatError(
      { file: path, line: 1 },
      `expected objects in the array, but entry ${stranger} is none`,
    );
  }
  const read = async (start: number, count: number) => rows.slice(start, start + count) as Row[];
  return { rows: rows.length, classes: {}, read };
}
