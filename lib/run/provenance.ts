/** Where a result comes from: which software, which data, which command. Stands in `config.json` and `summary.json`. */
import { readdir, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { shardsOf } from "../datasets/records.js";
import type { DataFile } from "../datasets/types.js";
import { hashFile, hashText } from "../files/checksum.js";
import { VERSION } from "../version.js";

/** What made a run. */
export interface Provenance {
  /** Version of this package. */
  readonly rAt: string;
  readonly libtorch: string;
  readonly node: string;
  /** ISO 8601, when the run (or what went on with it) began. */
  readonly date: string;
  readonly host: string;
  /** What the process was started with. */
  readonly command: string;
  /** Files that the task was read from; empty for examples of the caller's own. */
  readonly data: readonly (DataFile & {
    /** Hexadecimal; of a folder that of its files' names and hashes; null for what is gone by now. */
    readonly sha256: string | null;
  })[];
}

/** Of the files of a task: it is trained on again and again. */
const known = new WeakMap<readonly DataFile[], Promise<Provenance["data"]>>();
/** Read at once, of a folder that may hold tens of thousands. */
const PARALLEL_FILES = 32;

/** @param files - Those of the task, as `loadTask` read them. */
export async function describeProvenance(
  libtorch: string,
  files: readonly DataFile[] = [],
): Promise<Provenance> {
  const hashes = known.get(files) ?? hashAll(files);
  known.set(files, hashes);
  const data = await hashes;
  return {
    ...{ rAt: VERSION, libtorch, node: process.versions.node },
    ...{ date: new Date().toISOString(), host: hostname(), command: commandLine(process.argv), data },
  };
}

function hashAll(files: readonly DataFile[]): Promise<Provenance["data"]> {
  return Promise.all(
    files.map(async (file) => ({ ...file, sha256: await hashPath(file.path).catch(() => null) })),
  );
}

/** `r-at train tickets.csv --seed 2`, so that a shell takes it again. */
export function commandLine([node = "node", script, ...rest]: readonly string[]): string {
  const isOurs = /(^|[/\\])(r-at|dist[/\\]cli[/\\]main\.js)$/.test(script ?? "");
  const program = isOurs ? "r-at" : basename(script ?? node);
  return [program, ...rest].map(quote).join(" ");
}

function quote(word: string): string {
  return /^[\w./,:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Hexadecimal SHA-256 of a file, or of the names and hashes of a folder's files. */
export async function hashPath(path: string): Promise<string> {
  const isFolder = (await stat(path)).isDirectory();
  const files = isFolder ? await filesBelow(path) : shardsOf(path);
  if (!isFolder && files.length === 1) return hashFile(path);
  const base = isFolder ? path : dirname(path);
  const lines: string[] = [];
  for (let start = 0; start < files.length; start += PARALLEL_FILES) {
    const some = files.slice(start, start + PARALLEL_FILES);
    const line = async (file: string) => `${await hashFile(file)}  ${relative(base, file)}\n`;
    lines.push(...(await Promise.all(some.map(line))));
  }
  return hashText(lines.join(""));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
}
