import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RunLog } from "#dist/run/run-log.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "r-at-log-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lines = async (path: string) =>
  (await readFile(path, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

describe("RunLog", () => {
  it("writes one object a line, in order, however fast they come", async () => {
    const path = join(folder, "log.jsonl");
    const log = await RunLog.open(path);
    for (let step = 0; step < 2000; step++) {
      log.write({ type: "step", step });
      if (step % 500 === 0) await log.flush();
    }
    await log.close();
    const written = await lines(path);
    expect(written).toHaveLength(2000);
    expect(written.map((event) => (event as { step: number }).step)).toEqual([...Array(2000).keys()]);
  });

  it("has everything in the file after flush, while still open", async () => {
    const path = join(folder, "log.jsonl");
    const log = await RunLog.open(path);
    log.write({ a: 1 });
    log.write({ a: 2 });
    await log.flush();
    expect(await lines(path)).toEqual([{ a: 1 }, { a: 2 }]);
    await log.close();
  });

  it("appends when asked to, and empties the file otherwise", async () => {
    const path = join(folder, "log.jsonl");
    for (const [append, value] of [
      [false, 1],
      [true, 2],
      [true, 3],
    ] as const) {
      const log = await RunLog.open(path, { append });
      log.write({ value });
      await log.close();
    }
    expect(await lines(path)).toEqual([{ value: 1 }, { value: 2 }, { value: 3 }]);
    await (await RunLog.open(path)).close();
    expect(await readFile(path, "utf8")).toBe("");
  });

  it("keeps a line whole when a text holds line breaks, and writes NaN as null", async () => {
    const path = join(folder, "log.jsonl");
    const log = await RunLog.open(path);
    log.write({ message: "a\nb\u2028c", loss: Number.NaN });
    await log.close();
    expect(await lines(path)).toEqual([{ message: "a\nb\u2028c", loss: null }]);
  });

  it("may be closed twice", async () => {
    const log = await RunLog.open(join(folder, "log.jsonl"));
    await log.close();
    await expect(log.close()).resolves.toBeUndefined();
  });

  it("bad call - a folder that does not exist", async () => {
    await expect(RunLog.open(join(folder, "absent", "log.jsonl"))).rejects.toMatchObject({
      name: "RATError",
      code: "ERR_RAT_PATH",
    });
  });

  it("bad call - writing after close", async () => {
    const log = await RunLog.open(join(folder, "log.jsonl"));
    await log.close();
    expect(() => log.write({})).toThrow(expect.objectContaining({ code: "ERR_RAT_DISPOSED" }));
  });

  // /dev/full takes the open and refuses every write, as a full disk does.
  it.runIf(process.platform === "linux")(
    "expected failure - a full disk surfaces at flush, write and close",
    async () => {
      const log = await RunLog.open("/dev/full", { append: true });
      log.write({ a: 1 });
      const full = { code: "ERR_RAT_CHECKPOINT_WRITE", message: expect.stringContaining("ENOSPC") };
      await expect(log.flush()).rejects.toMatchObject(full);
      expect(() => log.write({ a: 2 })).toThrow(expect.objectContaining(full));
      await expect(log.close()).rejects.toMatchObject(full);
    },
  );
});
