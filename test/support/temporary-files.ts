/**
 * Gives all tests one folder for temporary files, and removes it behind them: in memory where there is room, because tests write
 * thousands of small files, most of them durably (fsync), and a disk takes a tenth of their time.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** Ten times what the tests leave behind; containers have 64 MB. */
const ROOM_BYTES = 1e9;

/** Some tests run what they write; a folder in memory may forbid it. */
function runsPrograms(folder: string): boolean {
  const program = join(folder, "program");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  return spawnSync(program).status === 0;
}

function inMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize < ROOM_BYTES) return undefined;
    const folder = mkdtempSync(join(MEMORY, "r-at-tests-"));
    if (runsPrograms(folder)) return folder;
    rmSync(folder, { recursive: true });
  } catch {
    // No such folder, or none that may be written to.
  }
  return undefined;
}

export default function setup(): () => void {
  const { TMPDIR } = process.env;
  // Who has chosen a folder keeps it.
  const folder = (TMPDIR === undefined && inMemory()) || mkdtempSync(join(tmpdir(), "r-at-tests-"));
  Object.assign(process.env, { TMPDIR: folder });
  return () => rmSync(folder, { recursive: true, force: true });
}
