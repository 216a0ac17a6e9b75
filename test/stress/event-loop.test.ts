/** The event loop is never held for 50 ms, and an abort is heard within a step. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { isRATError } from "#dist/errors.js";
import type { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { toyExamples, toyTask, toyTrainer } from "../trainer/toy.js";

const LIMIT = 50;

test("a 2 ms timer has no gap of 50 ms, whatever is done", { timeout: 600_000 }, () => {
  // The best of three: the machine may be busy with something else, but what blocks does so each time.
  const best = new Map<string, number>();
  for (let attempt = 0; attempt < 3; attempt++) {
    const args = ["--expose-gc", join(import.meta.dirname, "event-loop-child.mjs")];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const [name, [gap]] of Object.entries(JSON.parse(stdout) as Record<string, [number, number]>))
      best.set(name, Math.min(gap, best.get(name) ?? Number.POSITIVE_INFINITY));
    if (Math.max(...best.values()) < LIMIT) break;
  }
  console.log([...best].map(([name, gap]) => `${name}: ${gap} ms`).join("\n"));
  for (const [name, gap] of best) expect(gap, name).toBeLessThan(LIMIT);
});

const texts = toyExamples(2_000, 5).map(({ text, label }) => ({ text: `${text} `.repeat(8), label }));

test.each(["textcnn", "bilstm", "texthan"] as const)(
  "an abort of %s is heard within a step + 50 ms",
  async (type) => {
    const trainer: RATTrainer = await toyTrainer({
      model: { type },
      task: { ...toyTask, train: texts, dev: null, test: null },
    });
    try {
      const late: number[] = [];
      for (let moment = 0; moment < 5; moment++) {
        const controller = new AbortController();
        const run = trainer.fit({ maxSteps: 100_000, logEvery: 1, signal: controller.signal });
        const times: number[] = [];
        const ended = (async () => {
          try {
            for await (const event of run) if (event.type === "step") times.push(performance.now());
          } catch (error) {
            if (!isRATError(error, "ERR_RAT_ABORTED")) throw error;
          }
          return performance.now();
        })();
        while (times.length < 4) await setTimeout(1);
        await setTimeout(moment * 7);
        const aborted = performance.now();
        controller.abort();
        const waited = (await ended) - aborted;
        const steps = times.slice(1).map((time, i) => time - (times[i] ?? time));
        late.push(waited - Math.max(...steps));
      }
      console.log(`${type}: later than a step by ${late.map((ms) => ms.toFixed(0)).join(", ")} ms`);
      expect(late.sort((a, b) => a - b)[2]).toBeLessThan(LIMIT);
    } finally {
      await trainer.dispose();
    }
  },
);
