/** `skipBadRows`: what cannot be read is left out and listed, and costs no more than itself. */
import { expect, it } from "vitest";
import { readCsv } from "#dist/datasets/csv.js";
import { loadTask } from "#dist/datasets/load-task.js";
import { readExamples } from "#dist/datasets/read-examples.js";
import type { RATError } from "#dist/errors.js";
import { all, failure, fileOf } from "./temp-files.js";

/** The rows of a CSV file, and the lines of the bad ones. */
async function lenient(content: string) {
  const bad: unknown[] = [];
  const onBadRow = (error: RATError) => bad.push(error.details?.line);
  const rows = await all(readCsv(await fileOf("a.csv", content), { onBadRow }));
  return { rows: rows.map(({ fields, line }) => `${line}:${fields.join("|")}`), bad };
}

it.each([
  ["nothing", 'a,b\n1,"x\ny"\n2,z\n', ["1:a|b", "2:1|x\ny", "4:2|z"], []],
  ["a field too many", "a,b\n1,2,3\n4,5\n", ["1:a|b", "3:4|5"], [2]],
  ["a field too few, at the end", "a,b\n1,2\n3", ["1:a|b", "2:1|2"], [3]],
  ["a quote in the middle", 'a,b\n1,say "hi"\n2,ok\n', ["1:a|b", "3:2|ok"], [2]],
  ["text after a closing quote", 'a,b\n1,"x"y\n2,ok\n', ["1:a|b", "3:2|ok"], [2]],
  ["a quote that is never closed", 'a,b\n1,"x\n2,ok\n3,fine\n', ["1:a|b", "3:2|ok", "4:3|fine"], [2]],
  [
    "one that ends in a later row",
    'a,b\n1,"x\n2,ok\n3,"fine"\n4,too\n',
    ["1:a|b", "3:2|ok", "4:3|fine", "5:4|too"],
    [2],
  ],
  [
    "one that makes a row of many lines",
    'a,b\n1,"x\n2,ok\n3,y",z\n4,too\n',
    ["1:a|b", "3:2|ok", "5:4|too"],
    [2, 4],
  ],
  ["blank lines around them", "a,b\n\n1\n\n2,3\n", ["1:a|b", "5:2|3"], [3]],
])("%s", async (_, content, rows, bad) => {
  expect(await lenient(content)).toEqual({ rows, bad });
});

it("across the pieces that a file is read in", async () => {
  const good = Array.from({ length: 20_000 }, (_, i) => `${i},text number ${i}`);
  const lines = good.map((line, i) => (i % 997 === 5 ? `${line},"more` : line));
  const { rows, bad } = await lenient(`a,b\n${lines.join("\n")}\n`);
  expect(bad).toEqual(lines.flatMap((line, i) => (line === good[i] ? [] : [i + 2])));
  expect(rows).toHaveLength(good.length + 1 - bad.length);
});

it("a first row that cannot be read is an error all the same", async () => {
  const path = await fileOf("a.csv", '"a,b\n1,2\n');
  await failure(all(readCsv(path, { onBadRow: () => {} })), "ERR_RAT_DATA_FORMAT", `${path}:1`);
});

it("loadTask lists them with the reason, in every kind of file", async () => {
  const csv = await fileOf(
    "a.csv",
    'text,label\ngood,yes\nbad,no\n,,\nno label,\n"open,no\nfine,yes\nworse,no\n',
  );
  const task = await loadTask("custom", { train: csv, dev: "none", skipBadRows: true });
  expect(task.train.map(({ text }) => text)).toEqual(["good", "bad", "fine", "worse"]);
  expect(task.badRows).toEqual([
    { file: csv, line: 4, problem: expect.stringMatching(/^the row has 3 columns/) },
    { file: csv, line: 5, problem: "the row has no label" },
    { file: csv, line: 6, problem: expect.stringMatching(/never closed/) },
  ]);
  await failure(loadTask("custom", { train: csv, dev: "none" }), "ERR_RAT_DATA_FORMAT", `${csv}:4`);

  const jsonl = await fileOf(
    "b.jsonl",
    '{"text":"a","label":"yes"}\n{"text":1,"label":"no"}\n[]\n{"te\n{"text":"b","label":"no"}\n',
  );
  const other = await loadTask("custom", { train: jsonl, dev: "none", skipBadRows: true });
  expect(other.train).toHaveLength(2);
  expect(other.badRows?.map(({ line }) => line)).toEqual([2, 3, 4]);

  const tsv = await fileOf("c.tsv", "text\tlabel\na\tyes\nb\nc\tmaybe\td\ne\tno\n");
  expect((await loadTask("custom", { train: tsv, dev: "none", skipBadRows: true })).badRows).toHaveLength(2);
});

it("a label that training does not know is one", async () => {
  const train = await fileOf("train.csv", "text,label\na,yes\nb,no\n");
  const dev = await fileOf("dev.csv", "text,label\na,yes\nb,perhaps\n");
  const task = await loadTask("custom", { train, dev, skipBadRows: true });
  expect(task.dev).toHaveLength(1);
  expect(task.badRows).toEqual([{ file: dev, line: 3, problem: expect.stringContaining("perhaps") }]);
});

it("readExamples tells of them", async () => {
  const path = await fileOf("a.csv", "text,label\na,yes\nb\nc,no\n");
  const bad: RATError[] = [];
  const onBadRow = (error: RATError) => bad.push(error);
  const rows = await readExamples(path, { task: "custom", onBadRow });
  expect(rows.map(({ text }) => text)).toEqual(["a", "c"]);
  expect(bad).toMatchObject([{ code: "ERR_RAT_DATA_FORMAT", details: { line: 3 } }]);
});
