/** Runs the built command in child processes. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that has been started. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<Outcome>;
}

/** In a process of its own, as a shell does. */
export function start(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(process.execPath, [main, ...args], { ...options, stdio: "pipe" });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  child.stdin.on("error", () => {}); // The command may end without having read it.
  const outcome = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, outcome };
}

/** A process that runs commands one at a time, each to its end; it ends with this one. */
export class CommandHost {
  #process: Promise<ChildProcess> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly env: NodeJS.ProcessEnv = process.env) {}

  run(args: readonly string[], input = "", cwd?: string): Promise<Outcome> {
    const outcome = this.#last.then(() => this.ask(args, input, cwd));
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  private async ask(args: readonly string[], input: string, cwd: string | undefined): Promise<Outcome> {
    this.#process ??= this.start();
    const child = await this.#process;
    child.channel?.ref();
    const died = new AbortController();
    const answer = once(child, "message", { signal: died.signal }).then(([outcome]) => outcome as Outcome);
    const onExit = () => died.abort(new Error(`the command ended its process: r-at ${args.join(" ")}`));
    child.once("exit", onExit);
    child.send({ args, input, cwd });
    try {
      return await answer;
    } finally {
      child.off("exit", onExit);
      child.channel?.unref();
    }
  }

  private async start(): Promise<ChildProcess> {
    const script = fileURLToPath(new URL("command-host.mjs", import.meta.url));
    const child = fork(script, [main], { stdio: "inherit", execArgv: [], env: this.env });
    child.once("exit", () => {
      this.#process = undefined;
    });
    await once(child, "message");
    child.channel?.unref();
    child.unref();
    return child;
  }
}

const host = new CommandHost();

/**
 * Runs a command to its end: in a process that other commands have had before, or, with `env`, in one of its own. `input` is its
 * whole stdin.
 */
export function run(
  args: readonly string[],
  input = "",
  { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  if (env === undefined) return host.run(args, input, cwd);
  const { child, outcome } = start(args, { ...(cwd && { cwd }), env });
  child.stdin.end(input);
  return outcome;
}

/** The one object on stdout; throws if there is anything else. */
export function parseOnlyLine(stdout: string): Record<string, unknown> {
  if (!/^[^\n]+\n$/.test(stdout))
    throw new Error(`Expected exactly one line but received ${JSON.stringify(stdout)}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** A folder of its own that `clean` removes. */
export async function temporaryFolder(): Promise<{ folder: string; clean: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "r-at cli ü-")); // Paths with blanks and umlauts must work.
  return { folder, clean: () => rm(folder, { recursive: true, force: true }) };
}

const good = ["great", "lovely", "fine", "superb", "moving"];
const bad = ["dull", "awful", "poor", "boring", "clumsy"];

/** Writes train.csv, dev.csv and test.csv: the words tell the two classes apart, so a model learns them in a few steps. */
export async function writeToyTask(folder: string, rows = 64): Promise<void> {
  for (const [split, count] of [
    ["train", rows],
    ["dev", 16],
    ["test", 16],
  ] as const) {
    const lines = ["text,label"];
    for (let row = 0; row < count; row++) {
      const words = row % 2 === 0 ? good : bad;
      const [first, second] = [words[row % 5], words[(row * 3 + 1) % 5]];
      lines.push(`"a ${first}, ${second} film, number ${row % 7}",${row % 2 === 0 ? "good" : "bad"}`);
    }
    await writeFile(join(folder, `${split}.csv`), `${lines.join("\n")}\n`);
  }
}

/** Flags of a run on the toy task that takes about a second. */
export function toyRun(data: string, output: string, more: readonly string[] = []): string[] {
  const sizes = ["--embedding-size", "16", "--hidden-size", "8", "--threads", "1", "--device", "cpu"];
  const task = ["--task", "custom", "--data", data, "--model", "textcnn", "--output", output];
  return [
    "train",
    ...task,
    ...sizes,
    "--batch-size",
    "16",
    "--learning-rate",
    "0.03",
    "--log-every",
    "1",
    ...more,
  ];
}
