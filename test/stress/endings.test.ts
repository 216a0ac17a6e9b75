/**
 * However a process ends while a model trains, at fifty moments each: no crash, the right exit code, at most five seconds.
 * `RAT_STRESS` is the number of moments.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const { RAT_STRESS = "50" } = process.env;
const MOMENTS = Number(RAT_STRESS);
const LIMIT = 5_000;

const script = join(import.meta.dirname, "endings-child.mjs");
const models = ["textcnn", "bilstm", "texthan"];

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the moment of the ending to the end, in milliseconds. */
  readonly took: number;
  readonly stderr: string;
}

function end(ending: string, moment: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // Moments are spread over several steps, an evaluation and a checkpoint.
    const args = [script, ending, models[moment % models.length] ?? "", String((moment * 37) % 400)];
    const child = spawn(process.execPath, args, { timeout: 60_000, killSignal: "SIGKILL" });
    let said: number | undefined;
    let stderr = "";
    child.stdout.on("data", () => {
      said ??= performance.now();
    });
    child.stderr.on("data", (data: Buffer) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code, signal, took: performance.now() - (said ?? Number.NaN), stderr }),
    );
  });
}

const expected: [ending: string, code: number | null, signal: NodeJS.Signals | null, stderr: RegExp][] = [
  ["exit", 7, null, /^$/],
  ["throw", 1, null, /thrown in mid-step/],
  ["rejection", 1, null, /rejected in mid-step/],
  ["SIGINT", null, "SIGINT", /^$/],
  ["SIGTERM", null, "SIGTERM", /^$/],
  ["SIGTERM, handled", 143, null, /^$/],
  ["abort and return", 0, null, /^$/],
  ["dispose and return", 0, null, /^$/],
];

test.concurrent.each(expected)("%s", { timeout: 60_000 * MOMENTS }, async (ending, code, signal, stderr) => {
  let slowest = 0;
  for (let moment = 0; moment < MOMENTS; moment++) {
    const outcome = await end(ending, moment);
    expect(outcome, `moment ${moment}`).toMatchObject({
      code,
      signal,
      stderr: expect.stringMatching(stderr),
    });
    expect(outcome.took, `moment ${moment}`).toBeLessThan(LIMIT);
    slowest = Math.max(slowest, outcome.took);
  }
  console.log(`${ending}: ${MOMENTS} times, slowest ${slowest.toFixed(0)} ms`);
});
