/** The user's own data: CSV, TSV or JSON lines, by suffix, with the columns the options name. */
import { invalidArgument, RATError } from "../errors.js";
import { type TargetDefinition, type TaskKind, targetOf } from "../targets/index.js";
import { HELD_OUT, type TaskDefinition } from "./definition.js";
import type { Layout } from "./layout.js";

/** Options that belong to `custom` alone. */
export interface CustomColumns {
  /**
   * Name of the text column, or several with commas between them, which are joined by a blank. Default: `text`. If every column that is given is a whole number, the files have no header
   * and the numbers are 0-based column indices (JSON lines always have names).
   */
  readonly textColumn?: string | undefined;
  /** Column of the second text of a pair. Default: no pairs. */
  readonly pairColumn?: string | undefined;
  /** Column of the label. Default: `label`. Must be given when `textColumn` is an index and labels are to be read. */
  readonly labelColumn?: string | undefined;
  /** Column that tells rows apart; {@link readExamples} gives it. Default: none. */
  readonly idColumn?: string | undefined;
  /** Class names in index order. Default: those of the training data, in numeric order if all are whole numbers. */
  readonly labels?: readonly string[] | undefined;
  /** `multilabel`: what stands between the labels of a row; without it a row's label is one, or a JSON array of them. */
  readonly labelSeparator?: string | undefined;
  /** Part of the training rows that is test where there is no test file, stratified and always the same. Default: none. */
  readonly testShare?: number | undefined;
  /**
   * Between the fields of CSV files: one character. Default: the one of `,` `;` tab and `|` that the first row has most of.
   */
  readonly delimiter?: string | undefined;
  /** Default: `classification`. */
  readonly kind?: TaskKind | undefined;
}

/** Names of the options of {@link CustomColumns}. */
export const CUSTOM_OPTIONS = [
  "textColumn",
  "pairColumn",
  "labelColumn",
  "idColumn",
  "labels",
  "labelSeparator",
  "testShare",
  "delimiter",
  "kind",
] as const;

const SUFFIXES = [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"];

function named(...stems: readonly string[]): string[] {
  return stems.flatMap((stem) => SUFFIXES.map((suffix) => stem + suffix));
}

/**
 * The definition of a custom task.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for options that do not go together.
 */
export function customTask(options: CustomColumns): TaskDefinition {
  const { kind = "classification", labels, labelSeparator, delimiter = "auto" } = options;
  const target = targetOf(kind);
  if (labels !== undefined) checkLabels(labels, target);
  if (labelSeparator !== undefined && kind !== "multilabel") {
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      "`labelSeparator` is for `kind` multilabel; leave it out, or change `kind`",
    );
  }
  if (typeof delimiter !== "string" || (delimiter !== "auto" && [...delimiter].length !== 1))
    invalidArgument("delimiter", "one character", delimiter);
  return {
    name: "custom",
    description: "Your own CSV, TSV, JSON or Parquet files",
    kind,
    labels: target.fewestLabels === 0 ? [] : (labels ?? null),
    ...(labelSeparator !== undefined && { labelSeparator }),
    metrics: target.usualMetrics,
    syntax: null,
    delimiter,
    layouts: chooseColumns(options),
    folders: ["custom"],
    official: {
      train: named("train"),
      dev: { files: named("dev"), hub: "validation", heldOut: HELD_OUT },
      test: { files: named("test"), hub: "test", required: false },
    },
    paper: null,
    paperNote: null,
  };
}

function chooseColumns({ textColumn, pairColumn, labelColumn, idColumn }: CustomColumns): Layout[] {
  const given = [textColumn, pairColumn, labelColumn].filter((column) => column !== undefined);
  for (const column of given) {
    if (typeof column !== "string" || column === "")
      invalidArgument("a column", "a name or an index", column);
  }
  const indices = given.filter((column) => /^\d+$/.test(column));
  if (indices.length === 0) {
    const others = {
      ...(pairColumn === undefined ? {} : { pair: [pairColumn] }),
      label: [labelColumn ?? "label"],
      ...(idColumn !== undefined && { id: [idColumn] }),
    };
    const whole = textColumn ?? "text";
    const parts = whole.split(",").map((name) => name.trim());
    const layouts: Layout[] = [{ header: true, text: [[whole]], ...others }];
    // A column may be called so, comma included.
    if (parts.length > 1) layouts.push({ header: true, text: parts.map((name) => [name]), ...others });
    return layouts;
  }
  if (indices.length < given.length || textColumn === undefined) {
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `Columns are all names (of a header) or all 0-based indices (of files without one), the text column included; received ${given.join(", ")}`,
    );
  }
  if (new Set(indices.map(Number)).size < indices.length) {
    throw new RATError("ERR_RAT_INVALID_ARG", `Columns must differ; received ${given.join(", ")}`);
  }
  return [
    {
      header: false,
      text: [Number(textColumn)],
      ...(pairColumn === undefined ? {} : { pair: Number(pairColumn) }),
      ...(labelColumn === undefined ? {} : { label: Number(labelColumn) }),
    },
  ];
}

function checkLabels(labels: readonly string[], { kind, fewestLabels }: TargetDefinition): void {
  if (fewestLabels === 0) {
    throw new RATError("ERR_RAT_INVALID_ARG", `A ${kind} has no labels; leave them out, or change \`kind\``);
  }
  if (!Array.isArray(labels)) invalidArgument("labels", "a list of names", labels);
  for (const label of labels) {
    if (typeof label !== "string" || label === "") invalidArgument("a label", "a name", label);
  }
  if (new Set(labels).size < labels.length || labels.length < fewestLabels) {
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `Expected at least ${fewestLabels === 2 ? "two different labels" : "one label"} but received ${labels.map((label) => JSON.stringify(label)).join(", ") || "none"}`,
    );
  }
}
