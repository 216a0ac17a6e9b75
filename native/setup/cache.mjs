// The package's own folder in the user's cache: where it is, what lies there, and how a LibTorch gets into it. A copy
// is put together beside its final place and renamed, under a lock, so that one that is there is complete.
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SetupProblem } from "./problem.mjs";

/** The cache folder: `RAT_CACHE`, else `r-at` in `XDG_CACHE_HOME`, else `~/.cache/r-at`. */
export function cacheFolder(env = process.env) {
  if (env.RAT_CACHE) return resolve(env.RAT_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "r-at");
}

/** Where the LibTorch copies to run with lie. */
export const libtorchFolder = (env) => join(cacheFolder(env), "libtorch");

/** Where copies to compile against, but not to run with, lie. */
export const cudaCheckFolder = (env) => join(cacheFolder(env), "cuda-check");

/** Names of the complete copies in one of these folders, in order. */
export function copiesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .sort();
}

/** The folder with `include/` and `lib/` in a copy: a wheel has `torch/`, an official archive `libtorch/`. */
export function libtorchIn(folder) {
  return ["torch", "libtorch", "."]
    .map((name) => join(folder, name))
    .find((path) => existsSync(join(path, "lib")));
}

/** Bytes of everything below `folder`; 0 if it is not there. */
export function sizeOf(folder) {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += sizeOf(path);
    else if (entry.isFile()) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

/**
 * Puts a copy called `name` into `parent`, a folder of the cache, unless a usable one is there by the time the lock is held (another set-up
 * may have been quicker). One that is there and not usable is replaced.
 *
 * @param {string} parent
 * @param {string} name
 * @param {{ fill: (folder: string) => Promise<void>, isUsable: (folder: string) => Promise<boolean> }} copy
 *   `fill` fills an empty folder, and throws to give up
 * @param {(message: string) => void} say
 * @returns {Promise<string>} the copy's folder
 */
export async function publish(parent, name, { fill, isUsable }, say) {
  const place = join(parent, name);
  makeFolder(parent);
  const release = await lock(join(parent, ".lock"), say);
  try {
    // Whoever holds the lock owns every half-made copy: those left here were interrupted.
    for (const left of readdirSync(parent)) {
      if (left.startsWith(".partial-")) rmSync(join(parent, left), { recursive: true, force: true });
    }
    if (existsSync(place) && (await isUsable(place))) return place;
    rmSync(place, { recursive: true, force: true });
    const partial = join(parent, `.partial-${name}-${randomUUID().slice(0, 8)}`);
    mkdirSync(partial);
    try {
      await fill(partial);
      renameSync(partial, place);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    return place;
  } finally {
    release();
  }
}

function makeFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new SetupProblem(
      `The cache folder ${folder} cannot be made: ${error.message}`,
      "RAT_CACHE=/a/folder/you/may/write npx r-at setup",
    );
  }
}

/** How often the holder says that it lives, and after how long without that it is taken for dead. */
const BEAT_MS = 10_000;
const DEAD_MS = 120_000;

/** A lock held across processes by a folder, because making one is atomic everywhere, NFS included. */
async function lock(folder, say) {
  const owner = join(folder, "owner.json");
  for (let announced = false; ; ) {
    try {
      mkdirSync(folder);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned(folder, owner)) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    if (!announced) say(`waiting for another set-up that is filling the cache (${folder})`);
    announced = true;
    await sleep(500);
  }
  writeFileSync(owner, JSON.stringify({ pid: process.pid, host: hostname() }));
  const beat = setInterval(() => utimesSync(folder, new Date(), new Date()), BEAT_MS);
  beat.unref();
  return () => {
    clearInterval(beat);
    rmSync(folder, { recursive: true, force: true });
  };
}

function isAbandoned(folder, owner) {
  const touched = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
  if (touched === undefined) return false;
  if (Date.now() - touched > DEAD_MS) return true;
  try {
    const { pid, host } = JSON.parse(readFileSync(owner, "utf8"));
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // ESRCH: the process is gone. Otherwise the owner is just being written, or is another user's: alive.
    return error.code === "ESRCH";
  }
}
