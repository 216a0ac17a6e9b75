/** `r-at experiment` from a file to tables: reuse, parts, failures, kills, job files. */
import { execFile, spawnSync } from "node:child_process";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { cellsOf } from "#dist/experiment/cells.js";
import { planCompare } from "#dist/experiment/compare-file.js";
import { ExperimentFolder } from "#dist/experiment/folder.js";
import { type ExperimentEvent, runCells } from "#dist/experiment/run-experiment.js";
import type { ExperimentTable } from "#dist/experiment/table.js";
import { parseOnlyLine, run, start, temporaryFolder } from "../cli/cli.js";
import { writeToy } from "./toy.js";

interface Listed {
  readonly cells: readonly { readonly hash: string; readonly cost: number; readonly state: string }[];
}

interface Printed {
  readonly table: ExperimentTable;
}

let temporary: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
/** Where all of it was done at once. */
let whole: string;
const compare = (output: string, ...args: string[]) =>
  run(["experiment", "compare", file, "--output", output, ...args]);
/** A quarter of the cells. */
const FEW = ["--methods", "dropout,r-at", "--seeds", "1"];
const text = (...path: string[]) => readFile(join(...path), "utf8");

beforeAll(async () => {
  temporary = await temporaryFolder();
  file = await writeToy(join(temporary.folder, "data"));
  whole = join(temporary.folder, "whole");
});
afterAll(() => temporary.clean());

describe("a comparison", () => {
  test("runs every cell, and says what came out", async () => {
    const { code, stdout, stderr } = await compare(whole, "--jobs", "2", "--json");
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const result = parseOnlyLine(stdout);
    expect(result).toMatchObject({
      command: "experiment",
      output: whole,
      cells: { total: 8, done: 8, failed: 0, missing: 0 },
      table: { name: "compare", title: "Toy", columns: ["custom"] },
    });
    const { entries } = (result as unknown as Printed).table;
    expect(entries.map(({ row, passes }) => [row, passes])).toEqual([
      ...[
        ["without dropout", 1],
        ["dropout", 1],
        ["R-AT without KL", 3],
        ["R-AT", 3],
      ],
    ]);
    expect(entries[3]).toMatchObject({ metric: "accuracy", split: "dev", spread: { n: 2 } });
    expect(entries[3]?.gains).toMatchObject([
      { baseline: "without dropout", n: 2 },
      { baseline: "dropout", n: 2 },
    ]);
  });

  test("leaves tables for people, spreadsheets, papers and programs, and says where they come from", async () => {
    expect(await text(whole, "table.md")).toMatch(
      /^# Toy\n[\s\S]*\| textcnn +\| R-AT +\| 3 +\| \d+\.\d\d ± \d+\.\d\d/,
    );
    expect((await text(whole, "table.csv")).split("\n")).toHaveLength(1 + 8 + 1);
    expect(await text(whole, "table.tex")).toContain("\\begin{tabular}{llrr}");
    expect(JSON.parse(await text(whole, "table.json"))).toMatchObject({ title: "Toy" });
    expect(await text(whole, "cost.md")).toMatch(/\| textcnn +\| R-AT +\| custom +\| +3 \| +8 /);
    const manifest = JSON.parse(await text(whole, "manifest.json"));
    expect(manifest.cells[0].data[0]).toMatchObject({ split: "train", rows: 64 });
    expect(manifest.command).toContain("r-at experiment compare");
  });

  test("has published figures beside its own, with the difference", async () => {
    const paper = join(temporary.folder, "paper.yaml");
    await writeFile(paper, "textcnn:\n  R-AT: { custom: 50 }\n");
    expect((await compare(whole, "--paper", paper)).stdout).toMatch(
      /\| R-AT .* ± .*, paper 50\.0 \([+-]\d+\.\d\d\) \|/,
    );
    await writeFile(paper, "textcnn: much\n");
    expect((await compare(whole, "--paper", paper)).code).toBe(2);
    await compare(whole);
  });

  test("is there at once the second time, and has kept no weights", async () => {
    const before = await text(whole, "table.md");
    const started = performance.now();
    const { code, stderr } = await compare(whole);
    expect(code).toBe(0);
    expect(stderr).not.toContain("seed 1:");
    expect(performance.now() - started).toBeLessThan(5000);
    expect(await text(whole, "table.md")).toBe(before);
    const [cell = ""] = await readdir(join(whole, "cells"));
    expect(await readdir(join(whole, "cells", cell))).not.toContain("model");
    expect(await readdir(join(whole, "cells", cell))).not.toContain("checkpoints");
  });

  test("in parts, and cell by cell, is the same to the byte", async () => {
    const parts = join(temporary.folder, "parts");
    expect((await compare(parts, ...FEW, "--shard", "1/2")).code).toBe(0);
    expect(await text(parts, "table.md")).toContain("1 of 2 runs are still missing");
    const listed = parseOnlyLine(
      (await compare(parts, ...FEW, "--list", "--json")).stdout,
    ) as unknown as Listed;
    const open = listed.cells.filter(({ state }) => state === "open");
    expect(open).toHaveLength(1);
    const alone = await compare(parts, ...FEW, "--cell", open[0]?.hash ?? "", "--json");
    expect(parseOnlyLine(alone.stdout)).toMatchObject({
      command: "experiment",
      cell: { hash: open[0]?.hash },
    });
    expect((await compare(parts, ...FEW)).code).toBe(0);
    // All of these have a result there, by which the table is made.
    expect((await compare(whole, ...FEW)).code).toBe(0);
    expect(await text(parts, "table.md")).toBe(await text(whole, "table.md"));
  });

  test("that is killed goes on, to the same table", async () => {
    const killed = join(temporary.folder, "killed");
    const { child, outcome } = start(["experiment", "compare", file, "--output", killed, ...FEW]);
    child.stderr.on("data", (data: Buffer) => {
      if (String(data).includes("[1/2]")) child.kill("SIGKILL");
    });
    expect((await outcome).code).toBeNull();
    expect((await compare(killed, ...FEW)).code).toBe(0);
    expect(await text(killed, "table.md")).toBe(await text(whole, "table.md"));
  });
});

describe("a worker that dies", () => {
  test("after a training and before its result leaves the training to the next", async () => {
    const [hash = ""] = await readdir(join(whole, "cells"));
    const cell = join(whole, "cells", hash);
    const before = await text(cell, "result.json");
    const log = await stat(join(cell, "log.jsonl"));
    await rm(join(cell, "result.json"));
    expect((await compare(whole)).code).toBe(0);
    expect(await text(cell, "result.json")).toBe(before);
    expect((await stat(join(cell, "log.jsonl"))).mtimeMs).toBe(log.mtimeMs);
  });

  test("in the middle of a cell leaves its checkpoints, from which the next goes on", async () => {
    const output = join(temporary.folder, "long");
    const args = ["--methods", "r-at", "--seeds", "1", "--max-steps", "2000", "--checkpoint-every", "50"];
    const { child, outcome } = start(["experiment", "compare", file, "--output", output, ...args]);
    await vi.waitFor(async () => expect(await checkpointsOf(output)).toContain("step-150"), {
      timeout: 30_000,
    });
    child.kill("SIGKILL");
    await outcome;
    const left = Math.max(...(await checkpointsOf(output)).map((name) => Number(name.slice("step-".length))));
    const raw = parse(await readFile(file, "utf8"));
    const overrides = { maxSteps: 2000 };
    const cells = await cellsOf(planCompare(raw, { methods: ["r-at"], seeds: [1], overrides }));
    const steps: number[] = [];
    const onEvent = (event: ExperimentEvent) => {
      if (event.type === "progress" && event.total === 2000) steps.push(event.done);
    };
    const { results } = await runCells(cells, new ExperimentFolder(output), { onEvent });
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(left);
    expect(results.get(cells[0]?.hash ?? "")?.summary.steps).toBe(2000);
  });

  test("leaves no process behind, however early", async () => {
    // The child has its configuration, and has not come to read it.
    const program = `
      import { fork } from "node:child_process";
      const child = fork(${JSON.stringify(join(import.meta.dirname, "../../dist/experiment/cell-process.js"))});
      child.send(${JSON.stringify(await longRun())}, () => { console.log(child.pid); process.kill(process.pid, "SIGKILL"); });`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    const pid = Number(stdout);
    expect(pid).toBeGreaterThan(0);
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 20_000, interval: 100 });
  });
});

async function checkpointsOf(output: string): Promise<string[]> {
  const [cell = ""] = await readdir(join(output, "cells"));
  const names = await readdir(join(output, "cells", cell, "checkpoints"));
  return names.filter((name) => /^step-\d+$/.test(name));
}

/** A training of minutes. */
async function longRun() {
  const cells = JSON.parse(await text(whole, "experiment.json")).cells as { config: object }[];
  return { ...cells[0]?.config, maxSteps: 1_000_000, output: join(temporary.folder, "orphan") };
}

describe("a cell is what it trains", () => {
  const hashes = async (...args: string[]) => {
    const { stdout } = await compare(join(temporary.folder, "none"), "--list", "--json", ...args);
    return (parseOnlyLine(stdout) as unknown as Listed).cells.map(({ hash }) => hash);
  };

  test("not where, nor how it is watched; but how long, and on what", async () => {
    const first = await hashes();
    expect(await hashes("--threads", "2", "--log-every", "3")).toEqual(first);
    expect(await hashes("--epochs", "1")).not.toContain(first[0]);
    const train = join(temporary.folder, "data/train.csv");
    const content = await text(train);
    await writeFile(train, `${content}a new film,good\n`);
    expect(await hashes()).not.toContain(first[0]);
    await writeFile(train, content);
    expect(await hashes()).toEqual(first);
  });

  test("costs in proportion to its passes", async () => {
    const { stdout } = await compare(join(temporary.folder, "none"), "--list", "--json");
    const costs = (parseOnlyLine(stdout) as unknown as Listed).cells.map(({ cost }) => cost);
    expect(costs).toEqual([128, 128, 128, 128, 384, 384, 384, 384]);
  });

  test("is timed by a dry run, which leaves nothing behind", async () => {
    const { code, stdout, stderr } = await compare(join(temporary.folder, "none"), "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toMatch(/cell +model +method +column +seed +state +cost +time/);
    expect(stderr).toMatch(/8 cells, 8 of them to be trained: .* on this machine/);
    expect(await readdir(temporary.folder)).not.toContain("none");
  });
});

test("a cell that fails is reported, and the others go on", async () => {
  const folder = join(temporary.folder, "failing");
  const failing = await writeToy(folder, {
    models: "[textcnn, lost=nowhere/at/all]",
    methods: "[dropout]",
    seeds: "[1]",
  });
  const { code, stdout, stderr } = await run([
    "experiment",
    "compare",
    failing,
    "--output",
    join(folder, "out"),
    "--json",
  ]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/lost, dropout, custom, seed 1: failed: ERR_RAT_/);
  expect(parseOnlyLine(stdout)).toMatchObject({ cells: { total: 2, done: 1, failed: 1, missing: 0 } });
  expect(await text(folder, "out/table.md")).toMatch(
    /1 runs failed[\s\S]*\| lost +\| dropout +\| +\| failed/,
  );
});

describe("job files", () => {
  const jobs = async (engine: string) =>
    (await compare(join(temporary.folder, "jobs"), `--emit=${engine}`)).stdout;

  test("of GNU parallel run as they are", async () => {
    const lines = (await jobs("parallel")).trim().split("\n");
    expect(lines).toHaveLength(8);
    const main = join(import.meta.dirname, "../../dist/cli/main.js");
    const [line = ""] = lines;
    const command = line.replace(/^r-at/, `'${process.execPath}' '${main}'`);
    await promisify(execFile)("sh", ["-c", command], { cwd: process.cwd() });
    const hash = line.split(" ").at(-1) ?? "";
    expect(await readdir(join(temporary.folder, "jobs/cells", hash))).toContain("result.json");
  });

  test("of Slurm, Kubernetes and Snakemake have a job for each cell", async () => {
    expect(await jobs("slurm")).toMatch(/^#!\/bin\/bash[\s\S]*--array=0-7[\s\S]* --shard auto\n$/);
    expect(parse(await jobs("k8s"))).toMatchObject({ spec: { completionMode: "Indexed", completions: 8 } });
    expect(await jobs("snakemake")).toMatch(/^CELLS = \["[0-9a-f]{16}"/);
  });

  test("--shard auto takes the index of the array that it runs in", async () => {
    const args = [
      "experiment",
      "compare",
      file,
      "--output",
      join(temporary.folder, "auto"),
      "--list",
      "--json",
      "--shard",
      "auto",
    ];
    const of = async (env: NodeJS.ProcessEnv) => {
      const { stdout } = await run(args, "", { env: { ...process.env, ...env } });
      return (parseOnlyLine(stdout) as unknown as Listed).cells.length;
    };
    expect(
      await of({ SLURM_ARRAY_TASK_ID: "3", SLURM_ARRAY_TASK_MIN: "1", SLURM_ARRAY_TASK_COUNT: "3" }),
    ).toBe(2);
    expect(await of({ JOB_COMPLETION_INDEX: "0", RAT_SHARDS: "8" })).toBe(1);
    expect(await of({ AWS_BATCH_JOB_ARRAY_INDEX: "1", AWS_BATCH_JOB_ARRAY_SIZE: "2" })).toBe(4);
    expect((await run(args)).code).toBe(2);
  });
});

test("two that are not told of each other do not share a folder", async () => {
  const output = join(temporary.folder, "locked");
  const first = start(["experiment", "compare", file, "--output", output]);
  await new Promise<void>((resolve) => first.child.stderr.once("data", () => resolve()));
  const second = await compare(output);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("ERR_RAT_LOCKED");
  first.child.kill("SIGTERM");
  expect((await first.outcome).code).toBe(143);
});

test.each([
  [["experiment", "table9"], /Unknown experiment "table9"/],
  [["experiment", "compare"], /takes a file/],
  [["experiment", "table3", "x.yaml"], /takes no file/],
  [["experiment", "table3", "--scale", "2"], /Expected a number above 0/],
  [["experiment", "table3", "--seeds", "0"], /Expected a number of seeds/],
  [["experiment", "table3", "--emit", "cron"], /Expected one of slurm/],
  [["experiment", "table3"], /--data/],
])("wrong usage: %j", async (args, words) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toMatch(words);
});
