/** The files for the GLUE server: names, header, label words, order, the zip. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { expect, it } from "vitest";
import {
  findTestSets,
  GLUE_TEST_SETS,
  submissionText,
  testSetOf,
  writeSubmission,
} from "#dist/datasets/glue-submission.js";
import { findTask } from "#dist/datasets/registry.js";
import { parseOnlyLine, run } from "../cli/cli.js";
import { folderOf } from "./temp-files.js";

const setOf = (file: string) => {
  const set = GLUE_TEST_SETS.find((each) => each.file === file);
  if (!set) throw new Error(`there is no ${file}`);
  return set;
};

it("has the eleven files with the rows of the official test sets", () => {
  expect(GLUE_TEST_SETS.map(({ file, rows }) => `${file} ${rows}`)).toEqual([
    ...["CoLA.tsv 1063", "SST-2.tsv 1821", "MRPC.tsv 1725", "STS-B.tsv 1379", "QQP.tsv 390965"],
    ...[
      "MNLI-m.tsv 9796",
      "MNLI-mm.tsv 9847",
      "QNLI.tsv 5463",
      "RTE.tsv 3000",
      "WNLI.tsv 146",
      "AX.tsv 1104",
    ],
  ]);
});

it.each<[string, string]>([
  ["data/test_matched.tsv", "MNLI-m.tsv"],
  ["data/MNLI/test_mismatched.tsv.gz", "MNLI-mm.tsv"],
  ["diagnostic.tsv", "AX.tsv"],
  ["AX.tsv", "AX.tsv"],
  ["taxes.tsv", "MNLI-m.tsv"],
])("of MNLI's test sets %s is %s", (input, file) => {
  expect(testSetOf("mnli", input)?.file).toBe(file);
});

it("writes classes by number or by word, as the server wants them, and scores within 0 to 5", () => {
  const answers = [{ label: "not_entailment" }, { label: "entailment" }];
  expect(submissionText(answers, setOf("RTE.tsv"), ["entailment", "not_entailment"])).toBe(
    "index\tprediction\n0\tnot_entailment\n1\tentailment\n",
  );
  expect(submissionText(answers, setOf("WNLI.tsv"), ["not_entailment", "entailment"])).toBe(
    "index\tprediction\n0\t0\n1\t1\n",
  );
  const scores = [-0.3, 2.34567, 7].map((score) => ({ score }));
  expect(submissionText(scores, setOf("STS-B.tsv"), [])).toBe(
    "index\tprediction\n0\t0.000\n1\t2.346\n2\t5.000\n",
  );
});

it("zips the files when all are there, and says which are missing before", async () => {
  const folder = await folderOf({});
  for (const set of GLUE_TEST_SETS.slice(1)) await writeFile(join(folder, set.file), `${set.file}\n`);
  const { file } = setOf("AX.tsv");
  await writeFile(join(folder, file), "");
  const first = await writeSubmission(folder, setOf("SST-2.tsv"), "sst\n");
  expect(first).toEqual({ missing: ["CoLA.tsv"] });
  const second = await writeSubmission(folder, setOf("CoLA.tsv"), "cola\n");
  if (!("zip" in second)) throw new Error("there is no zip");
  const entries = unzipSync(await readFile(second.zip));
  expect(Object.keys(entries).sort()).toEqual(GLUE_TEST_SETS.map((set) => set.file).sort());
  expect(Buffer.from(entries["CoLA.tsv"] ?? []).toString()).toBe("cola\n");
});

it("finds a task's test sets by their official names and as the hub has them", async () => {
  const data = await folderOf({
    "MNLI/test_matched.tsv": "",
    "MNLI/test_mismatched-00000-of-00001.parquet": "",
    "diagnostic/diagnostic.tsv": "",
  });
  for (const folder of [data, join(data, "MNLI")]) {
    const found = await findTestSets(findTask("mnli"), folder);
    expect(found.map(({ set }) => set.file)).toEqual(["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"]);
  }
});

it("is what predict --glue-submission writes", { timeout: 60_000 }, async () => {
  const rows = Array.from({ length: 24 }, (_, i) => {
    const isSame = i % 2 === 0;
    return `${i}\ta ${isSame ? "good" : "bad"} film\tgood\t${isSame ? "entailment" : "not_entailment"}`;
  });
  const file = ["index\tsentence1\tsentence2\tlabel", ...rows, ""].join("\n");
  const test = "index\tsentence1\tsentence2\n0\ta bad film\tgood\n1\ta good film\tgood\n";
  const data = await folderOf({ "RTE/train.tsv": file, "RTE/dev.tsv": file, "RTE/test.tsv": test });
  const output = join(data, "run");
  const small = ["--embedding-size", "16", "--hidden-size", "8", "--epochs", "20", "--learning-rate", "0.03"];
  const trained = await run([
    ...[
      "train",
      "--task",
      "rte",
      "--data",
      data,
      "--model",
      "textcnn",
      "--output",
      output,
      "--device",
      "cpu",
    ],
    ...small,
  ]);
  expect(trained).toMatchObject({ code: 0 });
  const folder = join(data, "submission");
  const predict = ["predict", "--model", join(output, "model"), "--task", "rte", "--glue-submission", folder];
  const { code, stdout, stderr } = await run([...predict, "--data", data, "--json"]);
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/2 rows.*3000/) as string,
  });
  expect(parseOnlyLine(stdout)).toEqual({
    command: "predict",
    submission: { folder, files: [{ name: "RTE.tsv", rows: 2, expectedRows: 3_000 }], zip: null },
  });
  expect(await readFile(join(folder, "RTE.tsv"), "utf8")).toBe(
    "index\tprediction\n0\tnot_entailment\n1\tentailment\n",
  );

  expect(await run(predict)).toMatchObject({ code: 2 });
  expect(await run([...predict, "--data", data, "a text"])).toMatchObject({ code: 2 });
  const other = predict.map((word) => (word === "rte" ? "mnli" : word));
  expect(await run([...other, "--input", join(data, "RTE/test.tsv")])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("ERR_RAT_MODEL_MISMATCH") as string,
  });
});
