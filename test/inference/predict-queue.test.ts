/** Calls that are computed together: order, bounds, and that none has to do with another. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { RATError } from "#dist/errors.js";
import { PredictQueue } from "#dist/inference/predict-queue.js";
import { expectRATError } from "../trainer/toy.js";

const never = new AbortController().signal;
const of = (...texts: string[]) => texts.map((text) => ({ text }));

function queueOf({ maxTexts = 8, maxWaitMs = 0, failOn = "" } = {}) {
  const batches: string[][] = [];
  const signals: AbortSignal[] = [];
  const queue = new PredictQueue<string>(
    async (texts, signal) => {
      batches.push(texts.map(({ text }) => text));
      signals.push(signal);
      await setTimeout(10);
      if (texts.some(({ text }) => text === failOn)) throw new RATError("ERR_RAT_NON_FINITE", "damaged");
      return texts.map(({ text }) => `${text}!`);
    },
    { maxTexts, maxWaitMs },
  );
  return { queue, batches, signals };
}

it("computes calls of one turn together, and gives each its own results in order", async () => {
  const { queue, batches } = queueOf();
  const calls = [queue.predict(of("a"), never), queue.predict(of("b", "c"), never), queue.predict([], never)];
  expect(await Promise.all(calls)).toEqual([["a!"], ["b!", "c!"], []]);
  expect(batches).toEqual([["a", "b", "c"]]);
});

it("gathers what comes while it computes, in order and within its bound", async () => {
  const { queue, batches } = queueOf({ maxTexts: 3 });
  const first = queue.predict(of("a"), never);
  await setTimeout(3);
  const rest = ["b", "c", "d", "e"].map((text) => queue.predict(of(text), never));
  const large = queue.predict(of("1", "2", "3", "4", "5"), never);
  expect(await first).toEqual(["a!"]);
  expect((await Promise.all(rest)).flat()).toEqual(["b!", "c!", "d!", "e!"]);
  expect(await large).toHaveLength(5);
  expect(batches).toEqual([["a"], ["b", "c", "d"], ["e"], ["1", "2", "3", "4", "5"]]);
});

it("waits for others as long as it is told to", async () => {
  const { queue, batches } = queueOf({ maxWaitMs: 15 });
  const first = queue.predict(of("a"), never);
  await setTimeout(4);
  await Promise.all([first, queue.predict(of("b"), never)]);
  expect(batches).toEqual([["a", "b"]]);
});

describe("a call that gives up", () => {
  it("before its turn is not computed, and is answered at once", async () => {
    const { queue, batches } = queueOf();
    const stop = new AbortController();
    const first = queue.predict(of("a"), never);
    await setTimeout(3);
    const second = queue.predict(of("b"), stop.signal);
    stop.abort();
    await expectRATError(() => second, "ERR_RAT_ABORTED");
    expect(batches).toEqual([["a"]]);
    expect(await first).toEqual(["a!"]);
  });

  it("in the middle takes no other with it; the last one stops the computing", async () => {
    const { queue, signals } = queueOf();
    const [one, two] = [new AbortController(), new AbortController()];
    const calls = [queue.predict(of("a"), one.signal), queue.predict(of("b"), two.signal)];
    await setTimeout(3);
    one.abort();
    await expectRATError(() => calls[0], "ERR_RAT_ABORTED");
    expect(signals[0]?.aborted).toBe(false);
    expect(await calls[1]).toEqual(["b!"]);
    const last = queue.predict(of("c"), two.signal);
    await setTimeout(3);
    two.abort();
    await expectRATError(() => last, "ERR_RAT_ABORTED");
    expect(signals[1]?.aborted).toBe(true);
  });

  it("before it calls is refused", async () => {
    await expectRATError(() => queueOf().queue.predict(of("a"), AbortSignal.abort()), "ERR_RAT_ABORTED");
  });
});

it("fails the calls of a batch that fails, and goes on with the next", async () => {
  const { queue } = queueOf({ failOn: "bad", maxTexts: 2 });
  const calls = [
    queue.predict(of("bad"), never),
    queue.predict(of("with it"), never),
    queue.predict(of("next"), never),
  ];
  const ended = await Promise.allSettled(calls);
  expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});
