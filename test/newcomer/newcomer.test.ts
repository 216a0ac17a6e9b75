/**
 * As a new user meets the package: packed, installed into an empty project as a dependency with scripts blocked, in a path
 * with blanks and letters of other alphabets; then set up, used, and used with one thing after the other missing. Each ends
 * in success or in one sentence with the command to type, and the README has that sentence.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

let folder: string;
let project: string;
/** A link to the LibTorch that the project is built against, so that it can be taken away. */
let libtorch: string;
let realLibtorch: string;

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = project): Outcome {
  const options = { cwd, encoding: "utf8", env: { ...process.env, ...env }, timeout: 900_000 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error) throw error;
  return { status, stdout, output: stdout + stderr };
}

/** A PATH of nothing but these programs. */
function pathOf(name: string, programs: readonly string[], scripts: Record<string, string> = {}): string {
  const bin = join(folder, name);
  mkdirSync(bin, { recursive: true });
  for (const program of programs) {
    // A python3 may be a script that starts another one, which needs more than is on this PATH.
    const ask =
      program === "python3" ? "python3 -c 'import sys; print(sys.executable)'" : `command -v ${program}`;
    const found = spawnSync("sh", ["-c", ask], { encoding: "utf8" }).stdout.trim();
    if (found !== "") symlinkSync(found, join(bin, program));
  }
  for (const [program, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, program), 0o755);
  }
  return bin;
}

const setUp = (env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, [join(project, "node_modules/r-at/dist/cli/main.js"), "setup"], env);

/** Trains on rows of its own, and classifies. */
const program = `
import { RATTrainer, trainTokenizer } from "r-at";
const train = Array.from({ length: 40 }, (_, i) => ({ text: i % 2 ? "a fine film" : "what a bore", label: i % 2 ? "good" : "bad" }));
const task = { name: "mine", kind: "classification", labels: ["bad", "good"], metrics: ["accuracy"], train, dev: null, test: null };
const tokenizer = await trainTokenizer(train);
const options = { model: { type: "textcnn", embeddingSize: 16, hiddenSize: 8 }, task, tokenizer, device: "cpu" };
const trainer = await RATTrainer.create(options).catch((error) => {
  console.error(error.code + ": " + error.message);
  process.exit(1);
});
await trainer.fit({ epochs: 8, learningRate: 0.02, output: "runs/größer" });
console.log((await trainer.predict("fine"))[0].label, process.versions.node.split(".")[0]);
await trainer.dispose();
await tokenizer.dispose();
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "r-at newcomer "));
  project = join(folder, "ein Pfad mit Ümläuten 中文");
  mkdirSync(project);
  const stamp = JSON.parse(readFileSync(join(root, "build/Release/rat.stamp.json"), "utf8")) as {
    libtorch: string;
  };
  realLibtorch = stamp.libtorch;
  libtorch = join(folder, "libtorch link ü");
  symlinkSync(realLibtorch, libtorch);
  const packed = run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], {}, root);
  expect(packed.status, packed.output).toBe(0);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  writeFileSync(join(project, "package.json"), '{"name":"mine","private":true,"type":"module"}');
  writeFileSync(join(project, "program.mjs"), program);
  const installed = run("npm", [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    join(folder, archive),
  ]);
  expect(installed.status, installed.output).toBe(0);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One sentence, the command, no stack; and the README says it too. */
function expectRefusal(
  { status, output }: Outcome,
  sentence: RegExp,
  command: RegExp,
  documented: string,
): void {
  expect(status).not.toBe(0);
  expect(output).toMatch(sentence);
  expect(output).toMatch(command);
  expect(output).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(readme).toContain(documented);
}

function bytesIn(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

const QUEUES = {
  billing: "the invoice shows 10 € too much",
  login: "my password is refused",
  shipping: "the parcel never came",
  returns: "I want to send the shoes back",
  praise: "thank you, wonderful service 🎉",
  spam: "win a million now",
};
const QUEUE_NAMES = Object.keys(QUEUES) as (keyof typeof QUEUES)[];
/** Uneven: two thirds of all are billing. */
const queueOf = (row: number) => QUEUE_NAMES[row % 15 < 10 ? 0 : (row % 15) - 9] ?? "billing";

/** As a spreadsheet exports it: a byte-order mark, quotes, commas and line breaks in fields, emoji, empty rows. */
function tickets(rows: number): string {
  const body = Array.from({ length: rows }, (_, i) => {
    const queue = queueOf(i);
    const text = `"Hello, case ""${(i * 7919) % 1000}"":\r\n${QUEUES[queue]}"`;
    return `${i},${text},${queue},2026-01-${10 + (i % 20)}${i % 50 === 0 ? "\r\n" : ""}`;
  });
  return `\uFEFFid,message,queue,created\r\n${body.join("\r\n")}\r\n`;
}

const NO_SETUP = /to mend it, run: {2}/;

describe.sequential("a new project", () => {
  test("with scripts blocked, is told to run the set-up", () => {
    const outcome = run(process.execPath, [
      "--input-type=module",
      "-e",
      'import { Classifier } from "r-at"; await Classifier.load("x").catch((error) => { console.error(error.code + ": " + error.message); process.exit(1); })',
    ]);
    expectRefusal(
      outcome,
      /ERR_RAT_NATIVE_LOAD: run npx r-at setup: the native addon has not been built/,
      /npx r-at setup/,
      "run npx r-at setup: the native addon has not been built",
    );
  });

  test.each<[string, () => NodeJS.ProcessEnv, RegExp, RegExp, string]>([
    [
      "no compiler, cmake or make",
      () => ({ PATH: pathOf("bare", ["node", "python3"]) }),
      /The build needs what is not on the PATH: a C\+\+20 compiler/,
      /npx r-at setup/,
      "The build needs what is not on the PATH",
    ],
    [
      "no LibTorch and no python3",
      () => ({
        PATH: pathOf("no-python", ["node", "c++", "g++", "cmake", "make", "ninja"]),
        RAT_CACHE: join(folder, "empty cache"),
      }),
      /python3/,
      NO_SETUP,
      "there is no python3 on the PATH",
    ],
    [
      "no LibTorch and no pip",
      () => ({
        PATH: pathOf("no-pip", ["node", "c++", "g++", "cmake", "make", "ninja"], {
          python3: `echo '${JSON.stringify({ version: "3.11", executable: "python3", torch: null, pip: false })}'`,
        }),
        RAT_CACHE: join(folder, "empty cache"),
      }),
      /pip/,
      NO_SETUP,
      "python3 has no pip",
    ],
    [
      "no LibTorch and no network",
      () => ({
        RAT_CACHE: join(folder, "empty cache"),
        PIP_INDEX_URL: "http://127.0.0.1:9/",
        PIP_EXTRA_INDEX_URL: "",
        PIP_FIND_LINKS: "",
        PIP_CONFIG_FILE: "/dev/null",
        PIP_RETRIES: "0",
        PIP_NO_CACHE_DIR: "1",
        PATH: pathOf("offline", [
          "node",
          "c++",
          "g++",
          "cmake",
          "make",
          "ninja",
          "python3",
          "sh",
          "env",
          "dirname",
          "uname",
        ]),
      }),
      /No wheel of torch \S+ could be installed with pip/,
      NO_SETUP,
      "could be installed with pip. Without a network, unpack a LibTorch",
    ],
    [
      "an empty folder as LibTorch",
      () => {
        mkdirSync(join(folder, "nothing"), { recursive: true });
        return { RAT_LIBTORCH: join(folder, "nothing") };
      },
      /RAT_LIBTORCH names .*nothing/,
      NO_SETUP,
      "RAT_LIBTORCH names",
    ],
    [
      "another version as LibTorch",
      () => {
        const other = join(folder, "other");
        for (const [name, content] of [
          ["version.py", "__version__ = '2.5.0+cpu'\n"],
          ["include/ATen/ATen.h", ""],
          ["lib/libtorch_cpu.so", ""],
          ["lib/libc10.so", "_ZNSt7__cxx1112basic_string"],
        ] as const) {
          mkdirSync(dirname(join(other, name)), { recursive: true });
          writeFileSync(join(other, name), content);
        }
        return { RAT_LIBTORCH: other };
      },
      /2\.5\.0/,
      NO_SETUP,
      "RAT_LIBTORCH names",
    ],
    [
      "a cache that cannot be written",
      () => ({
        RAT_CACHE: "/sys/r-at",
        PATH: pathOf("ro", ["node", "c++", "g++", "cmake", "make", "ninja"], {
          python3: `echo '${JSON.stringify({ version: "3.11", executable: "python3", torch: null, pip: true })}'`,
        }),
      }),
      /The cache folder \/sys\/r-at\S* cannot be made/,
      NO_SETUP,
      "The cache folder ... cannot be made",
    ],
  ])("with %s, is told what to do", (_, env, sentence, command, documented) => {
    const outcome = setUp(env());
    console.log(
      outcome.output
        .split("\n")
        .filter((line) => /failed:|mend it/.test(line))
        .join("\n"),
    );
    expectRefusal(outcome, sentence, command, documented);
    expect(existsSync(join(project, "node_modules/r-at/build/Release/rat.node"))).toBe(false);
  });

  test("is set up after all of that, trains and predicts", { timeout: 900_000 }, () => {
    const outcome = setUp({ RAT_LIBTORCH: libtorch });
    expect(outcome.status, outcome.output).toBe(0);
    expect(run(process.execPath, ["program.mjs"])).toMatchObject({
      status: 0,
      output: expect.stringMatching(/^good \d+\n$/),
    });
  });

  test("has nothing in its node_modules that only the build needed", () => {
    const megabytes = (path: string) => bytesIn(join(project, path)) / 1e6;
    console.log(`node_modules: ${megabytes("node_modules").toFixed(0)} MB`);
    expect(megabytes("node_modules/r-at/build")).toBeLessThan(5);
    expect(megabytes("node_modules")).toBeLessThan(160);
    const files = readdirSync(join(project, "node_modules/r-at"), { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => file.endsWith(".map"))).toEqual([]);
  });

  test("with a CSV file and no patience has predictions in a file", { timeout: 300_000 }, () => {
    writeFileSync(join(project, "tickets.csv"), tickets(600));
    const command = join(project, "node_modules/.bin/r-at");
    const trained = run(command, ["train", "tickets.csv", "--output", "runs/tickets"]);
    expect(trained.status, trained.output).toBe(0);
    expect(trained.output).toMatch(/columns: text = message, label = queue/);
    expect(trained.output).toMatch(/6 labels/);
    expect(trained.output).toMatch(/worth a look: classes are uneven/);
    expect(trained.stdout).toMatch(/test {2}accuracy 0\.(9|8)|test {2}accuracy 1\.0/);
    const open = tickets(40).replace(/,[a-z]+,([^,\n]*)$/gm, ",,$1");
    writeFileSync(join(project, "new.csv"), open);
    const args = ["--input", "new.csv", "--id-column", "id", "--output", "answers.csv"];
    const predicted = run(command, ["predict", "--model", "runs/tickets", ...args]);
    expect(predicted.status, predicted.output).toBe(0);
    const answers = readFileSync(join(project, "answers.csv"), "utf8").trim().split("\n");
    expect(answers[0]).toMatch(/^id,label,probability,/);
    expect(answers).toHaveLength(41);
    const right = answers.slice(1).filter((line, i) => line.split(",")[1] === queueOf(i)).length;
    expect(right).toBeGreaterThan(30);
    const evaluated = run(command, [
      "evaluate",
      "--model",
      "runs/tickets",
      "--task",
      "custom",
      "--test",
      "tickets.csv",
      "--text-column",
      "message",
      "--label-column",
      "queue",
      "--report",
    ]);
    expect(evaluated.status, evaluated.output).toBe(0);
    expect(evaluated.stdout).toMatch(/macro average/);
  });

  test("runs on the newest Node as it was built", { timeout: 300_000 }, () => {
    const newest = run("npx", ["--yes", "node@24", "-e", "console.log(process.execPath)"], {}, folder);
    expect(newest.status, newest.output).toBe(0);
    const outcome = run(newest.stdout.trim().split("\n").at(-1) ?? "", ["program.mjs"]);
    // A run stands in the output folder already.
    expect(outcome.output).toMatch(/ERR_RAT_PATH|good 24/);
    rmSync(join(project, "runs"), { recursive: true });
    expect(run(newest.stdout.trim().split("\n").at(-1) ?? "", ["program.mjs"])).toMatchObject({
      status: 0,
      output: "good 24\n",
    });
  });

  test("can be required from CommonJS", () => {
    const outcome = run(process.execPath, [
      "--input-type=commonjs",
      "-e",
      'console.log(typeof require("r-at").RATTrainer)',
    ]);
    expect(outcome.output).toContain("function");
  });

  test("whose LibTorch is taken away is told so, and works again when it is back", () => {
    unlinkSync(libtorch);
    expectRefusal(
      run(process.execPath, ["program.mjs"]),
      /ERR_RAT_NATIVE_LOAD: run npx r-at setup: the native addon was built against LibTorch .*, which is no longer there/,
      /npx r-at setup/,
      "which is no longer there",
    );
    mkdirSync(libtorch);
    writeFileSync(join(libtorch, "version.py"), "__version__ = '2.11.0+cpu'\n");
    const replaced = run(process.execPath, ["program.mjs"]);
    expect(replaced.status).not.toBe(0);
    expect(replaced.output).toMatch(/was built against LibTorch .*, but .* now holds 2\.11\.0/);
    expect(readme).toContain("now holds");
    rmSync(libtorch, { recursive: true });
    symlinkSync(realLibtorch, libtorch);
    rmSync(join(project, "runs"), { recursive: true, force: true });
    expect(run(process.execPath, ["program.mjs"]).status).toBe(0);
  });

  test("on a Node that is too old is told which one to take", { timeout: 300_000 }, () => {
    const old = run("npx", ["--yes", "node@18", "-e", "console.log(process.execPath)"], {}, folder);
    expect(old.status, old.output).toBe(0);
    const node = old.stdout.trim().split("\n").at(-1) ?? "";
    expectRefusal(
      run(node, [join(project, "node_modules/r-at/native/install.mjs"), "--force"]),
      /Node 18\.\S+ is too old: r-at needs \^20\.19 or >=22\.12/,
      NO_SETUP,
      "is too old",
    );
  });

  test("that is not connected to any network trains all the same", () => {
    rmSync(join(project, "runs"), { recursive: true, force: true });
    const alone = spawnSync("unshare", ["-r", "-n", process.execPath, "program.mjs"], {
      cwd: project,
      encoding: "utf8",
    });
    expect(alone.stderr).toBe("");
    expect(alone.stdout).toMatch(/^good/);
  });
});
