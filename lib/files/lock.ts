/**
 * One run at a time in an output folder: a file that names the process that works there. The lock of a process that is
 * gone is taken over.
 */
import { link, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RATError } from "../errors.js";
import { createFile, temporarySibling } from "./durable-file.js";
import { hasEnded, type Owner, parseOwner, thisProcess } from "./process.js";

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
  const me = await thisProcess();
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await createFile(path, JSON.stringify(me))) {
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
    // One that cannot be read, or that another machine wrote, may be in use.
    if (!(await hasEnded(owner))) throw locked(folder, path, owner);
    await removeStale(path, text, folder);
  }
  throw locked(folder, path, undefined);
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

function locked(folder: string, path: string, owner: Owner | undefined): RATError {
  const who = owner ? `process ${owner.pid} on ${owner.host}` : "another process";
  return new RATError(
    "ERR_RAT_LOCKED",
    `${folder} is in use by ${who}. Choose another folder, wait for that run, or delete ${path} if it is gone`,
    { details: { file: path } },
  );
}
