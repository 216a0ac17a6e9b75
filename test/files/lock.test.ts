import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { lockFolder } from "#dist/files/lock.js";
import { expectRATError, temporaryFolder } from "../trainer/toy.js";

const write = (folder: string, owner: unknown) => writeFile(join(folder, ".lock"), JSON.stringify(owner));

it("names its process, and is gone when released", async () => {
  const folder = await temporaryFolder();
  const lock = await lockFolder(folder);
  expect(JSON.parse(await readFile(join(folder, ".lock"), "utf8"))).toMatchObject({
    pid: process.pid,
    host: hostname(),
  });
  await lock.release();
  await lock.release();
  expect(await readdir(folder)).toEqual([]);
});

it("bad call - twice", async () => {
  const folder = await temporaryFolder();
  const lock = await lockFolder(folder);
  await expectRATError(() => lockFolder(folder), "ERR_RAT_LOCKED", new RegExp(`process ${process.pid}`));
  await lock.release();
  await (await lockFolder(folder)).release();
});

it("a second release does not free the lock of somebody else", async () => {
  const folder = await temporaryFolder();
  const first = await lockFolder(folder);
  await first.release();
  const second = await lockFolder(folder);
  await first.release();
  expect(await readdir(folder)).toEqual([".lock"]);
  await second.release();
});

it("of many at once one gets it, a stale one lying there or not", async () => {
  for (const stale of [false, true]) {
    const folder = await temporaryFolder();
    if (stale) await write(folder, { pid: 2 ** 30, host: hostname(), started: null });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    const taken = results.filter(({ status }) => status === "fulfilled");
    expect(taken).toHaveLength(1);
    expect(await readdir(folder)).toEqual([".lock"]);
  }
});

it("a dead process's lock is taken over", async () => {
  const folder = await temporaryFolder();
  const { stdout } = await promisify(execFile)(process.execPath, ["-p", "process.pid"]);
  await write(folder, { pid: Number(stdout), host: hostname(), started: null });
  await (await lockFolder(folder)).release();
});

it.runIf(process.platform === "linux")("so is that of a process whose id was given to another", async () => {
  const folder = await temporaryFolder();
  await write(folder, { pid: process.pid, host: hostname(), started: "1" });
  await (await lockFolder(folder)).release();
});

it("bad call - a lock of another machine, and one that cannot be read", async () => {
  const folder = await temporaryFolder();
  await write(folder, { pid: 2 ** 30, host: "elsewhere", started: null });
  await expectRATError(() => lockFolder(folder), "ERR_RAT_LOCKED", /on elsewhere.*delete/);
  await writeFile(join(folder, ".lock"), "half a lo");
  await expectRATError(() => lockFolder(folder), "ERR_RAT_LOCKED", /another process/);
});

it("bad call - a folder that is not there", async () => {
  await expectRATError(() => lockFolder("no/such/folder"), "ERR_RAT_CHECKPOINT_WRITE");
});
