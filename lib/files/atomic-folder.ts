/** Folders that are complete or not there at all: filled under another name beside the target, then renamed. */
import { access, mkdir, open, readdir, rename } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { makeFolder, putBack, remove, syncFolder, temporarySibling, writeError } from "./durable-file.js";

/**
 * Fills a temporary folder beside `path`, makes it last, and puts it at `path`. A folder that stood there is replaced;
 * if anything fails it stays as it was.
 *
 * @param fill - Writes the files, flat, into the folder that it is given.
 * @throws RATError `ERR_RAT_CHECKPOINT_WRITE`, or the error of `fill` if that has a code.
 */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(path);
  const temporary = temporarySibling(target);
  try {
    await makeFolder(dirname(target));
    await putBack(dirname(target), nameOf(target));
    await mkdir(temporary);
    await fill(temporary);
    await syncContents(temporary);
    await moveInto(temporary, target);
    await syncFolder(dirname(target));
  } catch (cause) {
    await remove(temporary);
    throw writeError(path, cause);
  }
}

/** Matches the last part of a path alone. */
function nameOf(path: string): RegExp {
  return new RegExp(`^${basename(path).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}

async function syncContents(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = await open(join(folder, name), "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(folder);
}

/** A folder cannot be renamed over another that has files, so the old one steps aside first and comes back on failure. */
async function moveInto(temporary: string, target: string): Promise<void> {
  if (!(await exists(target))) return rename(temporary, target);
  const aside = temporarySibling(target, "old");
  await rename(target, aside);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rename(aside, target);
    throw error;
  }
  await remove(aside);
}

/** Whether there is anything at `path`. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
