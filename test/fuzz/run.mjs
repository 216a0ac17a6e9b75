// npm run fuzz [-- --seconds N]: the readers of files under libFuzzer with AddressSanitizer and UBSan, without Node and
// LibTorch; N seconds in all (60). Needs clang with its run-time libraries; where there is none it says so and ends with
// "SKIPPED" and exit 0. What is found stays in a file that is named.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const here = join(root, "test/fuzz");
const { CLANGXX } = process.env;
const compilers = CLANGXX
  ? [CLANGXX]
  : ["clang++", ...[21, 20, 19, 18, 17, 16, 15, 14].map((n) => `clang++-${n}`)];
const FLAGS = [
  "-std=c++20",
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-fsanitize=fuzzer,address,undefined",
  "-fno-sanitize-recover=all",
];

const at = process.argv.indexOf("--seconds");
const seconds = at < 0 ? 60 : Number(process.argv[at + 1]);
if (!(seconds >= 1)) throw new Error("usage: npm run fuzz [-- --seconds N]");

const build = mkdtempSync(join(tmpdir(), "rat-fuzz-"));
process.on("exit", () => rmSync(build, { recursive: true, force: true }));

const run = (command, args) => spawnSync(command, args, { cwd: root, encoding: "utf8" });

function compile(compiler, name) {
  const sources = ["native/io/json.cc", "native/io/safetensors_header.cc", join(here, `${name}_fuzz.cc`)];
  return run(compiler, [...FLAGS, "-Inative", ...sources, "-o", join(build, name)]);
}

/** Small files of every kind, to begin with. */
function seeds(name) {
  const folder = join(build, `${name}-corpus`);
  mkdirSync(folder);
  const cases = JSON.parse(readFileSync(join(here, "seeds.json"), "utf8"));
  for (const [index, { header, data }] of cases.entries()) {
    const text = Buffer.from(header);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const file = name === "json" ? text : Buffer.concat([length, text, Buffer.alloc(data, 7)]);
    writeFileSync(join(folder, `seed-${index}`), file);
  }
  return folder;
}

const compiler = compilers.find(
  (candidate) => run(candidate, ["--version"]).status === 0 && compile(candidate, "json").status === 0,
);
if (compiler === undefined) {
  const line = "*".repeat(78);
  console.warn(
    `${line}\nfuzz: SKIPPED: there is no clang++ with libFuzzer (on Debian: apt-get install clang libclang-rt-dev)\n${line}`,
  );
} else {
  const targets = ["safetensors", "json"];
  for (const name of targets) {
    const { status, stderr } = compile(compiler, name);
    if (status !== 0) throw new Error(stderr);
    const started = Date.now();
    const limit = Math.max(1, Math.round(name === "json" ? seconds / 4 : (seconds * 3) / 4));
    const artifact = join(root, `fuzz-${name}-`);
    const {
      status: ended,
      signal,
      stderr: report,
    } = run(join(build, name), [
      seeds(name),
      ...[
        `-max_total_time=${limit}`,
        "-max_len=4096",
        "-rss_limit_mb=2048",
        "-timeout=5",
        "-print_final_stats=1",
      ],
      ...[`-artifact_prefix=${artifact}`, `-dict=${join(here, "safetensors.dict")}`],
    ]);
    const count = Number(/stat::number_of_executed_units:\s+(\d+)/.exec(report)?.[1]);
    const [, coverage, features] = [...report.matchAll(/cov: (\d+) ft: (\d+)/g)].at(-1) ?? [];
    const took = (Date.now() - started) / 1000;
    console.log(
      `fuzz: ${name}: ${count} inputs in ${took.toFixed(0)} s (${Math.round(count / took)}/s), ${coverage} edges, ${features} features`,
    );
    if (ended !== 0 || signal || !(count > 1000)) {
      console.error(report.slice(-6000));
      console.error(`fuzz: ${name}: FAILED; the input is in ${artifact}*`);
      process.exitCode = 1;
    }
  }
}
