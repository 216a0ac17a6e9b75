/**
 * Mistakes of the kind that only a GPU shows, each put into a copy of one source file: the kernels' test must notice it, and
 * for the reason that is given. The build without a mistake passes (kernels.test.ts).
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { execute, kernelsTest, programsFolder, ROOT, type Sanitizer } from "./programs.js";

interface Mutation {
  readonly name: string;
  /** Below native/. */
  readonly file: string;
  /** What to compile where `file` is a header. */
  readonly compile?: readonly string[];
  readonly sanitizer: Sanitizer;
  readonly find: string;
  readonly replace: string;
  /** A pattern of what the test says. `other bits`: nothing, but the order of threads changes the results. */
  readonly because: string;
}

const mutations = JSON.parse(readFileSync(join(import.meta.dirname, "mutations.json"), "utf8")) as Mutation[];
interface CompileCommand {
  readonly directory: string;
  readonly command: string;
  readonly file: string;
}

/** The kernels' test with the mistake, in a folder of its own. */
async function build(mutation: Mutation): Promise<string> {
  const { file, sanitizer, find, replace } = mutation;
  const folder = programsFolder(sanitizer);
  const mutant = join(folder, "mutants", mutation.name);
  const source = readFileSync(join(ROOT, "native", file), "utf8");
  expect(source.split(find).length, `${file} has "${find}" exactly once`).toBe(2);
  mkdirSync(dirname(join(mutant, file)), { recursive: true });
  writeFileSync(
    join(mutant, file),
    source.replace(find, () => replace),
  );

  const commands = JSON.parse(
    readFileSync(join(folder, "compile_commands.json"), "utf8"),
  ) as CompileCommand[];
  const compiled = new Map<string, string>();
  for (const unit of mutation.compile ?? [file]) {
    const original = join(ROOT, "native", unit);
    const found = commands.find((entry) => entry.file === original || entry.file.endsWith(`/native/${unit}`));
    if (!found) throw new Error(`${unit} is not compiled in ${folder}`);
    const object = join(mutant, `${basename(unit)}.o`);
    const [compiler = "", ...args] = found.command.split(" ").filter(Boolean);
    const output = args[args.indexOf("-o") + 1] ?? "";
    const changed = args.map((arg) =>
      arg === output
        ? object
        : arg === found.file
          ? join(unit === file ? mutant : join(ROOT, "native"), unit)
          : arg,
    );
    // The copy of a header is found before the original.
    const { code, output: said } = await execute(compiler, [`-I${mutant}`, ...changed], {}, found.directory);
    expect(code, said).toBe(0);
    compiled.set(basename(output), object);
  }

  const objects = ["kernels", "device", "kernels_test"].flatMap((target) => {
    const root = join(folder, "CMakeFiles", `${target}.dir`);
    return readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".o"))
      .map((name) => compiled.get(basename(name)) ?? join(root, name));
  });
  const { libraries, flags, compiler } = link(folder, sanitizer);
  const program = join(mutant, "kernels_test");
  const { code, output } = await execute(compiler, [...flags, ...objects, "-o", program, ...libraries]);
  expect(code, output).toBe(0);
  return program;
}

/** From CMake's own cache. */
function link(folder: string, sanitizer: Sanitizer) {
  const cache = readFileSync(join(folder, "CMakeCache.txt"), "utf8");
  const value = (name: string) => new RegExp(`^${name}:\\w+=(.*)$`, "m").exec(cache)?.[1] ?? "";
  const lib = join(value("RAT_LIBTORCH"), "lib");
  return {
    compiler: value("CMAKE_CXX_COMPILER"),
    flags: [sanitizer === "address" ? "-fsanitize=address,undefined" : "-fsanitize=thread"],
    libraries: [`-L${lib}`, "-ltorch_cpu", "-lc10", `-Wl,-rpath,${lib}`, "-ldl"],
  };
}

describe("a mistake is seen", () => {
  test.each(mutations.map((mutation) => [mutation.name, mutation] as const))("%s", async (_, mutation) => {
    const { sanitizer, because } = mutation;
    const program = await build(mutation);
    if (because === "other bits") {
      const runs = [];
      for (const order of ["", "shuffle"]) {
        const { output } = await kernelsTest(sanitizer, { quick: true, program, order });
        runs.push(/bits (\w+)/.exec(output)?.[1]);
      }
      expect(runs[0]).toBeDefined();
      expect(runs[1]).not.toBe(runs[0]);
    } else {
      const { code, output } = await kernelsTest(sanitizer, { quick: true, program });
      expect(output).toMatch(new RegExp(because));
      expect(code).not.toBe(0);
    }
    rmSync(dirname(program), { recursive: true });
  });
});
