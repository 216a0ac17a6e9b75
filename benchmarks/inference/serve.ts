/** The protocol of inference: `probabilities` (of the first class), `warmup`, `block` (all texts once), `end`. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { InferenceCase } from "./inference.js";

export function readCase(): InferenceCase {
  return JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as InferenceCase;
}

/** Answers until `end`; `classify` gives the first class's probability of every text. */
export async function serve(classify: () => Promise<readonly number[]>): Promise<void> {
  const timed = async () => {
    const started = performance.now();
    await classify();
    return { milliseconds: performance.now() - started };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const command = line.trim();
    if (command === "end") return;
    const answer = command === "probabilities" ? { probabilities: await classify() } : await timed();
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
