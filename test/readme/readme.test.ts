/** The README's programs compile under the project's own strict options, and the first one runs. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

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

  it("names only commands, flags and files that exist", () => {
    const help = (args: string[]) =>
      spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args, "--help"], { encoding: "utf8" })
        .stdout;
    const known = new Set(
      ["train", "evaluate", "predict", "data", "doctor", "setup"].flatMap(
        (command) => help([command]).match(/--[a-z-]+/g) ?? [],
      ),
    );
    const used = [...readme.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag);
    expect(used.filter((flag) => !known.has(flag))).toEqual([]);
    for (const [, path = ""] of readme.matchAll(/\]\(((?:lib|native)\/[^)]+)\)/g)) {
      expect(() => readFileSync(join(root, path))).not.toThrow();
    }
  });
});
