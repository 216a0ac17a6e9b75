/**
 * From rows to texts: where a task keeps its text, pair and label. A task lists the layouts its files come in; the first
 * row of a file decides which one it is. Labels are left as the file spells them.
 */
import { isRATError, RATError } from "../errors.js";
import { nearest } from "../nearest.js";
import { readCsv } from "./csv.js";
import { dataError, formatError, leaveOut, nameSome, shorten } from "./data-error.js";
import type { JsonRow } from "./jsonl.js";
import { readRecords } from "./records.js";
import type { TableRow } from "./table.js";
import type { ReadOptions } from "./text-file.js";
import { readTsv } from "./tsv.js";

/** How a file is written: RFC 4180, tabs without quoting, JSON (an object a line, or an array of them), Parquet. */
export type Syntax = "csv" | "tsv" | "jsonl" | "parquet";

/** A file whose columns have names: a header, or the keys of JSON objects. Each column lists the names it goes by. */
export interface NamedLayout {
  readonly header: true;
  /** Several text columns are joined by a blank and trimmed; a single one is taken as it is. */
  readonly text: readonly (readonly string[])[];
  readonly pair?: readonly string[];
  readonly label?: readonly string[];
  /** Class names by number, where such files number them in another way than the task's `spellings`. */
  readonly classes?: readonly string[];
  /** Columns that tell rows apart, exactly as they are spelled. */
  readonly id?: readonly string[];
}

/** A table without a header: 0-based column indices. */
export interface IndexedLayout {
  readonly header: false;
  /** Number of columns of such a file; any number if not given. */
  readonly columns?: number;
  readonly text: readonly number[];
  readonly pair?: number;
  readonly label?: number;
}

export type Layout = NamedLayout | IndexedLayout;

/** A row before its label is interpreted. */
export interface RawExample {
  readonly text: string;
  readonly pair?: string;
  /** As the file spells it; undefined where there is none. */
  readonly label?: string;
  /** Its identifiers with tabs between them, where the layout has them. */
  readonly id?: string;
  readonly file: string;
  readonly line: number;
}

/** What to do about labels: fail without one, take it if it is there, or not look at it. */
export type LabelMode = "required" | "optional" | "ignored";

export interface ReadRowsOptions extends ReadOptions {
  readonly syntax: Syntax;
  readonly layouts: readonly Layout[];
  readonly labels: LabelMode;
  /** Whether labels are sets: then an empty field is an empty one, and JSON has arrays. */
  readonly haveSets?: boolean | undefined;
  /** What stands in place of a label that is not there; where labels are required, such a row is left out. */
  readonly unlabelled?: readonly string[] | undefined;
  /** Of CSV files, as {@link CsvOptions}. */
  readonly delimiter?: string | undefined;
  /** Whether rows of a TSV file with too few columns are left out. */
  readonly skipsShortRows?: boolean | undefined;
  /** Called for each row that is left out. */
  readonly onSkip?: (() => void) | undefined;
}

const SUFFIXES: Readonly<Record<string, Syntax>> = {
  ".csv": "csv",
  ".tsv": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "jsonl",
  ".parquet": "parquet",
};

/**
 * The syntax that a file's suffix names (`.gz` aside), else `fallback`.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` if neither tells.
 */
export function syntaxOf(path: string, fallback: Syntax | null): Syntax {
  const suffix = /\.[^./\\]*$/.exec(path.replace(/\.gz$/, ""))?.[0].toLowerCase() ?? "";
  const syntax = SUFFIXES[suffix] ?? fallback;
  if (syntax) return syntax;
  throw new RATError(
    "ERR_RAT_INVALID_ARG",
    `Cannot tell the format of ${path}: its name must end in ${Object.keys(SUFFIXES).join(", ")}, or that and .gz`,
  );
}

/**
 * The rows of a file as texts.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` if the file has none of the layouts; `ERR_RAT_LABEL` for a row without a label
 * where labels are required; and as the reader of the syntax.
 */
export async function* readRows(path: string, options: ReadRowsOptions): AsyncGenerator<RawExample> {
  const { syntax, labels, unlabelled = [] } = options;
  const isTable = syntax === "csv" || syntax === "tsv";
  for await (const { label, ...example } of isTable
    ? readTable(path, { ...options, syntax })
    : readObjects(path, { ...options, syntax })) {
    const isLabelled = label !== undefined && !unlabelled.includes(label);
    if (labels !== "required" || isLabelled) yield isLabelled ? { ...example, label } : example;
    else if (label === undefined)
      leaveOut(dataError("ERR_RAT_LABEL", example, "the row has no label"), options.onBadRow);
    else options.onSkip?.();
  }
}

/** A layout with its columns found: 0-based indices. */
interface Columns {
  readonly text: readonly number[];
  readonly pair: number | undefined;
  readonly label: number | undefined;
  readonly id: readonly number[];
  readonly classes: readonly string[];
}

async function* readTable(
  path: string,
  options: ReadRowsOptions & { readonly syntax: "csv" | "tsv" },
): AsyncGenerator<RawExample> {
  const rows = options.syntax === "csv" ? readCsv(path, options) : readTsv(path, options);
  let columns: Columns | undefined;
  for await (const row of rows) {
    if (columns === undefined) {
      const found = chooseLayout(path, row, options);
      columns = found.columns;
      if (found.layout.header) continue;
    }
    const { text, pair, label, id, classes } = columns;
    const field = (at: number | undefined) => (at === undefined ? undefined : row.fields[at]);
    yield makeExample({
      file: path,
      line: row.line,
      texts: text.map((at) => row.fields[at] ?? ""),
      pair: field(pair),
      label: nameOf(field(label) || (options.haveSets && label !== undefined ? "[]" : undefined), classes),
      id: id.length === 0 ? undefined : id.map(field).join("\t"),
    });
  }
}

function chooseLayout(path: string, row: TableRow, options: ReadRowsOptions) {
  for (const layout of options.layouts) {
    const columns = layout.header ? findNamed(layout, row.fields) : findIndexed(layout, row.fields.length);
    if (columns === undefined || (options.labels === "required" && columns.label === undefined)) continue;
    return { layout, columns: options.labels === "ignored" ? { ...columns, label: undefined } : columns };
  }
  const expected = options.layouts.map((layout) => describeLayout(layout, options.labels === "required"));
  throw formatError(
    { file: path, line: row.line },
    `expected ${expected.join(", or ")}, but the first row is ${nameSome(row.fields)}${likelyColumns(options, row.fields)}`,
  );
}

/** For names that stand nowhere in a header, those that were probably meant. */
function likelyColumns({ layouts, labels }: ReadRowsOptions, header: readonly string[]): string {
  const layout = layouts.find((each): each is NamedLayout => each.header);
  if (layout === undefined) return "";
  const { text, pair, label } = layout;
  const wanted = [...text, ...(pair ? [pair] : []), ...(label && labels === "required" ? [label] : [])];
  const missing = wanted.filter((names) => findColumn(header, names) < 0);
  const likely = missing.map(([name = ""]) => nearest(name, header)).filter((name) => name !== undefined);
  return likely.length > 0 ? ` (did you mean ${likely.join(" and ")}?)` : "";
}

function findNamed(layout: NamedLayout, header: readonly string[]): Columns | undefined {
  const text = layout.text.map((names) => findColumn(header, names));
  const pair = layout.pair && findColumn(header, layout.pair);
  if (text.includes(-1) || pair === -1) return undefined;
  const label = layout.label ? findColumn(header, layout.label) : -1;
  const id = (layout.id ?? []).map((name) => header.indexOf(name));
  return {
    ...{ text, pair, label: label < 0 ? undefined : label },
    ...{ id: id.includes(-1) ? [] : id, classes: layout.classes ?? [] },
  };
}

/** Index of the first of `names` in the header, spelled exactly or else in other letter case; -1 if there is none. */
function findColumn(header: readonly string[], names: readonly string[]): number {
  for (const name of names) {
    const exact = header.indexOf(name);
    const at = exact < 0 ? header.findIndex((each) => each.toLowerCase() === name.toLowerCase()) : exact;
    if (at >= 0) return at;
  }
  return -1;
}

function findIndexed(layout: IndexedLayout, columns: number): Columns | undefined {
  if (layout.columns !== undefined && layout.columns !== columns) return undefined;
  const { text, pair, label } = layout;
  if (text.some((at) => at >= columns) || (pair !== undefined && pair >= columns)) return undefined;
  return {
    ...{ text, pair, label: label !== undefined && label < columns ? label : undefined },
    ...{ id: [], classes: [] },
  };
}

function describeLayout(layout: Layout, withLabel: boolean): string {
  if (!layout.header) {
    const last = Math.max(...layout.text, layout.pair ?? 0, withLabel ? (layout.label ?? 0) : 0);
    return `${layout.columns ?? `at least ${last + 1}`} columns without a header`;
  }
  const columns = [...layout.text, ...(layout.pair ? [layout.pair] : [])];
  if (withLabel && layout.label) columns.push(layout.label);
  return `a header with ${columns.map((names) => names.map((name) => JSON.stringify(name)).join(" or ")).join(" and ")}`;
}

async function* readObjects(
  path: string,
  options: ReadRowsOptions & { readonly syntax: "jsonl" | "parquet" },
): AsyncGenerator<RawExample> {
  const named = options.layouts.filter((each): each is NamedLayout => each.header);
  let layout = named[0];
  if (!layout) {
    throw formatError(
      { file: path, line: 1 },
      "expected a table without a header; the columns of this file have names",
    );
  }
  let isFirst = true;
  for await (const row of readRecords(path, options.syntax, options)) {
    if (isFirst) layout = named.find(({ text }) => text.every((names) => hasOne(row, names))) ?? layout;
    isFirst = false;
    try {
      yield exampleOf(path, row, layout, options);
    } catch (error) {
      if (!isRATError(error, "ERR_RAT_DATA_FORMAT")) throw error;
      leaveOut(error, options.onBadRow);
    }
  }
}

/** @throws RATError `ERR_RAT_DATA_FORMAT` for values of the wrong type. */
function exampleOf(path: string, row: JsonRow, layout: NamedLayout, options: ReadRowsOptions): RawExample {
  const label =
    layout.label && options.labels !== "ignored" ? labelIn(path, row, layout.label, options) : undefined;
  return makeExample({
    file: path,
    line: row.line,
    texts: layout.text.map((names) => stringIn(path, row, names)),
    pair: layout.pair && stringIn(path, row, layout.pair),
    label: nameOf(label, layout.classes ?? []),
    id: layout.id && idIn(row, layout.id),
  });
}

/** Undefined where one of them is missing. */
function idIn({ value }: JsonRow, names: readonly string[]): string | undefined {
  if (!names.every((name) => Object.hasOwn(value, name))) return undefined;
  return names.map((name) => String(value[name])).join("\t");
}

function stringIn(file: string, row: JsonRow, names: readonly string[]): string {
  const value = valueIn(row, names);
  if (typeof value === "string") return value;
  const found =
    value === undefined ? `the keys ${nameSome(Object.keys(row.value))}` : shorten(JSON.stringify(value));
  throw formatError(
    { file, line: row.line },
    `expected a string for ${names.map((name) => JSON.stringify(name)).join(" or ")} but found ${found}`,
  );
}

function labelIn(
  file: string,
  row: JsonRow,
  names: readonly string[],
  { haveSets }: ReadRowsOptions,
): string | undefined {
  const value = valueIn(row, names);
  if (haveSets && (value === "" || Array.isArray(value))) return JSON.stringify(value || []);
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "object") {
    throw formatError(
      { file, line: row.line },
      `expected a string or a number as label but found ${shorten(JSON.stringify(value))}`,
    );
  }
  return String(value);
}

function hasOne({ value }: JsonRow, names: readonly string[]): boolean {
  return names.some((name) => Object.hasOwn(value, name));
}

function valueIn(row: JsonRow, names: readonly string[]): unknown {
  const name = names.find((each) => Object.hasOwn(row.value, each));
  return name === undefined ? undefined : row.value[name];
}

/** The name of a class that a file gives by number. */
function nameOf(label: string | undefined, classes: readonly string[]): string | undefined {
  return label !== undefined && /^\d+$/.test(label) ? (classes[Number(label)] ?? label) : label;
}

function makeExample(row: {
  readonly file: string;
  readonly line: number;
  readonly texts: readonly string[];
  readonly pair: string | undefined;
  readonly label: string | undefined;
  readonly id: string | undefined;
}): RawExample {
  const { texts, pair, label, id, file, line } = row;
  return {
    text: texts.length === 1 ? (texts[0] ?? "") : texts.join(" ").trim(),
    ...(pair === undefined ? {} : { pair }),
    ...(label === undefined ? {} : { label }),
    ...(id === undefined ? {} : { id }),
    ...{ file, line },
  };
}
