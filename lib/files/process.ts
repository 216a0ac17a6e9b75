/** Which process holds a file, and whether it is still there. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";

/** A process on some machine. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one that was given the same id. */
  readonly started: string | null;
}

/** This process. */
export async function thisProcess(): Promise<Owner> {
  return { pid: process.pid, host: hostname(), started: await processStart(process.pid) };
}

/** Undefined for what is no owner. */
export function parseOwner(text: string): Owner | undefined {
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

/** Whether a process is known to have ended: one of this machine that is no longer there. */
export async function hasEnded(owner: Owner | undefined): Promise<boolean> {
  if (owner === undefined || owner.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to somebody else.
    return !(error instanceof Error && "code" in error && error.code === "EPERM");
  }
  const started = await processStart(owner.pid);
  return owner.started !== null && started !== null && owner.started !== started;
}

/** Start time in clock ticks since boot, field 22 of `/proc/PID/stat`; null where there is none. */
async function processStart(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field is the command in parentheses and may hold blanks.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}
