/** The whole chain on real text, as a user has it: a file, a comparison, a table, a page. The Brown Corpus: fiction or not? */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExperimentTable } from "#dist/experiment/table.js";
import { loadBrown } from "../../benchmarks/quickstart/brown.js";
import { parseOnlyLine, run, temporaryFolder } from "../cli/cli.js";

let temporary: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  temporary = await temporaryFolder();
});
afterAll(() => temporary.clean());

test("from texts to a page that says what R-AT brings", async () => {
  const { folder } = temporary;
  const { train, test: held } = loadBrown(1200);
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const csv = (rows: typeof train) =>
    `text,genre\n${rows.map(({ text, label }) => `${quoted(text)},${quoted(String(label))}`).join("\n")}\n`;
  await writeFile(join(folder, "train.csv"), csv(train));
  await writeFile(join(folder, "test.csv"), csv((held ?? []).slice(0, 300)));
  await writeFile(
    join(folder, "compare.yaml"),
    `title: Brown
models: [textcnn]
tasks: [custom]
methods: [dropout, r-at]
seeds: 2
options:
  train: ${JSON.stringify(join(folder, "train.csv"))}
  test: ${JSON.stringify(join(folder, "test.csv"))}
  textColumn: text
  labelColumn: genre
  embeddingSize: 50
  hiddenSize: 32
  maxLength: 60
  epochs: 3
`,
  );
  const output = join(folder, "brown");
  const done = await run([
    "experiment",
    "compare",
    join(folder, "compare.yaml"),
    "--output",
    output,
    "--jobs",
    "2",
    "--json",
  ]);
  expect({ code: done.code, stderr: done.code === 0 ? "" : done.stderr }).toEqual({ code: 0, stderr: "" });
  const { table } = parseOnlyLine(done.stdout) as unknown as { table: ExperimentTable };
  expect(table.entries.map(({ row, split, seeds }) => [row, split, seeds.length])).toEqual([
    ["dropout", "test", 2],
    ["R-AT", "test", 2],
  ]);
  const { stdout } = await run(["report", output]);
  expect(await readFile(stdout.trim(), "utf8")).toContain("<h1>Brown</h1>");
});
