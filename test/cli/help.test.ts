import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { run } from "./cli.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

describe("help", () => {
  it("shows commands, tasks, models, regularizers and examples", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const word of ["train", "predict", "imdb", "textcnn", "texthan", "r-at", "r-drop", "Examples:"]) {
      expect(stdout).toContain(word);
    }
  });

  it("is there for every command", async () => {
    for (const command of ["train", "evaluate", "predict", "data", "doctor", "setup"]) {
      const { code, stdout } = await run([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: r-at ${command}`);
    }
  });

  it("lists the flags of train with their defaults", async () => {
    const { stdout } = await run(["train", "--help"]);
    const text = stdout.replace(/\s+/g, " ");
    expect(text).toMatch(/--epochs <n> passes over the training data \(default: 3\)/);
    expect(text).toMatch(/--batch-size <n> .*?\(default: 32\)/);
    expect(text).toContain("--no-shuffle");
    expect(text).not.toContain(" --shuffle"); // it is the default
  });

  it("speaks of the command that it is of", async () => {
    const helpOf = async (command: string) => (await run([command, "--help"])).stdout.replace(/\s+/g, " ");
    const predict = await helpOf("predict");
    expect(predict).toMatch(/--task <name> the file has the format of this task/);
    for (const word of ["--labels", "--kind", "--epochs", "train on", "training"])
      expect(predict).not.toContain(word);
    const evaluate = await helpOf("evaluate");
    expect(evaluate).toMatch(/--labels <a,b,...> custom: class names in order \(default: the model's\)/);
    expect(evaluate).not.toContain("best model");
  });

  it("prints the version of the package", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});
