// npm run lint:native: the C++ sources, those of the tests too, are formatted (clang-format), and native/ keeps the rules
// below. --write formats them.
//
// A line may break a rule with a reason beside it: `// lint: why`.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const NATIVE = join(ROOT, "native");

/** What a line of code must not hold, and why. `where` limits a rule to some files. */
const RULES = [
  {
    pattern: /\btorch::save\b/,
    why: "torch::save ends the process on a full disk; write through native/io",
  },
  {
    pattern: /\btorch::load\b/,
    why: "torch::load runs code from the file; read safetensors through native/io",
  },
  { pattern: /\bstd::w?regex\b/, why: "std::regex overflows the stack on long input; parse by hand" },
  {
    pattern: /\bAsyncWorker\b|\bAsyncProgress\w*Worker\b/,
    why: "libuv's pool is not for long work; use the trainer's own thread",
  },
  {
    pattern: /#\s*include\s*[<"]napi\.h[>"]/,
    why: "only native/addon may include napi.h",
    where: (file) => !file.startsWith("addon/"),
  },
  { pattern: /\bnew\s+[\w:(]/, why: "no raw new; use std::make_unique or std::make_shared" },
  { pattern: /\bdelete\s*(\[\s*\])?\s+?[\w:(*]/, why: "no raw delete; let an owner do it" },
];

/** A block, by the text up to its opening brace, and what must happen in it. */
const BLOCK_RULES = [
  {
    // A function that Node calls: it takes the call's info alone and, as node-addon-api wants it, is not const.
    pattern: /^[\w:<>*&\s]*?\b([\w:]+)\s*\(\s*const\s+Napi::CallbackInfo\s*&\s*\w+\s*\)[^;{}]*\{/gm,
    isExempt: (head) => /\)\s*const\s*\{$/.test(head),
    needs: /\bguarded(_promise)?\s*\(/,
    why: (name) => `${name} is called by Node and does not go through guarded(...) or guarded_promise(...)`,
  },
  {
    pattern: /\bcatch\s*\(\s*(\.\.\.)\s*\)\s*\{/g,
    // Where current_failure() itself is written.
    isExempt: (_head, file) => file === "addon/errors.cc",
    // std::current_exception: kept, to be thrown again on another thread.
    needs: /\bcurrent_failure\s*\(|\bthrow\s*;|\bcurrent_exception\s*\(/,
    why: () => "catch (...) hides what happened; turn it into an error with current_failure()",
  },
];

/**
 * Blanks out comments and the contents of string literals, keeping line breaks, so that rules see code alone.
 *
 * @param {string} source
 */
export function codeOnly(source) {
  const pattern = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|R"([^(\s]*)\([\s\S]*?\)\1"|"(?:\\.|[^"\\\n])*"/g;
  return source.replace(pattern, (found) => {
    const blank = found.replace(/[^\n]/g, " ");
    // An include names its file in quotes, and a rule looks at it.
    return found.startsWith('"') && /^"[\w./]+\.h"$/.test(found) ? found : blank;
  });
}

/**
 * Checks one file against the rules.
 *
 * @param {string} file path below native/, with forward slashes
 * @param {string} source
 * @returns {{ line: number, why: string }[]}
 */
export function breaches(file, source) {
  const found = [];
  const lines = source.split("\n");
  const code = codeOnly(source);
  code.split("\n").forEach((text, index) => {
    if (hasReason(lines[index])) return;
    for (const { pattern, why, where } of RULES) {
      if (pattern.test(text) && (where === undefined || where(file))) found.push({ line: index + 1, why });
    }
  });
  for (const { pattern, isExempt, needs, why } of BLOCK_RULES) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const line = code.slice(0, start).split("\n").length;
      if (isExempt(match[0], file) || needs.test(bodyAt(code, start)) || hasReason(lines[line - 1])) continue;
      found.push({ line, why: why(match[1]) });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** Whether the line says why it breaks a rule. */
const hasReason = (line) => /\/\/ lint: \S/.test(line ?? "");

/** The text from just behind an opening brace to the one that closes it. */
function bodyAt(code, start) {
  let depth = 1;
  let end = start;
  for (; end < code.length && depth > 0; end++) {
    if (code[end] === "{") depth++;
    else if (code[end] === "}") depth--;
  }
  return code.slice(start, end);
}

function main() {
  const files = sourcesIn(NATIVE);
  let failures = 0;
  for (const file of files) {
    for (const { line, why } of breaches(file, readFileSync(join(NATIVE, file), "utf8"))) {
      console.error(`native/${file}:${line}: ${why}`);
      failures++;
    }
  }
  const write = process.argv.includes("--write");
  const tests = join(ROOT, "test");
  const paths = [NATIVE, tests].flatMap((folder) => sourcesIn(folder).map((file) => join(folder, file)));
  if (!format(paths, write)) failures++;
  if (failures === 0) console.log(`native: ${paths.length} files formatted and within the rules`);
  process.exitCode = failures === 0 ? 0 : 1;
}

/** C++ and CUDA sources below a folder, with forward slashes. */
function sourcesIn(folder) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => /\.(h|cc|cu|cuh)$/.test(file))
    .sort();
}

/** Runs clang-format over all files; true if nothing is left to format. */
function format(files, write) {
  const manifest = createRequire(import.meta.url).resolve("clang-format-node/package.json");
  const cli = join(dirname(manifest), "build/cli.js");
  const mode = write ? ["-i"] : ["--dry-run", "--Werror"];
  const paths = files.map((file) => relative(ROOT, file));
  const { status } = spawnSync(process.execPath, [cli, ...mode, ...paths], { cwd: ROOT, stdio: "inherit" });
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
