/**
 * Files that are complete or not there at all: every byte written and counted, fsynced, then renamed into place. (The
 * usual packages for this ignore short writes: on a full disk they replace a good file by a truncated one.)
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fromNative, RATError } from "../errors.js";

/** A single write takes less than 2^31 bytes; smaller pieces also let other work in between. */
const WRITE_BYTES = 2 ** 26;

/** Writes a new file completely and fsyncs it. The name must be free. */
export async function writeNewFile(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const file = await open(path, "wx");
  try {
    await writeFully(file, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const length = Math.min(bytes.length - offset, WRITE_BYTES);
    const { bytesWritten } = await file.write(bytes, offset, length);
    if (bytesWritten <= 0) throw new Error(`wrote ${offset} of ${bytes.length} bytes`);
    offset += bytesWritten;
  }
}

/**
 * Makes a folder and those above it that are missing. (Where none can be made, as below `/proc`, Node's own recursive
 * `mkdir` tries for ever, and holds the process while it does.)
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isFolder(folder)); folder = dirname(folder)) {
    if (folder === dirname(folder)) break;
    missing.unshift(folder);
  }
  for (const folder of missing) {
    await mkdir(folder).catch(async (error: unknown) => {
      if (!(await isFolder(folder))) throw error; // else somebody else was faster
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}

/** Makes the renames and new names in a folder last. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Replaces the file at `path`, or leaves the old one as it was.
 *
 * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`.
 */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = temporarySibling(path);
  try {
    await writeNewFile(temporary, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await remove(temporary);
    throw writeError(path, cause);
  }
}

/**
 * Creates a file complete with its content, so that nobody reads an empty one.
 *
 * @returns Whether there was none: of several that want to, one does.
 * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`.
 */
export async function createFile(path: string, content: string): Promise<boolean> {
  const temporary = temporarySibling(path);
  try {
    await writeNewFile(temporary, content);
    await link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw writeError(path, error);
  } finally {
    await remove(temporary);
  }
}

/** Clears away what a failed write left; failing at that must not hide why the write failed. */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** A name beside `path`, so that renaming never crosses file systems. */
export function temporarySibling(path: string, purpose = "tmp"): string {
  return join(
    dirname(path),
    `.${basename(path)}.${purpose}-${process.pid}-${randomBytes(4).toString("hex")}`,
  );
}

const LEFTOVER = /^\.(.+)\.(tmp|old)-\d+-[0-9a-f]{8}$/;

/**
 * Puts back what stepped aside in `folder` for a new one of `names` that a kill kept from taking its place.
 * {@link removeLeftovers} deletes it otherwise. Nobody else may be writing there.
 */
export async function putBack(folder: string, names: RegExp): Promise<void> {
  const entries = await readdir(folder);
  for (const entry of entries) {
    const [, name, purpose] = LEFTOVER.exec(entry) ?? [];
    if (name !== undefined && purpose === "old" && names.test(name) && !entries.includes(name))
      await rename(join(folder, entry), join(folder, name));
  }
}

/**
 * Deletes what writers that were killed left in `folder` on the way to one of `names`. Nobody else may be writing there.
 */
export async function removeLeftovers(folder: string, names: RegExp): Promise<void> {
  for (const entry of await readdir(folder)) {
    const name = LEFTOVER.exec(entry)?.[1];
    if (name !== undefined && names.test(name)) await remove(join(folder, entry));
  }
}

/** What a failed write is reported as; an error that already says what it is, an abort for one, stays itself. */
export function writeError(path: string, cause: unknown): RATError {
  const known = fromNative(cause);
  if (known.code !== "ERR_RAT_INTERNAL") return known;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RATError(
    "ERR_RAT_CHECKPOINT_WRITE",
    `${path} could not be written: ${reason}. What stood there before is intact; free some space or choose another folder`,
    { cause, details: { file: path } },
  );
}
