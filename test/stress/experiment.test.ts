/**
 * Eight workers share an experiment's folder and are killed at random moments: no cell is lost, none counts twice, and the table
 * is that of one worker that nobody disturbed, byte for byte. `RAT_STRESS` is the number of kills; fifty have two hundred cells.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeToy } from "../experiment/toy.js";

const { RAT_STRESS = "50" } = process.env;
const KILLS = Number(RAT_STRESS);
/** With four methods each; of a few kills fewer, for CI. */
const SEEDS = KILLS < 50 ? Math.ceil(KILLS / 2) : KILLS;
const WORKERS = 8;
const main = join(import.meta.dirname, "../../dist/cli/main.js");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "r-at-experiment-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test(`${WORKERS} workers, ${4 * SEEDS} cells, ${KILLS} kills`, { timeout: 3_600_000 }, async () => {
  const seeds = `[${Array.from({ length: SEEDS }, (_, i) => i).join(", ")}]`;
  const file = await writeToy(folder, { seeds });
  const output = join(folder, "shared");
  const args = (to: string) => [main, "experiment", "compare", file, "--output", to];
  let [kills, mayEnd, random] = [0, false, 12345];
  const next = () => {
    random = (random * 1103515245 + 12345) % 2147483648;
    return random / 2147483648;
  };
  /** Starts a worker again and again until one comes to its end. */
  const work = async (): Promise<void> => {
    for (;;) {
      const child = spawn(process.execPath, [...args(output), "--claim"], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      child.stderr.on("data", (data: Buffer) => {
        said += data;
      });
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
      // A kill while it starts proves nothing; most come in the middle of a cell.
      const timer = setTimeout(
        () => {
          if (kills >= KILLS) return;
          kills++;
          child.kill("SIGKILL");
        },
        2000 + 12_000 * next(),
      );
      const code = await ended;
      clearTimeout(timer);
      if (code === 0) mayEnd = true;
      if (mayEnd) return;
      expect({ code, said: code === null ? "" : said }).toEqual({ code: null, said: "" });
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  expect(kills).toBeGreaterThanOrEqual(KILLS / 4);

  const cells = await readdir(join(output, "cells"));
  expect(cells).toHaveLength(4 * SEEDS);
  for (const cell of cells) expect(await readdir(join(output, "cells", cell))).toContain("result.json");
  expect((await readdir(join(output, "claims"))).filter((name) => !name.startsWith("."))).toEqual([]);

  const alone = join(folder, "alone");
  await promisify(execFile)(process.execPath, [...args(alone), "--jobs", "2"], { maxBuffer: 1e8 });
  expect(await readFile(join(output, "table.md"), "utf8")).toBe(
    await readFile(join(alone, "table.md"), "utf8"),
  );
});
