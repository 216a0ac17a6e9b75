/** A runner's process, from the orchestrator's side. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Answers } from "./protocol.js";

/** Why a runner ended, with the end of what it wrote to stderr. */
export class RunnerError extends Error {
  override readonly name = "RunnerError";
}

export class RunnerProcess<A extends object = Answers> {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #stderr = "";

  /** @param command - Program and arguments, the case's path among them. */
  constructor([program = "", ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    this.#child.on("error", () => {}); // its stdout ends, which ask() reports
    if (!this.#child.stdout) throw new RunnerError(`${program} has no output`);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws RunnerError when the process has ended. */
  async ask<C extends keyof A & string>(command: C, argument: string | number = ""): Promise<A[C]> {
    this.#child.stdin?.write(`${command} ${argument}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new RunnerError(`the runner ended at ${command}: ${this.#stderr.trim().slice(-1500)}`);
      // Libraries write to stdout too.
      if (value.startsWith("{")) return JSON.parse(value) as A[C];
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
