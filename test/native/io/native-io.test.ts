/**
 * Compiles the C++ test programs of this folder with the machine's compiler (no LibTorch is needed) and turns every case
 * they report into a test. Undefined behaviour ends the program, which the last test of each notices.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const { CXX = "c++" } = process.env;
const repository = fileURLToPath(new URL("../../../", import.meta.url));

// Trapping needs no run-time library, which not every machine with a compiler has.
const flags = [
  "-std=c++20",
  "-O0",
  "-g",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-D_GLIBCXX_ASSERTIONS",
  "-fsanitize=undefined",
  "-fsanitize-undefined-trap-on-error",
  "-Inative",
  "-Itest/native/io",
];

const folder = await mkdtemp(join(tmpdir(), "r-at-native-io-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Report {
  readonly cases: { readonly name: string; readonly failure: string }[];
  readonly signal: string | undefined;
  readonly exitCode: number;
}

async function compileAndRun(name: string, sources: string[], args: string[]): Promise<Report> {
  const program = join(folder, name);
  await run(CXX, [...flags, ...sources, "-o", program], { cwd: repository });
  const { stdout, signal, code } = await run(program, args, { cwd: repository }).then(
    ({ stdout }) => ({ stdout, signal: undefined, code: 0 }),
    (error: { stdout: string; signal?: string; code?: number }) => ({
      stdout: error.stdout,
      signal: error.signal,
      code: error.code ?? -1,
    }),
  );
  const cases = [...stdout.matchAll(/^(?:ok (.*)|FAILED (.*?): (.*))$/gm)].map(([, ok, failed, why]) => ({
    name: ok ?? failed ?? "",
    failure: why ?? "",
  }));
  return { cases, signal: signal ?? undefined, exitCode: code };
}

const header = await compileAndRun(
  "safetensors_header_test",
  ["native/io/json.cc", "native/io/safetensors_header.cc", "test/native/io/safetensors_header_test.cc"],
  [],
);
const file = await compileAndRun(
  "file_test",
  ["native/io/file.cc", "test/native/io/file_test.cc"],
  [await mkdtemp(join(folder, "files-"))],
);

describe.each([
  { program: "safetensors_header", report: header, atLeast: 105 },
  { program: "file", report: file, atLeast: 16 },
])("$program", ({ report, atLeast }) => {
  for (const { name, failure } of report.cases) {
    test(name, () => expect(failure).toBe(""));
  }

  test("runs to its end", () => {
    expect({ signal: report.signal, exitCode: report.exitCode }).toEqual({ signal: undefined, exitCode: 0 });
    expect(report.cases.length).toBeGreaterThanOrEqual(atLeast);
  });
});
