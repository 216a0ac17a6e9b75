/**
 * One run at a time in an output folder: a file that names the process that works there. The lock of a process that is
 * gone is taken over.
 */
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { RATError } from "../errors.js";
import { remove, temporarySibling, writeError } from "./durable-file.js";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one that was given the same id. */
  readonly started: string | null;
}

/** A lock that is held. */
export interface FolderLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes the lock of `folder`, which must exist.
 *
 * @throws RATError `ERR_RAT_LOCKED` when another run works there; `ERR_RAT_CHECKPOINT_WRITE` when the folder cannot be
 *   written to.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, ".lock");
  const me: Owner = { pid: process.pid, host: hostname(), started: await processStart(process.pid) };
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await create(path, JSON.stringify(me))) {
      let isHeld = true;
      return {
        release: async () => {
          if (isHeld) await rm(path, { force: true });
          isHeld = false;
        },
      };
    }
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const owner = parseOwner(text);
    if (await isAlive(owner)) throw locked(folder, path, owner);
    await removeStale(path, text, folder);
  }
  throw locked(folder, path, undefined);
}

/** Creates the lock complete with its content, so that nobody reads an empty one; false if there is one. */
async function create(path: string, content: string): Promise<boolean> {
  const temporary = temporarySibling(path);
  try {
    await writeFile(temporary, content, { flag: "wx" });
    await link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw writeError(path, error);
  } finally {
    await remove(temporary);
  }
}

/**
 * Takes a stale lock out of the way. Between reading and renaming another process may have done so and taken the lock:
 * then what was renamed is its lock, and it is put back.
 */
async function removeStale(path: string, staleText: string, folder: string): Promise<void> {
  const aside = temporarySibling(path, "stale");
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const text = await readFile(aside, "utf8");
  if (text !== staleText) {
    await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
    throw locked(folder, path, parseOwner(text));
  }
  await rm(aside, { force: true });
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { pid, host, started } = value as Partial<Record<keyof Owner, unknown>>;
    if (typeof pid !== "number" || typeof host !== "string") return undefined;
    return { pid, host, started: typeof started === "string" ? started : null };
  } catch {
    return undefined;
  }
}

/** A lock that cannot be read, or that another machine wrote, may be in use. */
async function isAlive(owner: Owner | undefined): Promise<boolean> {
  if (owner === undefined || owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to somebody else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  const started = await processStart(owner.pid);
  return owner.started === null || started === null || owner.started === started;
}

/** Start time in clock ticks since boot, field 22 of `/proc/PID/stat`; null where there is none. */
async function processStart(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field is the command in parentheses and may hold blanks.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

function locked(folder: string, path: string, owner: Owner | undefined): RATError {
  const who = owner ? `process ${owner.pid} on ${owner.host}` : "another process";
  return new RATError(
    "ERR_RAT_LOCKED",
    `${folder} is in use by ${who}. Choose another folder, wait for that run, or delete ${path} if it is gone`,
    { details: { file: path } },
  );
}
