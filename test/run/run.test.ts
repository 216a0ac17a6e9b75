import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { RATError } from "#dist/errors.js";
import type { TrainEvent, TrainSummary } from "#dist/run/events.js";
import { KEPT_EVENTS, Run } from "#dist/run/run.js";
import { eventsOf } from "../trainer/toy.js";

const summary = { steps: 3 } as TrainSummary;
const event = (step: number): TrainEvent => ({ type: "warning", step, message: "" });
const steps = (events: TrainEvent[]) => events.map(({ step }) => step);

function threeEvents(end: () => TrainSummary = () => summary): Run {
  return new Run(async (emit) => {
    emit(event(1));
    await setTimeout(2);
    emit(event(2));
    emit(event(3));
    await setTimeout(2);
    return end();
  });
}

it("is awaited for the summary and iterated for the events", async () => {
  const run = threeEvents();
  expect(steps(await eventsOf(run))).toEqual([1, 2, 3]);
  expect(await run).toBe(summary);
});

it("keeps events in order for an iteration that begins late, or slowly, or again", async () => {
  const run = threeEvents();
  await run;
  expect(steps(await eventsOf(run))).toEqual([1, 2, 3]);
  const slow: number[] = [];
  for await (const { step } of threeEvents()) {
    await setTimeout(3);
    slow.push(step);
  }
  expect(slow).toEqual([1, 2, 3]);
});

it("keeps no more than the last events for an iteration that begins late, and all for one that has begun", async () => {
  const count = KEPT_EVENTS + 500;
  const run = new Run(async (emit) => {
    await setTimeout(1);
    for (let step = 1; step <= count; step++) emit(event(step));
    return summary;
  });
  const early = eventsOf(run);
  await run;
  expect(steps(await eventsOf(run))).toEqual(Array.from({ length: KEPT_EVENTS }, (_, i) => 501 + i));
  expect(steps(await early)).toEqual(Array.from({ length: count }, (_, i) => 1 + i));
});

it("goes on when the loop is left early", async () => {
  const run = threeEvents();
  for await (const _ of run) break;
  expect(await run).toBe(summary);
});

it("throws a failure from the iteration, after the events before it, and leaves no rejection unhandled", async () => {
  const failures: unknown[] = [];
  const note = (reason: unknown) => failures.push(reason);
  process.on("unhandledRejection", note);
  try {
    const seen: number[] = [];
    const run = threeEvents(() => {
      throw new RATError("ERR_RAT_NON_FINITE", "loss");
    });
    await expect(
      (async () => {
        for await (const { step } of run) seen.push(step);
      })(),
    ).rejects.toMatchObject({ code: "ERR_RAT_NON_FINITE" });
    await setTimeout(5);
    expect(seen).toEqual([1, 2, 3]);
    expect(failures).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});

it("does not lose the failure of a run that nobody awaits, whether or not somebody asked when it begins", async () => {
  const script = `
    import { Run } from "#dist/run/run.js";
    process.on("unhandledRejection", ({ message }) => console.log("unhandled:", message));
    const fail = (message) => new Run(async () => { throw new Error(message); });
    fail("alone");
    fail("begun").started.catch(() => undefined);
    fail("awaited").catch(() => undefined);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: dirname(fileURLToPath(import.meta.url)),
  });
  expect(stdout.trim().split("\n").sort()).toEqual(["unhandled: alone", "unhandled: begun"]);
});

it("says when it begins, and that it failed before", async () => {
  const run = new Run(async (_, begin) => {
    begin({ totalSteps: 7 });
    return summary;
  });
  expect(await run.started).toEqual({ totalSteps: 7 });
  const failed = new Run(async () => {
    throw new RATError("ERR_RAT_LIMIT", "too much");
  });
  await expect(failed.started).rejects.toMatchObject({ code: "ERR_RAT_LIMIT" });
  await expect(failed).rejects.toMatchObject({ code: "ERR_RAT_LIMIT" });
});
