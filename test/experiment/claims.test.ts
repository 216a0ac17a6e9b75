/** A cell has one worker at a time, whoever dies, and whoever is only slow. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimCell, forgetClaims } from "#dist/experiment/claims.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r-at-claims-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As a worker left it that is gone. */
async function leave(name: string, owner: object, secondsAgo = 0): Promise<void> {
  await mkdir(join(folder, "claims"), { recursive: true });
  const path = join(folder, "claims", name);
  await writeFile(path, JSON.stringify(owner));
  const then = Date.now() / 1000 - secondsAgo;
  await utimes(path, then, then);
}

test("of many that want a cell one has it, and the next when it is given back", async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimCell(folder, "a")));
  const held = claims.filter((claim) => claim !== null);
  expect(held).toHaveLength(1);
  expect(await held[0]?.isHeld()).toBe(true);
  expect(await claimCell(folder, "b")).not.toBeNull();
  await held[0]?.release();
  await held[0]?.release();
  expect(await claimCell(folder, "a")).not.toBeNull();
});

test("of many that find a dead worker's cell one has it", async () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  await leave("a.1", { pid, host: hostname(), started: "1" });
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimCell(folder, "a")));
  expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
});

test("another machine's claim stands until its lease is over; its owner then knows that it has lost", async () => {
  const far = { pid: 1, host: "another", started: "1" };
  await leave("a.1", far, 30);
  expect(await claimCell(folder, "a", { leaseMs: 60_000 })).toBeNull();
  expect(await claimCell(folder, "a", { leaseMs: 20_000 })).not.toBeNull();
  const slow = await claimCell(folder, "b", { leaseMs: 1e9 });
  const path = join(folder, "claims", "b.1");
  await utimes(path, 1, 1);
  await writeFile(path, JSON.stringify(far));
  await utimes(path, 1, 1);
  const next = await claimCell(folder, "b", { leaseMs: 20_000 });
  expect(await next?.isHeld()).toBe(true);
  expect(await slow?.isHeld()).toBe(false);
});

test("a claim is renewed while its worker lives", async () => {
  const claim = await claimCell(folder, "a", { leaseMs: 200 });
  await new Promise((resolve) => setTimeout(resolve, 700));
  // As seen from another machine, which knows the lease alone.
  await writeFile(join(folder, "claims", "a.1"), JSON.stringify({ pid: 1, host: "another", started: "1" }), {
    flag: "r+",
  });
  expect(await claimCell(folder, "a", { leaseMs: 200 })).toBeNull();
  await claim?.release();
});

test("nothing is left of a finished cell's claims", async () => {
  await leave("a.1", { pid: 1, host: "another", started: "1" }, 100);
  const claim = await claimCell(folder, "a", { leaseMs: 20_000 });
  await forgetClaims(folder, "a");
  await claim?.release();
  const names = await readdir(join(folder, "claims"));
  expect(names.filter((name) => name.startsWith("a."))).toEqual([]);
});
