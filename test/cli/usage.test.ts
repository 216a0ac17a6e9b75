/** Wrong usage: exit code 2, a reason on stderr without a stack, nothing on stdout but one object under --json. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseOnlyLine, run, temporaryFolder, writeToyTask } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder);
  await writeFile(join(folder, "epochs.yaml"), "task: custom\nmodel: textcnn\ndata: .\nepochs: many\n");
  await writeFile(join(folder, "key.json"), '{"task":"custom","model":"textcnn","data":".","epoch":3}');
  await writeFile(join(folder, "broken.yaml"), "task: custom\nlabels: [a, b\nmodel: textcnn\n");
  await writeFile(join(folder, "list.yaml"), "- task\n- model\n");
  await writeFile(join(folder, "quoted.txt"), "a great film\n");
});
afterAll(() => clean());

const stackLine = /^\s+at .*:\d+:\d+\)?$/m;
const imdb = ["--task", "imdb", "--data", "nowhere"];
const textcnn = [...imdb, "--model", "textcnn"];

/** Name, arguments, what stderr must say, code. Nothing here may need a file, a model or the addon. */
const wrongUsage: [string, string[], RegExp, string?][] = [
  ["an unknown command", ["frobnicate"], /unknown command 'frobnicate'; commands are train/],
  ["a command with a typo", ["trian"], /Did you mean train\?/],
  ["an unknown flag", ["train", "--frobnicate"], /unknown option '--frobnicate'/],
  ["a flag with a typo", ["train", "--epoch", "3"], /Did you mean --epochs\?/],
  ["a flag without its value", ["train", "--epochs"], /'--epochs <n>' argument missing/],
  [
    "a word where a number belongs",
    ["train", "--epochs", "many"],
    /'many' is invalid\. Expected a whole number/,
  ],
  ["a number with something behind it", ["train", "--learning-rate", "1e-3x"], /Expected a number/],
  ["an empty number", ["train", "--learning-rate", ""], /Expected a number/],
  ["an infinite number", ["train", "--learning-rate", "Infinity"], /Expected a number/],
  ["a hole in a list", ["train", "--epsilon", "0.5,,1"], /Expected numbers separated by commas/],
  ["a task for a file", ["train", "imdb"], /use --task imdb --data FOLDER/],
  ["a stray argument", ["train", "a.csv", "b.csv"], /too many arguments/],
  ["no task", ["train", "--model", "textcnn"], /task is missing/, "ERR_RAT_CONFIG"],
  ["no model", ["train", ...imdb], /model is missing/, "ERR_RAT_CONFIG"],
  ["no data", ["train", "--task", "imdb", "--model", "textcnn"], /data is missing/, "ERR_RAT_CONFIG"],
  [
    "an unknown task",
    ["train", "--task", "imbd", "--data", "x", "--model", "textcnn"],
    /imdb/,
    "ERR_RAT_CONFIG",
  ],
  ["an unknown regularizer", ["train", ...textcnn, "--regularizer", "rat"], /r-at/, "ERR_RAT_CONFIG"],
  [
    "a fraction where a whole number belongs",
    ["train", ...textcnn, "--epochs", "1.5"],
    /epochs/,
    "ERR_RAT_CONFIG",
  ],
  ["a negative number", ["train", ...textcnn, "--seed", "-1"], /seed/, "ERR_RAT_CONFIG"],
  ["a dropout rate of 1", ["train", ...textcnn, "--dropout", "1"], /less than 1/, "ERR_RAT_CONFIG"],
  ["too many ε", ["train", ...textcnn, "--epsilon", "1,2,3"], /list of 2.*--epsilon/, "ERR_RAT_CONFIG"],
  [
    "too few dropout rates",
    ["train", ...textcnn, "--forwards", "3", "--dropout", "0.1,0.2"],
    /list of 3/,
    "ERR_RAT_CONFIG",
  ],
  ["no forwards", ["train", ...textcnn, "--forwards", "0"], /forwards/, "ERR_RAT_CONFIG"],
  ["an unknown device", ["train", ...textcnn, "--device", "tpu"], /cpu/, "ERR_RAT_CONFIG"],
  ["resume without output", ["train", ...textcnn, "--resume"], /--resume needs --output/, "ERR_RAT_CONFIG"],
  [
    "resume and overwrite",
    ["train", ...textcnn, "--output", "x", "--resume", "--overwrite"],
    /exclude/,
    "ERR_RAT_CONFIG",
  ],
  [
    "a bad value in the configuration",
    ["train", "--config", "epochs.yaml"],
    /epochs.*epochs\.yaml/,
    "ERR_RAT_CONFIG",
  ],
  [
    "an unknown key in the configuration",
    ["train", "--config", "key.json"],
    /did you mean epochs\?/,
    "ERR_RAT_CONFIG",
  ],
  [
    "a configuration that is not YAML",
    ["train", "--config", "broken.yaml"],
    /broken\.yaml:\d+: /,
    "ERR_RAT_CONFIG",
  ],
  [
    "a configuration that is a list",
    ["train", "--config", "list.yaml"],
    /expected a mapping/,
    "ERR_RAT_CONFIG",
  ],
  ["columns of a task whose format is fixed", ["train", ...textcnn, "--text-column", "review"], /custom/],
  ["evaluate without a model", ["evaluate", ...imdb], /'--model <folder>' not specified/],
  ["evaluate without a task", ["evaluate", "--model", "x"], /task is missing/, "ERR_RAT_CONFIG"],
  [
    "evaluate on an unknown split",
    ["evaluate", "--model", "x", ...imdb, "--split", "val"],
    /train, dev, dev-mismatched, test/,
  ],
  ["predict without a model", ["predict", "a text"], /'--model <folder>' not specified/],
  ["predict with texts and a file", ["predict", "--model", "x", "--input", "quoted.txt", "a text"], /both/],
  ["predict with a task but no file", ["predict", "--model", "x", "--task", "imdb"], /--input/],
  [
    "data check of an unknown task",
    ["data", "check", "imbd"],
    /no task imbd \(did you mean imdb\?\); there are cola/,
  ],
  ["data check without a task", ["data", "check"], /missing required argument 'task\|file'/],
  ["data with a stray argument", ["data", "imdb"], /too many arguments for 'data'/],
  ["doctor with an unknown flag", ["doctor", "--fix"], /unknown option '--fix'/],
];

/** `--json` goes right behind the command, so that it is not taken for the value of a last flag. */
const withJson = ([command = "", ...rest]: string[]) => [command, "--json", ...rest];

describe("wrong usage", () => {
  it.each(wrongUsage)("bad call - %s", async (_name, args, reason, code = "ERR_RAT_INVALID_ARG") => {
    const { code: exitCode, stdout, stderr } = await run(withJson(args), "", { cwd: folder });
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(new RegExp(`^${code}: `, "m"));
    expect(stderr).toContain("--help");
    expect(stderr).not.toMatch(stackLine);
    expect(exitCode).toBe(2);
    expect(parseOnlyLine(stdout)).toEqual({ error: { code, message: expect.stringMatching(reason) } });
  });

  it.each([
    ["no command", [], /^ERR_RAT_INVALID_ARG: Expected a command: train, evaluate, predict/m],
    ["a flag with a typo", ["train", "--epoch", "3"], /^ERR_RAT_INVALID_ARG: .*Did you mean --epochs\?/m],
    ["no task", ["train", "--model", "textcnn"], /^ERR_RAT_CONFIG: task is missing/m],
  ])("bad call - %s, without --json: nothing on stdout", async (_name, args, reason) => {
    const outcome = await run(args, "", { cwd: folder });
    expect(outcome).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(reason) });
    expect(outcome.stderr).not.toMatch(stackLine);
  });
});

/** Not wrong usage: a file or folder is not what it should be. */
const failures: [string, string[], RegExp, string][] = [
  ["a configuration that does not exist", ["train", "--config", "none.yaml"], /none\.yaml/, "ERR_RAT_PATH"],
  ["a data folder that does not exist", ["train", ...textcnn], /nowhere/, "ERR_RAT_PATH"],
  [
    "data check of a folder that does not exist",
    ["data", "check", "imdb", "nowhere"],
    /nowhere/,
    "ERR_RAT_PATH",
  ],
  [
    "data check of a folder with another task's files",
    ["data", "check", "agnews", "."],
    /train\.csv/,
    "ERR_RAT_LABEL",
  ],
  [
    "predict with a model that does not exist",
    ["predict", "--model", "none", "a text"],
    /none/,
    "ERR_RAT_PATH",
  ],
];

describe("other failures", () => {
  it.each(failures)("expected failure - %s", async (_name, args, reason, code) => {
    const { code: exitCode, stdout, stderr } = await run([...args, "--json"], "", { cwd: folder });
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(new RegExp(`^${code}: `, "m"));
    expect(stderr).not.toMatch(stackLine);
    expect(exitCode).toBe(1);
    expect(parseOnlyLine(stdout)).toEqual({ error: { code, message: expect.stringMatching(reason) } });
  });

  it("shows the stack only under --debug", async () => {
    const { code, stderr } = await run(["train", "--config", "none.yaml", "--debug"], "", { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(stackLine);
  });
});

describe("setup --remove", () => {
  it("deletes the cache folder and says how much that was; a second time there is nothing", async () => {
    const cache = join(folder, "cache");
    await mkdir(join(cache, "libtorch/torch"), { recursive: true });
    await writeFile(join(cache, "libtorch/torch/lib.so"), Buffer.alloc(60_000_000));
    const remove = () => run(["setup", "--remove"], "", { env: { ...process.env, RAT_CACHE: cache } });
    expect(await remove()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Deleted .*cache, 0\.1 GB/),
    });
    await expect(stat(cache)).rejects.toThrow(/ENOENT/);
    expect(await remove()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^There is nothing in /) });
  });
});
