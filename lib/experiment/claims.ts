/**
 * Who works on which cell, for any number of workers that share a folder, on any number of machines.
 *
 * A claim is a file that is created exclusively, `claims/HASH.1`, and whose time its owner renews. When it is no longer
 * renewed, or its owner is known to have ended, the next one creates `HASH.2`, exclusively too; whoever has the highest number
 * works. Nothing is renamed or deleted under another's hands, so that no two take over at once; and one that was only slow
 * finds the higher number before it publishes anything.
 */
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createFile, makeFolder } from "../files/durable-file.js";
import { hasEnded, parseOwner, thisProcess } from "../files/process.js";

/** A cell that this process works on. */
export interface Claim {
  /** Whether nobody has taken over. */
  isHeld(): Promise<boolean>;
  /** Gives the cell back. Idempotent. */
  release(): Promise<void>;
}

export interface ClaimOptions {
  /** After so many milliseconds without a sign of life a claim is anybody's. Default: a minute. */
  readonly leaseMs?: number | undefined;
}

const LEASE_MS = 60_000;

/** Takes a cell, or null if somebody works on it. */
export async function claimCell(
  folder: string,
  hash: string,
  { leaseMs = LEASE_MS }: ClaimOptions = {},
): Promise<Claim | null> {
  const claims = join(folder, "claims");
  await makeFolder(claims);
  const highest = await highestOf(claims, hash);
  if (highest > 0 && !(await isStale(claims, fileOf(claims, hash, highest), leaseMs))) return null;
  const mine = highest + 1;
  const path = fileOf(claims, hash, mine);
  const content = JSON.stringify(await thisProcess());
  if (!(await createFile(path, content))) return null;
  const heartbeat = setInterval(() => void renew(path, content), leaseMs / 4);
  heartbeat.unref();
  return {
    isHeld: async () => (await highestOf(claims, hash)) === mine,
    release: async () => {
      clearInterval(heartbeat);
      await rm(path, { force: true });
    },
  };
}

/** Deletes what is left of a finished cell's claims. */
export async function forgetClaims(folder: string, hash: string): Promise<void> {
  const claims = join(folder, "claims");
  for (const name of await namesOf(claims, hash)) await rm(join(claims, name), { force: true });
}

const fileOf = (claims: string, hash: string, number: number) => join(claims, `${hash}.${number}`);

async function namesOf(claims: string, hash: string): Promise<string[]> {
  const names = await readdir(claims).catch(() => []);
  return names.filter((name) => name.startsWith(`${hash}.`));
}

/** 0: there is none. */
async function highestOf(claims: string, hash: string): Promise<number> {
  const numbers = (await namesOf(claims, hash)).map((name) => Number(name.slice(hash.length + 1)));
  return Math.max(0, ...numbers.filter(Number.isSafeInteger));
}

/** By the clock of the folder's file system, which all workers share. */
async function isStale(claims: string, path: string, leaseMs: number): Promise<boolean> {
  try {
    if (await hasEnded(parseOwner(await readFile(path, "utf8")))) return true;
    const clock = join(claims, `.clock-${process.pid}`);
    await writeFile(clock, "");
    const [now, renewed] = await Promise.all([stat(clock), stat(path)]);
    return now.mtimeMs - renewed.mtimeMs > leaseMs;
  } catch {
    return false; // released just now: next time
  }
}

/** Writes over it what stands there, so that its time is the file system's own and not this machine's. */
async function renew(path: string, content: string): Promise<void> {
  // One that is gone was given up, and must not come back.
  await writeFile(path, content, { flag: "r+" }).catch(() => undefined);
}
