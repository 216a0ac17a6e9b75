/** What the commands say of data that are not as they should be, and how they go on. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOnlyLine, run, temporaryFolder } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  writeFileSync(join(folder, "messy.csv"), messy);
});
afterAll(() => clean());

const words = { billing: "invoice", Billing: "invoices", login: "password" };
const rows = Object.entries(words).flatMap(([queue, word]) =>
  Array.from({ length: queue === "login" ? 60 : 10 }, (_, i) => `${queue} ${word} ${i},${queue}`),
);
/** Two classes that are one, an uneven third, and three rows that cannot be read, in lines 3, 5 and 7. */
const messy = [
  "message,queue",
  ...[
    rows[0],
    'my "invoice" again,billing',
    rows[1],
    "one, two, three",
    rows[2],
    "nobody knows,",
    ...rows.slice(3),
  ],
  "",
].join("\n");

const here = (...flags: string[]) => run(flags, "", { cwd: folder });
const small = ["--embedding-size", "8", "--hidden-size", "8", "--threads", "1", "--max-steps", "2"];

describe("rows that cannot be read", () => {
  test("are an error with the line, and the flag that helps", async () => {
    const { code, stderr } = await here("train", "messy.csv", ...small);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_RAT_DATA_FORMAT: messy\.csv:3: /);
    expect(stderr).toMatch(/--skip-bad-rows leaves such rows out/);
  });

  test("are left out and listed on request", async () => {
    const { code, stderr, stdout } = await here("train", "messy.csv", "--skip-bad-rows", ...small, "--json");
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(
      /rows left out because they cannot be read: 3\n {2}messy\.csv:3: .*\n {2}messy\.csv:5: .*\n {2}messy\.csv:7: the row has no label/,
    );
    const { output } = parseOnlyLine(stdout) as { output: string };
    const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8"));
    expect(config).toMatchObject({ skipBadRows: true, train: join(folder, "messy.csv") });
    // From another folder.
    const again = await run([
      "train",
      "--config",
      join(output, "config.json"),
      "--output",
      join(folder, "again"),
    ]);
    expect(again.code, again.stderr).toBe(0);
    const answers = await here(
      "predict",
      "--model",
      output,
      "--input",
      "messy.csv",
      "--text-column",
      "message",
      "--skip-bad-rows",
      "--json",
    );
    expect(answers.code, answers.stderr).toBe(0);
    expect(answers.stderr).toMatch(/cannot be read: 2\n/);
    const { predictions } = parseOnlyLine(answers.stdout) as { predictions: unknown[] };
    expect(predictions).toHaveLength(81);
    const evaluated = await here(
      "evaluate",
      "--model",
      output,
      "--task",
      "custom",
      "--test",
      "messy.csv",
      "--text-column",
      "message",
      "--label-column",
      "queue",
      "--skip-bad-rows",
      "--json",
    );
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(evaluated.stderr).toMatch(/cannot be read: 3\n/);
  });
});

test("counts, uneven classes and labels that are almost the same are said before training", async () => {
  const { stderr } = await here("train", "messy.csv", "--skip-bad-rows", ...small);
  expect(stderr).toMatch(/custom: 65 train, 7 dev, 8 test rows; 3 labels\n/);
  expect(stderr).toMatch(/training rows: Billing 8, billing 8, login 49\n/);
  expect(stderr).toMatch(/worth a look: classes are uneven: "login" has 6 times .*--class-weights balanced/);
  expect(stderr).toMatch(/worth a look: "Billing" and "billing" are different classes/);
});

describe("data check", () => {
  test("takes a file", async () => {
    const { code, stdout, stderr } = await here("data", "check", "messy.csv", "--skip-bad-rows");
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/columns: text = message, label = queue/);
    expect(stdout).toMatch(/custom: classification, 3 classes/);
    expect(stdout).toMatch(/worth a look\n[\s\S]*"Billing" and "billing"[\s\S]*cannot be read: 3\n/);
  });

  test("as JSON, with every bad row", async () => {
    const { stdout } = await here("data", "check", "messy.csv", "--skip-bad-rows", "--json");
    const report = parseOnlyLine(stdout);
    expect(report).toMatchObject({
      ...{ command: "data check", task: "custom", classes: 3 },
      concerns: { similarLabels: [["Billing", "billing"]], imbalance: { largest: { label: "login" } } },
    });
    const { badRows } = report as { badRows: { line: number }[] };
    expect(badRows.map(({ line }) => line)).toEqual([3, 5, 7]);
  });
});

describe("names that are almost right", () => {
  test.each([
    ["a command", ["trian", "x.csv"], 2, /train/],
    ["a command with --help", ["nonsense", "--help"], 2, /unknown command 'nonsense'; commands are train/],
    [
      "a task",
      ["train", "--task", "costom", "--data", ".", "--model", "textcnn"],
      2,
      /did you mean custom\?/,
    ],
    ["a task of data", ["data", "check", "colla"], 2, /did you mean cola\?/],
    ["a method", ["train", "messy.csv", "--regularizer", "rat"], 2, /did you mean r-at\?/],
    ["a model", ["train", "messy.csv", "--skip-bad-rows", "--model", "textcn"], 1, /did you mean textcnn\?/],
    [
      "a column",
      ["train", "messy.csv", "--skip-bad-rows", "--text-column", "mesage"],
      1,
      /did you mean message\?/,
    ],
  ] as const)("%s", async (_, args, code, message) => {
    const outcome = await here(...args);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(code);
  });

  test("a label", async () => {
    writeFileSync(join(folder, "dev.csv"), "message,queue\nhello,logn\nhi,login\n");
    const { code, stderr } = await here("train", "messy.csv", "--dev", "dev.csv", ...small);
    expect(code).toBe(1);
    expect(stderr).toMatch(/messy.csv:3/);
    const lenient = await here("train", "messy.csv", "--dev", "dev.csv", "--skip-bad-rows", ...small);
    expect(lenient.stderr).toMatch(/"logn" is not a label of custom \(did you mean login\?\)/);
  });
});

test("messages name flags, not the options of the library", async () => {
  await here("train", "messy.csv", "--skip-bad-rows", ...small, "--output", "run");
  const { stderr } = await here("train", "messy.csv", "--skip-bad-rows", ...small, "--output", "run");
  expect(stderr).toMatch(/Use --resume to go on from its checkpoint, --overwrite to replace it/);
});

describe("evaluate needs no training file", () => {
  test("for a file of one's own, nor for one of the task's in a folder", async () => {
    const trained = await here(
      "train",
      "messy.csv",
      "--skip-bad-rows",
      ...small,
      "--output",
      "for-evaluation",
    );
    expect(trained.code, trained.stderr).toBe(0);
    mkdirSync(join(folder, "alone"));
    writeFileSync(join(folder, "alone/test.csv"), "message,queue\na password,login\nan invoice,billing\n");
    const flags = ["--task", "custom", "--text-column", "message", "--label-column", "queue", "--json"];
    for (const data of [
      ["--test", "alone/test.csv"],
      ["--data", "alone"],
    ]) {
      const { code, stdout, stderr } = await here("evaluate", "--model", "for-evaluation", ...data, ...flags);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/custom: 2 test rows/);
      expect(parseOnlyLine(stdout)).toMatchObject({ command: "evaluate", split: "test" });
    }
    const held = await here(
      "evaluate",
      "--model",
      "for-evaluation",
      "--data",
      "alone",
      "--split",
      "dev",
      ...flags,
    );
    expect(held.code).toBe(1);
    expect(held.stderr).toMatch(/No train file of custom/);
  });

  test("for a task of GLUE", async () => {
    mkdirSync(join(folder, "rte"));
    writeFileSync(
      join(folder, "rte/train.tsv"),
      `index\tsentence1\tsentence2\tlabel\n${Array.from({ length: 8 }, (_, i) => `${i}\ta ${i}\tb\t${i % 2 ? "entailment" : "not_entailment"}`).join("\n")}\n`,
    );
    writeFileSync(join(folder, "rte/dev.tsv"), "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n");
    const data = ["--task", "rte", "--data", "rte"];
    const trained = await here("train", ...data, "--model", "textcnn", ...small, "--output", "rte-run");
    expect(trained.code, trained.stderr).toBe(0);
    rmSync(join(folder, "rte/train.tsv"));
    const { code, stdout, stderr } = await here(
      "evaluate",
      "--model",
      "rte-run",
      ...data,
      "--split",
      "dev",
      "--json",
    );
    expect(code, stderr).toBe(0);
    const { dev } = JSON.parse(readFileSync(join(folder, "rte-run/summary.json"), "utf8"));
    expect(parseOnlyLine(stdout)).toMatchObject({ task: "rte", metrics: dev });
  });
});
