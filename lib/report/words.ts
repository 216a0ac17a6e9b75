/** Events, metrics and durations in words, the same in every command. */
import { formatMetrics } from "../render/metrics.js";
import type { RunEstimate, TrainEvent, TrainSummary } from "../run/events.js";

/** One line about an event, as `step 40  dev: loss 0.4210, accuracy 0.8120`. */
export function describeEvent(event: TrainEvent): string {
  switch (event.type) {
    case "step":
      return `step ${event.step}  loss ${event.loss.toFixed(4)}`;
    case "eval":
      return `step ${event.step}  ${event.split}: loss ${event.loss.toFixed(4)}, ${formatMetrics(event.metrics)}`;
    case "diagnostics": {
      const { step, inputGradientNorm, submodelDivergence, averagingGap } = event;
      return `step ${step}  input gradient ${inputGradientNorm.toFixed(4)}, sub-models ${submodelDivergence.toFixed(4)} apart, averaging gap ${averagingGap.toFixed(4)}`;
    }
    case "checkpoint":
      return `step ${event.step}  checkpoint: ${event.path}`;
    case "warning":
      return `warning: ${event.message}`;
  }
}

/** `8s`, `2m05s`, `1h03m`. */
export function formatSeconds(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
}

/** What a run would take, in two lines. */
export function describeEstimate(estimate: RunEstimate): string {
  const { steps, passes, secondsPerStep, seconds, peakMemoryBytes, triedSteps } = estimate;
  return [
    `${steps} steps of ${secondsPerStep.toFixed(3)} s (${passes} passes each) and the evaluations: about ${formatSeconds(seconds)}`,
    `memory: ${(peakMemoryBytes / 1e9).toFixed(2)} GB at most in the ${triedSteps} steps that were tried`,
  ].join("\n");
}

/** A finished run in a few lines. */
export function describeSummary(summary: Omit<TrainSummary, "provenance">): string {
  const { model, regularizer, task, steps, seconds, bestStep, dev, test, output } = summary;
  return [
    `${model} with ${regularizer} on ${task}: ${steps} steps in ${seconds.toFixed(1)} s`,
    ...(dev ? [`dev   ${formatMetrics(dev)} (step ${bestStep})`] : []),
    ...(test ? [`test  ${formatMetrics(test)}`] : []),
    ...(output === null ? [] : [`saved ${output}`]),
  ].join("\n");
}
