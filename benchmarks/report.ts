/** All that a run of the benchmark found, as text. */
import type { TableOptions } from "#dist/render/table.js";
import type { EndToEndResult } from "./end-to-end.js";
import type { Host } from "./host.js";
import type { InferenceResult } from "./inference/inference.js";
import type { OperatorResult } from "./kernels/operators.js";
import type { CaseResult } from "./measure.js";
import type { Rates } from "./rates.js";
import { renderCases, renderEndToEnd, renderInference, renderOperators, renderPhases } from "./render.js";

/** What is written as JSON. */
export interface Report {
  readonly command: string;
  readonly commit: string | null;
  readonly date: string;
  readonly host: Host;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly suite: string;
  readonly device: string;
  readonly threads: number;
  readonly busy: number;
  readonly rates: Rates;
  readonly seconds: number;
  readonly doubts: readonly string[];
  readonly results: readonly CaseResult[];
  readonly operators: readonly OperatorResult[];
  readonly inference: readonly InferenceResult[];
  readonly endToEnd: readonly EndToEndResult[];
}

export function tables(report: Report, options: TableOptions = {}): string {
  const { results, operators, inference, endToEnd, doubts } = report;
  const heading = options.format === "markdown" ? "## " : "";
  const sections: [title: string, rows: number, table: () => string][] = [
    [
      "Training. PyTorch: how many times as long it takes, with the 95 % interval",
      results.length,
      () => renderCases(results, options),
    ],
    ["Where a step's time goes", results.length, () => renderPhases(results, options)],
    ["Operators alone", operators.length, () => renderOperators(operators, options)],
    ["Inference, from texts to probabilities", inference.length, () => renderInference(inference, options)],
    ["Training from texts, everything included", endToEnd.length, () => renderEndToEnd(endToEnd, options)],
  ];
  const shown = sections
    .filter(([, rows]) => rows > 0)
    .map(([title, , table]) => `${heading}${title}\n\n${table()}`);
  if (doubts.length > 0)
    shown.push(`${heading}NOT TO BE TRUSTED\n\n${doubts.map((doubt) => `- ${doubt}`).join("\n")}`);
  return shown.join("\n\n");
}

/** The tables with all that they depend on, to be committed beside the JSON. */
export function markdown(report: Report): string {
  const { command, commit, date, host, versions, device, threads, rates, seconds } = report;
  const giga = (value: number) => `${(value / 1e9).toFixed(0)} G`;
  const known = Object.entries(versions).flatMap(([name, version]) =>
    version ? [`${name} ${version}`] : [],
  );
  const machine = [host.cpu, `${host.cores} cores`, host.cpuCapability, host.gpu, host.driver].filter(
    Boolean,
  );
  return [
    `# \`${command}\``,
    "",
    `${date.slice(0, 10)}, commit ${commit ?? "unknown"}, ${seconds.toFixed(0)} s. ${machine.join(", ")}; device ${device}, ${threads} threads. ${known.join(", ")}.`,
    `At best: ${giga(rates.flopPerSecond.fp32)}FLOP/s in fp32, ${giga(rates.flopPerSecond.bf16)}FLOP/s in bf16, ${giga(rates.bytesPerSecond)}B/s. What the columns mean: [benchmarks](../README.md).`,
    "",
    `${tables(report, { format: "markdown" })}\n`,
  ].join("\n");
}
