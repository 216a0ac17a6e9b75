/** Whole runs of the built command: train, evaluate, predict, feed back, resume. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseOnlyLine, run, start, temporaryFolder, toyRun, writeToyTask } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
/** A finished run, and what its command printed. */
let output: string;
let summary: { dev?: unknown; test?: unknown };

beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder);
  output = join(folder, "run");
  const { code, stdout, stderr } = await run(toyRun(folder, output, ["--json"]));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  summary = parseOnlyLine(stdout);
});
afterAll(() => clean());

const model = () => join(output, "model");
const read = (path: string) => readFile(path, "utf8");
const evaluate = (...more: string[]) =>
  run(["evaluate", "--model", model(), "--task", "custom", "--data", folder, ...more]);

describe("train", () => {
  it("prints the summary as one line, with every field of the contract", () => {
    expect(Object.keys(summary)[0]).toBe("command");
    expect(summary).toEqual({
      ...{ command: "train", task: "custom", model: "textcnn", regularizer: "r-at", seed: 1, device: "cpu" },
      ...{ precision: "fp32", steps: 12, bestStep: expect.any(Number), output },
      dev: { accuracy: expect.any(Number), f1: expect.any(Number) },
      test: { accuracy: expect.any(Number), f1: expect.any(Number) },
      seconds: expect.any(Number),
      examplesPerSecond: expect.any(Number),
      tokensPerSecond: expect.any(Number),
      peakMemoryBytes: expect.any(Number),
      provenance: {
        ...{ rAt: expect.any(String), libtorch: expect.stringMatching(/^2\./), node: process.versions.node },
        ...{ date: expect.any(String), host: hostname() },
        command: expect.stringMatching(/^r-at train --task custom --data '.*' /),
        data: ["train", "dev", "test"].map((split) => ({
          ...{ split, path: join(folder, `${split}.csv`), rows: split === "train" ? 64 : 16 },
          sha256: createHash("sha256")
            .update(readFileSync(join(folder, `${split}.csv`)))
            .digest("hex"),
        })),
      },
    });
  });

  it("writes the same object as summary.json", async () => {
    expect(JSON.parse(await read(join(output, "summary.json")))).toEqual(summary);
  });

  it("logs every step and evaluation", async () => {
    const events = (await read(join(output, "log.jsonl"))).trimEnd().split("\n");
    const types = events.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types.filter((type) => type === "step")).toHaveLength(12);
    expect(types.filter((type) => type === "eval").length).toBeGreaterThanOrEqual(3);
  });

  it("gives the same run again when its config.json is fed back", async () => {
    const again = join(folder, "again");
    const args = ["train", "--config", join(output, "config.json"), "--output", again];
    expect(await run(args)).toMatchObject({ code: 0 });
    expect(await read(join(again, "log.jsonl"))).toBe(await read(join(output, "log.jsonl")));
    const weights = (path: string) => readFile(join(path, "model", "model.safetensors"));
    expect((await weights(again)).equals(await weights(output))).toBe(true);
  });

  it("lets flags win over the file, and knows YAML", async () => {
    const file = join(folder, "run.yaml");
    await writeFile(
      file,
      `task: custom\ndata: ${folder}\nmodel: textcnn\nepochs: 9\nembeddingSize: 16\nhiddenSize: 8\n`,
    );
    const flags = ["train", "--config", file, "--max-steps", "1", "--seed", "7", "--json"];
    const { code, stdout, stderr } = await run(flags, "", { cwd: folder });
    expect(code).toBe(0);
    const summary = parseOnlyLine(stdout);
    // A run that names no folder goes to one of its own, and says so.
    const output = expect.stringMatching(/runs.custom-textcnn-\d{8}-\d{6}$/);
    expect(summary).toMatchObject({ steps: 1, seed: 7, output });
    expect(stderr).toContain("runs/custom-textcnn-");
  });

  it("prints for people what happened, and the report when asked", async () => {
    const args = toyRun(folder, join(folder, "report"), ["--report", "--epochs", "1"]);
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/textcnn with r-at on custom: 4 steps in/);
    expect(stdout).toMatch(/^macro average/m);
    expect(stdout).toContain("reference \\ predicted");
    expect(stderr).toContain("custom: 64 train, 16 dev, 16 test rows; 2 labels");
    expect(stderr).toMatch(/^step 4 {2}dev: loss/m);
  });

  it("reports on a folder's model in the order of its labels, whatever that of the task", async () => {
    const task = ["--task", "custom", "--data", folder, "--labels", "good,bad"];
    for (const command of [["train", "--max-steps", "0"], ["evaluate"]]) {
      const flags = [...command, ...task, "--model", model(), "--device", "cpu", "--report"];
      const { stdout } = await run(flags, "", { cwd: folder });
      expect(stdout).toMatch(/^bad( +\d\.\d+){3} +8\ngood( +\d\.\d+){3} +8$/m);
      expect(stdout).toMatch(/^bad( +\d+){2}\ngood( +\d+){2}$/m);
    }
  });

  it("expected failure - an output folder that holds a run", async () => {
    const { code, stdout, stderr } = await run(toyRun(folder, output, ["--json"]));
    expect(code).toBe(1);
    expect(parseOnlyLine(stdout)).toMatchObject({ error: { code: "ERR_RAT_PATH" } });
    expect(stderr).toMatch(/^ERR_RAT_PATH: .*overwrite/m);
  });

  it("expected failure - a label that is not among --labels, with file and line", async () => {
    const { code, stderr } = await run(toyRun(folder, join(folder, "labels"), ["--labels", "good,ugly"]));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERR_RAT_LABEL: .*train\.csv:3\b/m);
  });

  it("expected failure - a file that is not UTF-8, with file and line", async () => {
    const bad = join(folder, "latin1.csv");
    await writeFile(
      bad,
      Buffer.concat([Buffer.from("text,label\nfine,good\n"), Buffer.from([0xe9, 0x2c, 0x62, 0x0a])]),
    );
    const { code, stderr } = await run(toyRun(folder, join(folder, "encoding"), ["--train", bad]));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERR_RAT_DATA_ENCODING: .*latin1\.csv:3\b/m);
  });
});

describe("evaluate", () => {
  it("agrees with what the run said, in exactly the fields of the contract", async () => {
    const { code, stdout } = await evaluate("--json");
    expect(code).toBe(0);
    expect(parseOnlyLine(stdout)).toEqual({
      ...{ command: "evaluate", task: "custom", split: "test" },
      ...{ loss: expect.any(Number), metrics: summary.test },
    });
  });

  it("takes a split, and adds the report when asked", async () => {
    const { stdout } = await evaluate("--split", "dev", "--report", "--json");
    expect(parseOnlyLine(stdout)).toMatchObject({
      ...{ split: "dev", metrics: summary.dev },
      report: {
        classes: [
          { label: "bad", support: 8 },
          { label: "good", support: 8 },
        ],
      },
      confusionMatrix: [expect.any(Array), expect.any(Array)],
    });
    expect((await evaluate("--report")).stdout).toMatch(/^weighted average/m);
  });
});

describe("predict", () => {
  const predict = (args: string[], input = "") => run(["predict", "--model", model(), ...args], input);
  const lines = (stdout: string) =>
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  const good = {
    label: "good",
    probability: expect.any(Number),
    probabilities: { bad: expect.any(Number), good: expect.any(Number) },
  };

  it("classifies arguments", async () => {
    const { code, stdout } = await predict(["a great, superb film", "a dull, awful film"]);
    expect(code).toBe(0);
    expect(lines(stdout)).toEqual([good, { ...good, label: "bad" }]);
  });

  it("gives one line for each line of stdin, empty ones too, LF or CRLF", async () => {
    const { stdout } = await predict([], "a great, superb film\r\n\nsomething — else");
    expect(lines(stdout)).toHaveLength(3);
    expect(lines(stdout)[0]).toEqual(good);
  });

  it("prints one object under --json, and none for no input", async () => {
    const { stdout } = await predict(["--json"], "a great, superb film\n");
    expect(parseOnlyLine(stdout)).toEqual({ command: "predict", predictions: [good] });
    expect(await predict([], "")).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("reads a task's file, labels or not", async () => {
    const { stdout } = await predict(["--task", "custom", "--input", join(folder, "test.csv")]);
    expect(lines(stdout)).toHaveLength(16);
  });

  it("answers while stdin is still open", async () => {
    const { child, outcome } = start(["predict", "--model", model()]);
    const first = new Promise<string>((resolve) =>
      child.stdout.once("data", (chunk) => resolve(String(chunk))),
    );
    child.stdin.write("a great, superb film\n");
    expect(JSON.parse((await first).split("\n")[0] ?? "")).toEqual(good);
    child.stdin.end("a dull, awful film");
    expect(lines((await outcome).stdout)).toEqual([good, { ...good, label: "bad" }]);
  });

  it("expected failure - stdin that is not UTF-8", async () => {
    const { child, outcome } = start(["predict", "--model", model(), "--json"]);
    child.stdin.end(Buffer.from([0x61, 0x0a, 0xff, 0x0a]));
    const { code, stdout } = await outcome;
    expect(code).toBe(1);
    expect(parseOnlyLine(stdout)).toMatchObject({ error: { code: "ERR_RAT_DATA_ENCODING" } });
  });

  it("is quiet when the reader goes away", async () => {
    const { child, outcome } = start(["predict", "--model", model()]);
    child.stdout.destroy();
    child.stdin.end("a great, superb film\n".repeat(2000));
    expect(await outcome).toMatchObject({ code: 0, stderr: "" });
  });
});
