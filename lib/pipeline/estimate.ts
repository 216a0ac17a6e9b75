/** What a run will take, from a few of its steps: `r-at train --estimate`. */
import { passesOf } from "../config/regularizer.js";
import type { ResolvedRunConfig } from "../config/resolve.js";
import type { LoadedTask } from "../datasets/types.js";
import type { RunEstimate } from "../run/events.js";
import { Plan } from "../run/plan.js";
import type { RATTrainer } from "../trainer/rat-trainer.js";
import { fitOptions } from "./options.js";
import { type TrainHooks, withTrainer } from "./train.js";

/** Steps that are made at most, and seconds after which no further one is counted. */
const STEPS = 20;
const SECONDS = 20;
/** Steps before the clock starts: memory is asked for, and kernels chosen, in the first. */
const WARM = 3;
const EVALUATED = 256;

/**
 * Makes a few steps of a run, on batches of its own, and says what the whole would take. Nothing is kept.
 *
 * @param hooks - `seconds`: after which no further step is tried. Default: 20.
 * @throws RATError what `trainFromConfig` throws.
 */
export async function estimateRun(
  config: ResolvedRunConfig,
  task: LoadedTask,
  hooks: Pick<TrainHooks, "signal" | "logger"> & { readonly seconds?: number },
): Promise<RunEstimate> {
  // Without dev and test, so that only steps are timed.
  const stepsAlone: LoadedTask = { ...task, dev: null, test: null, "dev-mismatched": null };
  return withTrainer(config, stepsAlone, hooks, async (trainer) => {
    const options = fitOptions(config);
    const { totalSteps: steps, stepsPerEpoch } = new Plan(options, task.train.length);
    // What a step is made of; nothing that writes, evaluates or stops.
    const { batchSize, microBatchSize, learningRate, shuffle } = options;
    const times = await timeSteps(trainer, { batchSize, microBatchSize, learningRate, shuffle }, hooks);
    const secondsPerStep = medianOf(times.seconds);
    const { test, dev, "dev-mismatched": mismatched } = task;
    const perExample = await timeEvaluation(trainer, dev ?? test ?? [], hooks.signal);
    const evaluations = Math.ceil(steps / (options.evalEvery ?? stepsPerEpoch));
    const evaluated = evaluations * (dev?.length ?? 0) + (mismatched?.length ?? 0) + (test?.length ?? 0);
    return {
      ...{ steps, secondsPerStep },
      passes: passesOf({ ...config, type: config.regularizer }),
      seconds: steps * secondsPerStep + evaluated * perExample,
      peakMemoryBytes: times.peakMemoryBytes,
      triedSteps: times.seconds.length,
    };
  });
}

async function timeSteps(
  trainer: RATTrainer,
  options: Parameters<RATTrainer["fit"]>[0],
  {
    signal,
    seconds: limit = SECONDS,
  }: { readonly signal?: AbortSignal | undefined; readonly seconds?: number },
) {
  const stop = new AbortController();
  const seconds: number[] = [];
  let last: number | undefined;
  let count = 0;
  const started = performance.now();
  const run = trainer.fit({
    ...options,
    maxSteps: WARM + STEPS,
    logEvery: 1,
    signal: anySignal(signal, stop.signal),
  });
  try {
    for await (const event of run) {
      if (event.type !== "step") continue;
      const now = performance.now();
      if (++count > WARM && last !== undefined) seconds.push((now - last) / 1000);
      last = now;
      if (seconds.length >= 2 && now - started > limit * 1000) stop.abort();
    }
  } catch (error) {
    if (!stop.signal.aborted || signal?.aborted) throw error;
  }
  return { seconds, peakMemoryBytes: await trainer.peakMemoryBytes() };
}

/** Seconds an example. */
async function timeEvaluation(
  trainer: RATTrainer,
  examples: LoadedTask["train"],
  signal: AbortSignal | undefined,
): Promise<number> {
  const some = examples.slice(0, EVALUATED);
  if (some.length === 0) return 0;
  const started = performance.now();
  await trainer.evaluate(some, { signal });
  return (performance.now() - started) / 1000 / some.length;
}

function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

function medianOf(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.floor(ascending.length / 2)] ?? Number.NaN;
}
