/**
 * npm run bench: what training with R-AT costs on this machine, here and in PyTorch. Prints tables and writes JSON into
 * benchmarks/results/. Needs nothing but `npm install`; the comparison needs a Python with PyTorch and transformers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { chooseDevice, requireRealDevice } from "#dist/inference/device.js";
import { loadNative } from "#dist/native/binding.js";
import { measureEndToEnd } from "./end-to-end.js";
import { describeCommit, describeHost, describeVersions, doubtsAbout } from "./host.js";
import { measureInference, ONNX_ADVICE } from "./inference/inference.js";
import { measureOperators } from "./kernels/operators.js";
import { type CaseResult, measure } from "./measure.js";
import { findPython, PYTHON_ADVICE } from "./python.js";
import { measureRates } from "./rates.js";
import { markdown, type Report, tables } from "./report.js";
import { baselineNames, casesOf, type SuiteName, suiteNames } from "./suites.js";
import { workloadTasks } from "./workloads/batches.js";
import { benchmarkModel, benchmarkModels } from "./workloads/models.js";
import { readRealTexts } from "./workloads/real-text.js";

/** Seconds that training cases may take, all together. What is left of ten minutes is for the rest. */
const SECONDS: Readonly<Record<SuiteName, number>> = {
  smoke: 60,
  default: 300,
  full: Number.POSITIVE_INFINITY,
};

interface Flags {
  readonly suite: SuiteName;
  readonly model?: string;
  readonly task?: string;
  readonly regularizer?: "none" | "fgm" | "r-drop" | "r-at";
  readonly precision?: "fp32" | "bf16";
  readonly batchSize?: number;
  readonly data?: string;
  readonly tokenizer?: string;
  readonly compare?: readonly string[];
  readonly only?: readonly string[];
  readonly device: string;
  readonly threads?: number;
  readonly busy: number;
  readonly output?: string;
  readonly json?: boolean;
}

const PARTS = ["training", "kernels", "inference", "end-to-end"] as const;

const program = new Command("npm run bench --")
  .description("Measures training and inference on this machine, here and in PyTorch.")
  .addOption(new Option("--suite <name>", "which cases").choices(suiteNames).default("default"))
  .addOption(new Option("--model <name>", "cases of one model").choices(benchmarkModels))
  .addOption(new Option("--task <name>", "lengths of one task").choices(workloadTasks))
  .addOption(
    new Option("--regularizer <name>", "cases of one method").choices(["none", "fgm", "r-drop", "r-at"]),
  )
  .addOption(new Option("--precision <name>", "cases of one precision").choices(["fp32", "bf16"]))
  .option("--batch-size <n>", "examples of a step; 32 if not given", wholeNumber(1))
  .option(
    "--data <folder>",
    "the files of --task: its training texts in place of seeded ids of their lengths",
  )
  .option(
    "--tokenizer <folder>",
    "of an encoder's texts, with --data: a BERT tokenizer of at most 30,522 tokens",
  )
  .option("--compare <names>", `baselines: none, or some of ${baselineNames.join(",")}`, baselines)
  .option("--only <parts>", `some of ${PARTS.join(",")}`, parts)
  .option("--device <name>", "auto, cpu, cuda or cuda:N", "auto")
  .option("--threads <n>", "compute threads; all cores if not given", wholeNumber(1))
  .option("--busy <n>", "cores that something else keeps busy meanwhile", wholeNumber(0), 0)
  .option("--output <file>", "the JSON file; one in benchmarks/results/ if not given")
  .option("--json", "print the JSON instead of tables")
  .action(bench);

function wholeNumber(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`expected a whole number from ${least} on`);
    return value;
  };
}

function listOf(known: readonly string[]) {
  return (text: string): readonly string[] => {
    const names = text.split(",");
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${known.join(", ")}`);
    return names;
  };
}

function baselines(text: string): readonly string[] {
  return text === "none" ? [] : listOf(baselineNames)(text);
}

function parts(text: string): readonly string[] {
  return listOf(PARTS)(text);
}

async function bench(flags: Flags): Promise<void> {
  if (flags.data !== undefined && flags.task === undefined) program.error("--data needs --task");
  if (flags.tokenizer !== undefined && flags.data === undefined) program.error("--tokenizer needs --data");
  const started = performance.now();
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const build = (await loadNative()).buildInfo();
  const { device } = chooseDevice(flags.device, build);
  requireRealDevice(device);
  const threads = flags.threads ?? build.hardwareThreads;
  const python = findPython();
  const doubts = doubtsAbout(0);
  const wants = (part: (typeof PARTS)[number]) => flags.only?.includes(part) ?? true;

  say(
    `${device}, ${threads} threads, LibTorch ${build.libtorchVersion}${flags.busy ? `, ${flags.busy} cores busy` : ""}`,
  );
  if (!python) say(`NOT COMPARED: no Python with PyTorch and transformers was found.\n  ${PYTHON_ADVICE}`);
  // The best that the machine does is measured without the other job: utilisation is of the whole machine.
  const rates = await measureRates(device, threads);
  const busy = keepBusy(flags.busy);
  try {
    const hasBf16 = rates.flopPerSecond.bf16 > rates.flopPerSecond.fp32;
    if (!hasBf16) say("This machine has no bf16 arithmetic: bf16 is imitated, slower than fp32.");
    const cases = wants("training") ? casesOf(flags.suite, device !== "cpu", flags, hasBf16) : [];
    const results: CaseResult[] = [];
    for (const [i, one] of cases.entries()) {
      const left = SECONDS[flags.suite] - (performance.now() - started) / 1000;
      say(`${one.model} on ${one.task}, ${one.regularizer}, ${one.precision} ...`);
      const compared = { ...one, baselines: python ? one.baselines : [] };
      const seconds = Math.max(0, left / (cases.length - i));
      const realTexts =
        flags.data === undefined
          ? undefined
          : await readRealTexts(one.task, flags.data, benchmarkModel(one.model), flags.tokenizer);
      const setting = { device, threads, busy: flags.busy, python, flopPerSecond: rates.flopPerSecond };
      results.push(await measure(compared, { ...setting, seconds, realTexts }));
    }
    const operators = wants("kernels") ? await measureOperators({ device, threads }, rates) : [];
    const inference =
      wants("inference") && device === "cpu" && flags.suite !== "smoke"
        ? await measureInference({ threads, python, models: ["textcnn", "minilm"] })
        : [];
    const endToEnd =
      wants("end-to-end") && flags.suite !== "smoke" ? await measureEndToEnd(device, threads) : [];

    doubts.push(...doubtsAbout(threads + flags.busy), ...doubtsOf(results));
    const report: Report = {
      command: ["npm run bench --", ...process.argv.slice(2)].join(" ").replace(/ --$/, ""),
      commit: describeCommit(),
      date: new Date().toISOString(),
      host: describeHost(build),
      versions: describeVersions(build, python),
      ...{ suite: flags.suite, device, threads, busy: flags.busy, rates, doubts: [...new Set(doubts)] },
      seconds: (performance.now() - started) / 1000,
      ...{ results, operators, inference, endToEnd },
    };
    const file = flags.output ?? join(import.meta.dirname, "results", `bench-${flags.suite}-${stamp()}.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
    writeFileSync(file.replace(/(\.json)?$/, ".md"), markdown(report));
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else process.stdout.write(`\n${tables(report)}\n\n${relative(process.cwd(), file)}\n`);
    if (!python) say(PYTHON_ADVICE);
    if (inference.some(({ why }) => why === ONNX_ADVICE))
      say(`To compare with onnxruntime-node: ${ONNX_ADVICE}`);
  } finally {
    for (const child of busy) child.kill("SIGKILL");
  }
}

/** What the measurements themselves speak against. */
function doubtsOf(results: readonly CaseResult[]): string[] {
  const doubts = results.some(({ noisy }) => noisy)
    ? ["times of one and the same block differ by more than 1.3x"]
    : [];
  for (const { model, precision, baselines: others } of results)
    for (const { name, gate } of others)
      if (!gate.passed && gate.difference !== null)
        doubts.push(
          `${model} ${precision}: ${name} computes something else (${gate.difference.toExponential(1)})`,
        );
  return doubts;
}

/** Processes that keep a core busy each. */
function keepBusy(cores: number): ChildProcess[] {
  return Array.from({ length: cores }, () =>
    spawn(process.execPath, [join(import.meta.dirname, "busy.mjs")], { stdio: "ignore" }),
  );
}

/** The time, as part of a file's name. */
function stamp(): string {
  return new Date().toISOString().slice(0, 16).replaceAll(":", "-");
}

await program.parseAsync();
