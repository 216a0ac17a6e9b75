/** The README's programs compile under the project's own strict options, and every block runs. */
import { execFile, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { optionRecord } from "#dist/config/options.js";
import { PRESET_NAMES } from "#dist/config/preset-names.js";
import { ALPHA_CONVENTIONS } from "#dist/regularizers/alpha.js";
import { REGULARIZER_TYPES, REGULARIZERS } from "#dist/regularizers/index.js";
import { CommandHost, run } from "../cli/cli.js";
import { type RepositoryFiles, startHub } from "../hub/server.js";

const execute = promisify(execFile);

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);

/** A project that has the package in its node_modules, as a user's has. */
let project: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "r-at-readme-"));
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "r-at"));
  symlinkSync(join(root, "node_modules", "@types"), join(project, "node_modules", "@types"));
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
    compilerOptions: object;
  };
  const options = {
    ...compilerOptions,
    rootDir: ".",
    outDir: "out",
    declaration: false,
    declarationMap: false,
  };
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, include: ["*.ts"] }),
  );
  for (const [index, code] of blocks.entries()) writeFileSync(join(project, `block-${index}.ts`), code);
  writeAgNews(join(project, "data", "agnews"));
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** A small AG News in its official format: class, title, description, no header. */
function writeAgNews(folder: string): void {
  const words = ["government treaty", "striker match", "shares profit", "software chip"];
  mkdirSync(folder, { recursive: true });
  for (const [name, rows] of [
    ["train.csv", 80],
    ["test.csv", 16],
  ] as const) {
    const lines = Array.from({ length: rows }, (_, row) => {
      const label = row % 4;
      return `"${label + 1}","${words[label]} today","The ${words[label]}, number ${row}."`;
    });
    writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
  }
}

/** A few reviews in the folders of the published data set. */
function writeImdb(folder: string): void {
  for (const split of ["train", "test"])
    for (const [label, word] of [
      ["pos", "great"],
      ["neg", "awful"],
    ] as const) {
      mkdirSync(join(folder, split, label), { recursive: true });
      for (let id = 0; id < 30; id++)
        writeFileSync(
          join(folder, split, label, `${id}_${label === "pos" ? 9 : 2}.txt`),
          `a ${word} film, number ${id}`,
        );
    }
}

/** A small BERT with a tokenizer that knows some words. */
function writeEncoder(folder: string): void {
  cpSync(join(root, "test/reference/fixtures/encoders/bert-classification"), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  // A model that was saved without the names of its classes.
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ ...config, id2label: { 0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2" } }),
  );
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "number"];
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: {
      type: "TemplateProcessing",
      single: [special("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, special("[SEP]")],
      pair: [
        special("[CLS]"),
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
        special("[SEP]"),
      ],
      special_tokens: Object.fromEntries(
        ["[CLS]", "[SEP]"].map((id) => [id, { id, ids: [words.indexOf(id)], tokens: [id] }]),
      ),
    },
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: "[UNK]",
    },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
}

/** The encoder without its head, as pretrained ones are. */
function encoderFiles(folder: string): RepositoryFiles {
  const file = readFileSync(join(folder, "model.safetensors"));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const kept = Object.entries(tensors).filter(([name]) => !name.startsWith("classifier."));
  let end = 0;
  const header = kept.map(
    ([
      name,
      {
        data_offsets: [from, to],
        ...tensor
      },
    ]) => {
      end += to - from;
      return [name, { ...tensor, data_offsets: [end - (to - from), end] }];
    },
  );
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const values = kept.map(
    ([
      ,
      {
        data_offsets: [from, to],
      },
    ]) => file.subarray(start + from, start + to),
  );
  return {
    "config.json": readFileSync(join(folder, "config.json")),
    "tokenizer.json": readFileSync(join(folder, "tokenizer.json")),
    "model.safetensors": Buffer.concat([length, text, ...values]),
  };
}

/** A small RTE as the hub has it. */
function rteFiles(): RepositoryFiles {
  const rows = Array.from({ length: 16 }, (_, row) => row);
  const split = (labels: readonly number[]) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "sentence1", data: rows.map((row) => `a ${row % 2 ? "fine" : "dull"} film`) },
          { name: "sentence2", data: rows.map(() => "a fine film") },
          { name: "label", data: labels.map(BigInt) },
        ],
      }),
    );
  return {
    "rte/train-00000-of-00001.parquet": split(rows.map((row) => row % 2)),
    "rte/validation-00000-of-00001.parquet": split(rows.map((row) => row % 2)),
    "rte/test-00000-of-00001.parquet": split(rows.map(() => -1)),
  };
}

describe("README", () => {
  it("has programs that compile under strict options", { timeout: 120_000 }, () => {
    expect(blocks.length).toBeGreaterThanOrEqual(3);
    const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", project], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });

  it("has a first program of ten lines that trains, saves and classifies", { timeout: 120_000 }, () => {
    const statements = (blocks[0] ?? "")
      .trim()
      .split("\n")
      .filter((line) => line !== "");
    expect(statements.length).toBeLessThanOrEqual(10);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["out/block-0.js"], {
      cwd: project,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.match(/accuracy/g)?.length).toBe(4); // three epochs on dev, and the test
    expect(stdout).toMatch(/label: '(World|Sports|Business|Sci\/Tech)'/);
  });

  it("has a second program that trains on rows of one's own", { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["out/block-1.js"], {
      cwd: project,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^1 \S*runs\/mine\n$/);
    expect(existsSync(join(project, "runs/mine/summary.json"))).toBe(true);
  });

  it("has a third program that handles an error by its code", () => {
    const { status, stderr } = spawnSync(process.execPath, ["out/block-2.js"], {
      cwd: project,
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stderr).toMatch(/no\/such\/model/);
  });

  it("has command lines that all run, one after the other", { timeout: 300_000 }, async () => {
    const [install = "", dependency = "", commands = "", ...others] = [
      ...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm),
    ].map(([, code = ""]) => code);
    const linesOf = (block: string) => block.replaceAll(/ +#.*/g, "").trim().split("\n");
    // Those of a dependency are tried by the newcomer suite.
    expect(linesOf(dependency)).toEqual(["npm install r-at", "npx r-at setup", "npx r-at doctor"]);
    // The first block is how a clone is built and tested: what CI does, and the quickstart beside it.
    expect(linesOf(install)).toEqual(["npm install && npm run quickstart", "npm install && npm test"]);
    expect(others).toEqual([]);
    expect(blocks.length).toBe(3);
    writeImdb(join(project, "data", "imdb"));
    writeEncoder(join(project, "path/to/bert"));
    const reviews = Array.from(
      { length: 60 },
      (_, row) => `a ${["dull", "fair", "fine"][row % 3]} film number ${row},${1 + 2 * (row % 3)}`,
    );
    writeFileSync(join(project, "reviews.csv"), `review,stars\n${reviews.join("\n")}\n`);
    writeFileSync(join(project, "texts.txt"), "a great film\nwhat a bore\n");
    await using hub = await startHub({
      "datasets/nyu-mll/glue": rteFiles(),
      "google-bert/bert-base-uncased": encoderFiles(join(project, "path/to/bert")),
    });
    const hubCache = join(project, "hub");
    const env = {
      ...process.env,
      HF_ENDPOINT: hub.url,
      HF_HUB_CACHE: hubCache,
      HF_HUB_OFFLINE: "",
      HF_TOKEN: "",
    };
    const lines = commands.split("\n").map((line) => line.replace(/ {2,}#.*/, "").trim());
    const host = new CommandHost(env);
    const inShell = async (line: string) => {
      const command = line.replace(/^r-at /, `'${process.execPath}' '${join(root, "dist/cli/main.js")}' `);
      await execute("sh", ["-c", command], { cwd: project, env });
      return { code: 0, stderr: "" };
    };
    for (const line of lines.filter((each) => each !== "" && each !== "r-at setup")) {
      // Full epochs of full-width models are for full data sets.
      const limit =
        line.startsWith("r-at train") && !line.includes("--config") ? " --epochs 1 --checkpoint-every 2" : "";
      const words = [...`${line}${limit}`.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
      expect(words.shift()).toBe("r-at");
      // Not synchronously: the hub answers from this thread.
      const { code, stderr } = await (words.includes(">") ? inShell(line) : host.run(words, "", project));
      expect({ line, code, stderr: code === 0 ? "" : stderr }).toEqual({ line, code: 0, stderr: "" });
    }
    expect(readFileSync(join(project, "predictions.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
  });

  it("has a documentation of regularizers that leaves none out, nor a preset, a consistency or a convention of α", () => {
    const documentation = readFileSync(join(root, "docs/regularizers.md"), "utf8");
    const names = [
      ...[...REGULARIZER_TYPES, ...PRESET_NAMES, ...Object.keys(ALPHA_CONVENTIONS)],
      ...(optionRecord("consistency").schema.meta()?.choices ?? []),
    ];
    for (const name of names) expect(documentation).toMatch(new RegExp(`^\\|.*\`${name}\`.*\\|`, "m"));
  });

  it("lists every regularizer, with the flags that are its own and its source", () => {
    for (const { type, fields, ...about } of REGULARIZERS) {
      const row = readme.split("\n").find((line) => line.startsWith(`| \`${type}\``));
      const flags = (
        row
          ?.split("|")
          .at(-2)
          ?.match(/--[a-z-]+/g) ?? []
      ).sort();
      // Those of the divergence are explained below the table.
      const own = fields.filter((field) => field !== "consistency" && field !== "klReduction");
      expect(flags, type).toEqual(
        own.map((field) => `--${field.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`).sort(),
      );
      const [title = ""] = ("citation" in about ? about.citation : "")
        .split(", ")
        .filter((part) => part.length > 30);
      expect(readme, type).toContain(title);
    }
  });

  it("names only commands, flags and files that exist", async () => {
    const known = new Set<string>();
    for (const name of ["train", "evaluate", "predict", "experiment", "report", "data", "doctor", "setup"])
      for (const flag of (await run([name, "--help"])).stdout.match(/--[a-z-]+/g) ?? []) known.add(flag);
    const used = [...readme.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag);
    expect(used.filter((flag) => !known.has(flag))).toEqual([]);
    for (const [, path = ""] of readme.matchAll(/\]\(((?:lib|native)\/[^)]+)\)/g)) {
      expect(() => readFileSync(join(root, path))).not.toThrow();
    }
  });
});
