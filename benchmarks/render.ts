/** The benchmark's tables, for people. What the columns mean is in benchmarks/README.md. */
import { renderTable, type TableOptions } from "#dist/render/table.js";
import type { EndToEndResult } from "./end-to-end.js";
import type { InferenceResult } from "./inference/inference.js";
import type { OperatorResult } from "./kernels/operators.js";
import type { CaseResult, Comparison } from "./measure.js";

const number = (value: number, digits = 0) =>
  value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits });
const percent = (part: number) => `${number(100 * part, part < 0.1 ? 1 : 0)} %`;
const megabytes = (bytes: number) => number(bytes / 1e6);

function ratio(other: Comparison | undefined): string {
  if (!other) return "";
  if (other.ratio === null || !other.ratioInterval) return other.gate.why ? "not run" : "GATE FAILED";
  const [low, high] = other.ratioInterval;
  return `${number(other.ratio, 2)}x (${number(low, 2)}-${number(high, 2)})`;
}

export function renderCases(results: readonly CaseResult[], options: TableOptions = {}): string {
  const names = [...new Set(results.flatMap(({ baselines }) => baselines.map(({ name }) => name)))];
  const head = [
    "model",
    "task",
    "method",
    "precision",
    "busy cores",
    "ms/step",
    "tokens/s",
    "examples/s",
    "MFU",
    "padding",
    "peak MB",
  ];
  const rows = results.map((result) => [
    result.model,
    result.texts === "real" ? `${result.task}, real text` : result.task,
    ...[result.regularizer, result.precision, result.busy],
    `${number(result.msPerStep.median, 1)} (${number(result.msPerStep.p10, 1)}-${number(result.msPerStep.p90, 1)})`,
    number(result.tokensPerSecond),
    number(result.examplesPerSecond),
    percent(result.mfu),
    `${number(result.paddingFactor, 2)}x`,
    megabytes(result.peakMemoryBytes),
    ...names.map((name) => ratio(result.baselines.find((other) => other.name === name))),
    result.noisy ? "NOISY" : "",
  ]);
  return renderTable([...head, ...names.map((name) => `PyTorch ${name}`), ""], rows, options);
}

const PHASES = ["copy", "clean", "perturb", "adversarial", "optimizer"] as const;

export function renderPhases(results: readonly CaseResult[], options: TableOptions = {}): string {
  const rows = results.map(({ model, task, regularizer, precision, profile }) => [
    ...[model, task, regularizer, precision],
    ...PHASES.map((phase) => number(profile.phases[phase] ?? 0, 1)),
    number(profile.operators),
    number(profile.allocations),
    megabytes(profile.allocatedBytes),
  ]);
  const head = ["model", "task", "method", "precision", ...PHASES.map((phase) => `${phase} ms`)];
  return renderTable([...head, "operators", "allocations", "MB asked for"], rows, options);
}

export function renderOperators(results: readonly OperatorResult[], options: TableOptions = {}): string {
  const rows = results.map((result) => [
    ...[result.operator, result.where, result.precision],
    number(result.forwardMs, 2),
    result.backwardMs === null ? "-" : number(result.backwardMs, 2),
    `${percent(result.fraction)} of ${result.of}`,
  ]);
  return renderTable(
    ["operator", "at the sizes of", "precision", "forward ms", "backward ms", "speed"],
    rows,
    options,
  );
}

export function renderInference(results: readonly InferenceResult[], options: TableOptions = {}): string {
  const rows = results.map(({ implementation, model, precision, textsPerSecond, ratio: times }) => [
    ...[model, implementation, precision],
    textsPerSecond === null ? "not run" : number(textsPerSecond),
    times === null ? "" : `${number(times, 2)}x`,
  ]);
  return renderTable(["model", "implementation", "precision", "texts/s", "ours is faster"], rows, options);
}

export function renderEndToEnd(results: readonly EndToEndResult[], options: TableOptions = {}): string {
  const rows = results.map((result) => [
    ...[result.model, result.regularizer, number(result.examplesPerSecond), number(result.tokensPerSecond)],
    number(result.tokeniseMs, 2),
    number(result.packMs, 2),
    number(result.stepMs, 1),
  ]);
  return renderTable(
    ["model", "method", "examples/s", "tokens/s", "tokenise ms/step", "pack ms/step", "all ms/step"],
    rows,
    options,
  );
}
