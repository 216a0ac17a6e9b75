/**
 * The page of a run in headless Chromium: it opens from the disk, draws, says nothing on the console and asks no server, wide and
 * narrow, light and dark.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../cli/cli.js";
import { toyTraining, writeToy } from "../experiment/toy.js";

const { RAT_CHROMIUM = "chromium" } = process.env;
let folder: string;
let page: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "r-at-browser-"));
  await writeToy(folder);
  const output = join(folder, "run");
  const trained = await run(toyTraining(folder, output));
  expect(trained.code).toBe(0);
  const { code, stdout } = await run(["report", output]);
  expect(code).toBe(0);
  page = stdout.trim();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What Chromium has on its console goes to stderr. */
async function open(...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  const quiet = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
  ];
  return promisify(execFile)(
    RAT_CHROMIUM,
    [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-sync", ...quiet],
      ...[
        `--user-data-dir=${join(folder, "profile")}`,
        "--enable-logging=stderr",
        ...flags,
        `file://${page}`,
      ],
    ],
    { timeout: 60_000, maxBuffer: 1e8 },
  );
}

test("opens and says nothing", async () => {
  const { stdout, stderr } = await open("--dump-dom");
  expect(stderr).not.toMatch(/CONSOLE/);
  expect(stdout).toContain("<h1>textcnn with r-at on custom</h1>");
  expect(stdout.match(/<svg/g)?.length).toBeGreaterThan(8);
});

describe.each([
  ["a desk", "1280,1600", []],
  ["a phone", "500,1600", []],
  ["a phone in the dark", "500,1600", ["--blink-settings=preferredColorScheme=0"]],
])("on %s", (name, size, flags) => {
  test("draws", async () => {
    const path = join(folder, `${name.replaceAll(" ", "-")}.png`);
    await open(`--window-size=${size}`, `--screenshot=${path}`, ...flags);
    const picture = await readFile(path);
    expect(picture.readUInt32BE(16)).toBe(Number(size.split(",")[0]));
    // An empty page of that size is a few kilobytes.
    expect(picture.length).toBeGreaterThan(40_000);
  });
});
