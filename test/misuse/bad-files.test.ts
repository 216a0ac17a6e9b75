/**
 * Bad files and flags through the command line: exit code, code, a message with file (and line) and what to do, no stack, one
 * line under --json; and the output folder is left as it was, whether it held a finished run or did not exist.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOnlyLine, run, temporaryFolder, toyRun, writeToyTask } from "../cli/cli.js";

let folder: string;
let clean: () => Promise<void>;
/** A finished run; no command below may change a byte of it. */
let finished: string;
let model: string;

beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder);
  finished = join(folder, "finished");
  const { code, stderr } = await run(toyRun(folder, finished, ["--epochs", "1", "--checkpoint-every", "2"]));
  if (code !== 0) throw new Error(stderr);
  model = join(finished, "model");
});
afterAll(() => clean());

/** Names, sizes and contents of all files below a path. */
function listing(path: string): string[] {
  if (!existsSync(path)) return ["absent"];
  if (!statSync(path).isDirectory()) return [createHash("sha256").update(readFileSync(path)).digest("hex")];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listing(join(path, name)).map((entry) => `${name}/${entry}`));
}

let counter = 0;
/** A folder of its own with the toy task, in which `damage` may do what it likes. */
async function dataWith(damage: (folder: string) => void): Promise<string> {
  const data = join(folder, `data-${++counter}`);
  mkdirSync(data);
  await writeToyTask(data);
  damage(data);
  return data;
}
const trainFile = (content: string | Buffer) =>
  dataWith((data) => writeFileSync(join(data, "train.csv"), content));

function modelWith(damage: (folder: string) => void): string {
  const copy = join(folder, `model-${++counter}`);
  cpSync(model, copy, { recursive: true });
  damage(copy);
  return copy;
}
/** What the rows below change in a `config.json` or a `tokenizer.json`. */
interface Json {
  model_type?: string;
  hidden_size?: number;
  id2label?: Record<string, string>;
  model?: { vocab: { zzz?: number } };
}
const editJson = (file: string, edit: (json: Json) => void) => {
  const json = JSON.parse(readFileSync(file, "utf8")) as Json;
  edit(json);
  writeFileSync(file, JSON.stringify(json));
};
const modelConfig = (edit: (json: Json) => void) =>
  modelWith((copy) => editJson(join(copy, "config.json"), edit));
const weights = (edit: (bytes: Buffer) => Buffer) =>
  modelWith((copy) => {
    const file = join(copy, "model.safetensors");
    writeFileSync(file, edit(readFileSync(file)));
  });

const onData = async (data: Promise<string>, more: string[] = []) => toyRun(await data, "OUTPUT", more);
const onModel = (path: string, more: string[] = []) => {
  const args = [
    "--task",
    "custom",
    "--data",
    folder,
    "--model",
    path,
    "--output",
    "OUTPUT",
    "--device",
    "cpu",
    "--threads",
    "1",
  ];
  return Promise.resolve(["train", ...args, ...more]);
};
const predict = (path: string) => Promise.resolve(["predict", "--model", path, "--device", "cpu", "a text"]);
const config = (name: string, content: string) => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return Promise.resolve(["train", "--config", file, "--output", "OUTPUT"]);
};

const FORMAT = "ERR_RAT_DATA_FORMAT";
const ENCODING = "ERR_RAT_DATA_ENCODING";
const MISMATCH = "ERR_RAT_MODEL_MISMATCH";

type Row = readonly [name: string, args: () => Promise<string[]>, exit: 1 | 2, code: string, message: RegExp];

const dataRows: Row[] = [
  ["an empty file", () => onData(trainFile("")), 1, FORMAT, /train\.csv.*empty|header|no rows/],
  ["a header alone", () => onData(trainFile("text,label\n")), 1, FORMAT, /no (rows|examples)|at least one/],
  [
    "a column that is missing",
    () => onData(trainFile("review,label\na,good\n")),
    1,
    FORMAT,
    /--text-column|text/,
  ],
  [
    "a row with a column too many",
    () => onData(trainFile("text,label\na,good\nb,bad,c\n")),
    1,
    FORMAT,
    /train\.csv:3/,
  ],
  [
    "a row with a column too few",
    () => onData(trainFile("text,label\na,good\nb\n")),
    1,
    FORMAT,
    /train\.csv:3/,
  ],
  [
    "a quote that is never closed",
    () => onData(trainFile('text,label\n"a,good\nb,bad\n')),
    1,
    FORMAT,
    /train\.csv.*[Qq]uote/,
  ],
  [
    "bytes that are not UTF-8",
    () =>
      onData(
        trainFile(
          Buffer.from([
            0x74, 0x65, 0x78, 0x74, 0x2c, 0x6c, 0x61, 0x62, 0x65, 0x6c, 0x0a, 0xff, 0xfe, 0x2c, 0x67, 0x0a,
          ]),
        ),
      ),
    1,
    ENCODING,
    /train\.csv.*UTF-8/,
  ],
  [
    "UTF-16",
    () => onData(trainFile(Buffer.from("\ufefftext,label\na,good\n", "utf16le"))),
    1,
    ENCODING,
    /train\.csv.*UTF-(16|8)/,
  ],
  ["one class alone", () => onData(trainFile("text,label\na,good\nb,good\n")), 1, "ERR_RAT_LABEL", /good/],
  [
    "a class that training data lack",
    () => onData(dataWith((data) => writeFileSync(join(data, "dev.csv"), "text,label\na,ugly\n"))),
    1,
    "ERR_RAT_LABEL",
    /dev\.csv:2.*ugly/,
  ],
  [
    "a label that is empty",
    () => onData(trainFile("text,label\na,good\nb,\nc,bad\n")),
    1,
    "ERR_RAT_LABEL",
    /train\.csv:3/,
  ],
  [
    "a score that is no number",
    () => onData(trainFile("text,label\na,1\nb,much\n"), ["--kind", "regression"]),
    1,
    "ERR_RAT_LABEL",
    /train\.csv:3.*much/,
  ],
  [
    "a score that is infinite",
    () => onData(trainFile("text,label\na,1\nb,Infinity\n"), ["--kind", "regression"]),
    1,
    "ERR_RAT_LABEL",
    /train\.csv:3/,
  ],
  [
    "gzip that is cut short",
    () => onData(trainFile(gzipSync("text,label\na,good\nb,bad\n".repeat(500)).subarray(0, 40))),
    1,
    FORMAT,
    /train\.csv.*(gzip|cut|copy|again)/,
  ],
  [
    "a folder in place of a file",
    () =>
      onData(
        dataWith((data) => {
          rmSync(join(data, "train.csv"));
          mkdirSync(join(data, "train.csv"));
        }),
      ),
    1,
    "ERR_RAT_PATH",
    /train\.csv/,
  ],
  [
    "a link to itself",
    () =>
      onData(
        dataWith((data) => {
          rmSync(join(data, "train.csv"));
          symlinkSync("train.csv", join(data, "train.csv"));
        }),
      ),
    1,
    "ERR_RAT_PATH",
    /train\.csv/,
  ],
  [
    "a data folder that is not there",
    () => onData(Promise.resolve(join(folder, "none"))),
    1,
    "ERR_RAT_PATH",
    /none/,
  ],
  [
    "a data folder without its files",
    () =>
      onData(
        dataWith((data) => {
          for (const name of readdirSync(data)) rmSync(join(data, name));
        }),
      ),
    1,
    "ERR_RAT_PATH",
    /train\.csv/,
  ],
  [
    "a file of another format",
    () =>
      onData(
        dataWith(() => {}),
        ["--train", join(folder, "train.xlsx")],
      ),
    2,
    "ERR_RAT_INVALID_ARG",
    /train\.xlsx/,
  ],
  [
    "JSON lines that are not JSON",
    async () => {
      const data = await dataWith((made) =>
        writeFileSync(join(made, "train.jsonl"), '{"text":"a","label":"good"}\n{"text":\n'),
      );
      return toyRun(data, "OUTPUT", ["--train", join(data, "train.jsonl")]);
    },
    1,
    FORMAT,
    /train\.jsonl:2/,
  ],
  [
    "JSON lines without the text",
    async () => {
      const data = await dataWith((made) =>
        writeFileSync(join(made, "train.jsonl"), '{"review":"a","label":"good"}\n'),
      );
      return toyRun(data, "OUTPUT", ["--train", join(data, "train.jsonl")]);
    },
    1,
    FORMAT,
    /train\.jsonl:1.*text/,
  ],
  [
    "labels that the data do not have",
    () =>
      onData(
        dataWith(() => {}),
        ["--labels", "yes,no"],
      ),
    1,
    "ERR_RAT_LABEL",
    /train\.csv:2.*good/,
  ],
];

const modelRows: Row[] = [
  ["a folder that is not there", () => onModel(join(folder, "none")), 1, "ERR_RAT_PATH", /none.*give/],
  ["a typo in a model's name", () => onModel("textcn"), 1, "ERR_RAT_PATH", /textcn.*textcnn/],
  [
    "a folder without config.json",
    () => onModel(modelWith((copy) => rmSync(join(copy, "config.json")))),
    1,
    "ERR_RAT_PATH",
    /config\.json/,
  ],
  [
    "a config.json that is not JSON",
    () => onModel(modelWith((copy) => writeFileSync(join(copy, "config.json"), "{"))),
    1,
    MISMATCH,
    /config\.json.*not JSON/,
  ],
  [
    "an architecture that is unknown",
    () =>
      onModel(
        modelConfig((json) => {
          json.model_type = "t5";
        }),
      ),
    1,
    MISMATCH,
    /"t5" is not supported; supported: albert, bert/,
  ],
  [
    "an encoder with an activation that is unknown",
    () =>
      onModel(
        modelConfig((json) =>
          Object.assign(json, {
            model_type: "bert",
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 4,
            hidden_act: "silu",
          }),
        ),
      ),
    1,
    MISMATCH,
    /gelu, .*relu for hidden_act.*silu/,
  ],
  [
    "an encoder with relative positions",
    () =>
      onModel(
        modelConfig((json) =>
          Object.assign(json, {
            model_type: "bert",
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 4,
            position_embedding_type: "relative_key",
          }),
        ),
      ),
    1,
    MISMATCH,
    /absolute/,
  ],
  [
    "a size that does not fit the weights",
    () =>
      onModel(
        modelConfig((json) => {
          json.hidden_size = 9;
        }),
      ),
    1,
    MISMATCH,
    /expected .*found/,
  ],
  [
    "classes without names",
    () =>
      onModel(
        modelConfig((json) => {
          json.id2label = {};
        }),
      ),
    1,
    MISMATCH,
    /id2label/,
  ],
  [
    "other classes than the task's",
    () =>
      onModel(
        modelConfig((json) => {
          json.id2label = { 0: "x", 1: "y" };
        }),
      ),
    1,
    MISMATCH,
    /--reset-head/,
  ],
  [
    "weights that are missing",
    () => onModel(modelWith((copy) => rmSync(join(copy, "model.safetensors")))),
    1,
    "ERR_RAT_PATH",
    /model\.safetensors/,
  ],
  [
    "weights in a pickle alone",
    () =>
      onModel(
        modelWith((copy) => {
          rmSync(join(copy, "model.safetensors"));
          writeFileSync(join(copy, "pytorch_model.bin"), "x");
        }),
      ),
    1,
    "ERR_RAT_UNSAFE_FORMAT",
    /execute code.*python3 -c .*save_pretrained/,
  ],
  [
    "a pickle under the name of safetensors",
    () => onModel(weights(() => Buffer.from([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]))),
    1,
    "ERR_RAT_UNSAFE_FORMAT",
    /pickle/,
  ],
  [
    "weights that are cut short",
    () => onModel(weights((bytes) => bytes.subarray(0, -5))),
    1,
    "ERR_RAT_SAFETENSORS_INVALID",
    /model\.safetensors/,
  ],
  [
    "weights of nothing",
    () => onModel(weights(() => Buffer.alloc(0))),
    1,
    "ERR_RAT_SAFETENSORS_INVALID",
    /model\.safetensors/,
  ],
  [
    "weights with a broken header",
    () =>
      onModel(
        weights((bytes) => {
          bytes[9] = 0x7d;
          return bytes;
        }),
      ),
    1,
    "ERR_RAT_SAFETENSORS_INVALID",
    /model\.safetensors/,
  ],
  [
    "an index that leaves the folder",
    () =>
      onModel(
        modelWith((copy) => {
          rmSync(join(copy, "model.safetensors"));
          writeFileSync(
            join(copy, "model.safetensors.index.json"),
            JSON.stringify({ weight_map: { a: "../model.safetensors" } }),
          );
        }),
      ),
    1,
    "ERR_RAT_PATH",
    /not a file of that folder/,
  ],
  [
    "an index of files that are not there",
    () =>
      onModel(
        modelWith((copy) => {
          rmSync(join(copy, "model.safetensors"));
          writeFileSync(
            join(copy, "model.safetensors.index.json"),
            JSON.stringify({ weight_map: { a: "model-1.safetensors" } }),
          );
        }),
      ),
    1,
    "ERR_RAT_PATH",
    /model-1\.safetensors.*missing/,
  ],
  [
    "no tokenizer",
    () => predict(modelWith((copy) => rmSync(join(copy, "tokenizer.json")))),
    1,
    "ERR_RAT_PATH",
    /tokenizer\.json/,
  ],
  [
    "a tokenizer that is damaged",
    () => predict(modelWith((copy) => writeFileSync(join(copy, "tokenizer.json"), '{"model":{}}'))),
    1,
    "ERR_RAT_TOKENIZER_INVALID",
    /tokenizer\.json/,
  ],
  [
    "a tokenizer of another model",
    () =>
      predict(
        modelWith((copy) =>
          editJson(join(copy, "tokenizer.json"), (json) => {
            if (json.model) json.model.vocab.zzz = 99_999;
          }),
        ),
      ),
    1,
    MISMATCH,
    /tokenizer has 100000 tokens.*Use the tokenizer/,
  ],
];

const runRows: Row[] = [
  [
    "an output folder that holds a run",
    async () => toyRun(folder, finished),
    1,
    "ERR_RAT_PATH",
    /--resume or --overwrite|resume.*overwrite/,
  ],
  [
    "resuming with another method",
    async () => toyRun(folder, finished, ["--resume", "--regularizer", "none"]),
    1,
    "ERR_RAT_RESUME_CONFIG",
    /regularizer was .*now/,
  ],
  [
    "resuming on other data",
    async () => {
      const data = await trainFile("text,label\na,good\nb,bad\n");
      return toyRun(data, finished, ["--resume", "--epochs", "1", "--checkpoint-every", "2"]);
    },
    1,
    "ERR_RAT_RESUME_CONFIG",
    /trainingData was/,
  ],
  [
    "an output folder below a file",
    async () => toyRun(folder, join(folder, "train.csv", "run")),
    1,
    "ERR_RAT_PATH",
    /train\.csv/,
  ],
  [
    "an output folder that is a file",
    async () => toyRun(folder, join(folder, "test.csv")),
    1,
    "ERR_RAT_PATH",
    /test\.csv/,
  ],
  [
    "a configuration that is not there",
    () => Promise.resolve(["train", "--config", join(folder, "none.yaml")]),
    1,
    "ERR_RAT_PATH",
    /none\.yaml/,
  ],
  [
    "a configuration with a key twice",
    () => config("twice.yaml", "task: custom\ntask: imdb\nmodel: textcnn\n"),
    2,
    "ERR_RAT_CONFIG",
    /twice\.yaml:\d.*unique|twice/,
  ],
  [
    "a configuration of aliases that explode",
    () =>
      config(
        "bomb.yaml",
        `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefgh"
          .split("")
          .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[i]}`).join(",")}]`)
          .join("\n")}\n`,
      ),
    2,
    "ERR_RAT_CONFIG",
    /bomb\.yaml.*without aliases/,
  ],
  [
    "a configuration with a value of another type",
    () => config("type.json", '{"task":"custom","model":"textcnn","data":".","epochs":[1]}'),
    2,
    "ERR_RAT_CONFIG",
    /epochs/,
  ],
  [
    "vectors that are not there",
    async () => toyRun(folder, "OUTPUT", ["--vectors", join(folder, "none.txt")]),
    1,
    "ERR_RAT_PATH",
    /none\.txt/,
  ],
  [
    "vectors of another width",
    async () => {
      writeFileSync(join(folder, "vectors.txt"), "a 1 2 3\n");
      return toyRun(folder, "OUTPUT", ["--vectors", join(folder, "vectors.txt")]);
    },
    1,
    FORMAT,
    /vectors\.txt:1.*16/,
  ],
  [
    "a rate that explodes",
    async () =>
      toyRun(folder, "OUTPUT", ["--learning-rate", "1e38", "--clip-norm", "0", "--optimizer", "sgd"]),
    1,
    "ERR_RAT_NON_FINITE",
    /nothing was updated.*learning rate/,
  ],
];

const tables = { data: dataRows, models: modelRows, runs: runRows };

describe.each(Object.entries(tables))("%s", (_, rows) => {
  // Some at a time, for each takes a few tenths of a second; but those that lock the finished run one by one.
  (rows === runRows ? test : test.concurrent).each(rows)(
    "bad call - %s",
    { timeout: 30_000 },
    async (name, makeArgs, exit, code, message) => {
      const output = join(folder, `output-${name.replaceAll(/\W/g, "-")}`);
      const args = (await makeArgs()).map((arg) => (arg === "OUTPUT" ? output : arg));
      const before = listing(finished);
      const { code: status, stdout, stderr } = await run([...args, "--json"]);
      expect({ status, stderr }).toMatchObject({ status: exit, stderr: expect.stringMatching(message) });
      expect(parseOnlyLine(stdout)).toEqual({ error: { code, message: expect.stringMatching(message) } });
      expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
      expect(listing(finished)).toEqual(before);
      // What fails in mid-run keeps its log; all else must not even have made the folder.
      if (code !== "ERR_RAT_NON_FINITE") expect(listing(output)).toEqual(["absent"]);
    },
  );
});

test("a checkpoint that is damaged is passed over with a warning, for the one before it", async () => {
  const copy = join(folder, "damaged");
  cpSync(finished, copy, { recursive: true });
  const checkpoints = readdirSync(join(copy, "checkpoints")).sort();
  const last = join(copy, "checkpoints", checkpoints.at(-1) ?? "");
  const file = join(last, readdirSync(last).find((name) => name.endsWith(".safetensors")) ?? "");
  chmodSync(file, 0o600);
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const { code, stderr } = await run(
    toyRun(folder, copy, ["--epochs", "1", "--checkpoint-every", "2", "--resume"]),
  );
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/warning: .*damaged/) });
});
