/** `r-at train tickets.csv`: from a file that somebody exported to predictions, with as few flags as there can be. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  writeFileSync(join(folder, "tickets.csv"), tickets(","));
});
afterAll(() => clean());

const queues = { billing: "invoice", login: "password", shipping: "parcel", praise: "thanks 🎉" };
const names = Object.keys(queues) as (keyof typeof queues)[];

/** With a BOM, quotes, line breaks in fields, empty rows and unbalanced classes. */
function tickets(delimiter: string, rows = 160): string {
  const lines = ["id", "subject", "message", "queue", "created"].join(delimiter);
  const body = Array.from({ length: rows }, (_, i) => {
    const queue = names[i % 7 < 4 ? 0 : (i % 7) - 3] ?? "billing";
    const text = `"Hello${delimiter} number ${i}:\n my ""${queues[queue]}"" please"`;
    return [String(i), `ticket ${i % 3}`, text, queue, `2026-01-0${1 + (i % 9)}`].join(delimiter);
  });
  return `\uFEFF${lines}\n${body.join("\n\n")}\n`;
}

const quick = [
  "--embedding-size",
  "16",
  "--hidden-size",
  "8",
  "--threads",
  "1",
  "--learning-rate",
  "0.03",
  "--batch-size",
  "16",
];
/** In the temporary folder, as a person would be. */
const here = (...flags: string[]) => run(flags, "", { cwd: folder });

describe("a file alone", () => {
  test("is trained on, tested, and used by its run folder", async () => {
    const trained = await here(
      "train",
      "tickets.csv",
      "--text-column",
      "subject,message",
      ...quick,
      "--epochs",
      "8",
      "--json",
    );
    expect(trained.code, trained.stderr).toBe(0);
    expect(trained.stderr).toMatch(/columns: text = subject,message, label = queue/);
    expect(trained.stderr).toMatch(/a tenth of the rows is held out as test/);
    expect(trained.stderr).toMatch(/model: textcnn/);
    const summary = JSON.parse(trained.stdout);
    expect(summary.test.accuracy).toBeGreaterThan(0.9);
    const [name = ""] = readdirSync(join(folder, "runs"));
    expect(name).toMatch(/^custom-textcnn-\d{8}-\d{6}$/);
    const output = join("runs", name);
    const config = JSON.parse(readFileSync(join(folder, output, "config.json"), "utf8"));
    expect(config).toMatchObject({ textColumn: "subject,message", labelColumn: "queue", testShare: 0.1 });

    const predicted = await here("predict", "--model", output, "my parcel please");
    expect(JSON.parse(predicted.stdout).label).toBe("shipping");
    writeFileSync(join(folder, "new.csv"), tickets(";", 40));
    await predictsInto(output);
    const flags = [
      "--task",
      "custom",
      "--test",
      "new.csv",
      "--text-column",
      "subject,message",
      "--label-column",
      "queue",
    ];
    const evaluated = await here("evaluate", "--model", output, ...flags, "--json");
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout).metrics.accuracy).toBeGreaterThan(0.9);
  });

  /** Into files: with ids and texts, as CSV that a spreadsheet reads and as JSON lines. */
  async function predictsInto(model: string): Promise<void> {
    const input = ["predict", "--model", model, "--input", "new.csv", "--text-column", "subject,message"];
    const csv = await here(...input, "--id-column", "id", "--with-text", "--output", "out.csv");
    expect(csv.code, csv.stderr).toBe(0);
    const rows = parse(readFileSync(join(folder, "out.csv"), "utf8"), { columns: true }) as Record<
      string,
      string
    >[];
    expect(rows).toHaveLength(40);
    expect(Object.keys(rows[0] ?? {})).toEqual([
      ...["id", "text", "label", "probability"],
      ...["billing", "login", "praise", "shipping"].map((name) => `p(${name})`),
    ]);
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
    const { text = "", probability = "" } = rows[3] ?? {};
    expect(text).toContain('my "invoice" please');
    expect(probability).toMatch(/^(0\.\d{1,6}|1)$/);
    const jsonl = await here(...input, "--top-k", "2", "--output", "out.jsonl", "--json");
    expect(JSON.parse(jsonl.stdout)).toMatchObject({ command: "predict", output: "out.jsonl", rows: 40 });
    const [first] = readFileSync(join(folder, "out.jsonl"), "utf8")
      .split("\n")
      .map((line) => line && JSON.parse(line));
    const [most = 0, next = 0] = Object.values(first.probabilities as Record<string, number>);
    expect(Object.keys(first.probabilities)).toHaveLength(2);
    expect(most).toBeGreaterThanOrEqual(next);
    const broken = await here(
      ...input.map((word) => (word === "new.csv" ? "none.csv" : word)),
      "--output",
      "broken.csv",
    );
    expect(broken.code).toBe(1);
    expect(readdirSync(folder).filter((name) => name.includes("broken"))).toEqual([]);
    const cut = await here(...input, "--top-k", "2", "--output", "cut.csv");
    expect(cut).toMatchObject({ code: 2, stderr: expect.stringMatching(/--top-k is for JSON/) });
    const parquet = await here(...input, "--id-column", "id", "--with-text", "--output", "out.parquet");
    expect(parquet.code, parquet.stderr).toBe(0);
    const columns = await parquetReadObjects({
      file: await asyncBufferFromFile(join(folder, "out.parquet")),
    });
    expect(columns.map((row) => Object.values(row).map(String))).toEqual(
      rows.map((row) => Object.values(row)),
    );
    expect(columns[0]).toMatchObject({ probability: expect.any(Number) });
    const unknown = await here(...input, "--output", "out.xlsx");
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/\.csv, \.jsonl or \.parquet/),
    });
  }

  test("is the same run again from its config.json", async () => {
    const flags = ["--text-column", "message", ...quick, "--max-steps", "4", "--log-every", "1"];
    expect((await here("train", "tickets.csv", ...flags, "--output", "one")).code).toBe(0);
    expect((await here("train", "--config", "one/config.json", "--output", "two")).code).toBe(0);
    const log = (name: string) => readFileSync(join(folder, name, "log.jsonl"), "utf8");
    expect(log("two")).toBe(log("one"));
  });

  test.each([
    ["semicolons", "semi.csv", tickets(";")],
    ["tabs in a CSV", "tabs.csv", tickets("\t")],
  ])("with %s is read as it is", async (_, name, text) => {
    writeFileSync(join(folder, name), text);
    const { code, stderr } = await here("train", name, "--text-column", "message", ...quick, "--estimate");
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/label = queue/) });
    expect(existsSync(join(folder, "runs", name))).toBe(false);
  });

  test("of JSON lines with a pair of sentences is a pair task", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({
      ...{ sentence1: `a ${i % 5} is here`, sentence2: i % 2 ? `a ${i % 5} is here` : "nothing else" },
      label: i % 2 ? "same" : "other",
    }));
    writeFileSync(join(folder, "pairs.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { code, stderr } = await here("train", "pairs.jsonl", ...quick, "--estimate");
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/text = sentence1, pair = sentence2, label = label/),
    });
  });
});

describe("what cannot be guessed", () => {
  test("lists the candidates and the flag", async () => {
    const { code, stderr } = await here("train", "tickets.csv");
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /Several columns of tickets.csv could be the text: "subject", "message".*--text-column/,
    );
  });

  test("or says what there is", async () => {
    writeFileSync(
      join(folder, "numbers.csv"),
      `a,b\n${Array.from({ length: 20 }, (_, i) => `${i},${i * 7}`).join("\n")}\n`,
    );
    const { code, stderr } = await here("train", "numbers.csv");
    expect(code).toBe(2);
    expect(stderr).toMatch(/No column of numbers.csv looks like the label; there are "a", "b"/);
  });

  test.each([
    [["--train", "tickets.csv"], /either a file, or --data or --train/],
    [["--task", "imdb"], /a custom task/],
    [["--text-column", "message", "--delimiter", ";;"], /one character/],
  ])("wrong usage: %j", async (flags, message) => {
    const { code, stderr } = await here("train", "tickets.csv", ...flags);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  test("a file that is not there", async () => {
    const { code, stderr } = await here("train", "nothing.csv");
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_RAT_PATH.*nothing\.csv/);
  });
});
