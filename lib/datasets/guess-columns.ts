/** Which columns of a file are text, pair and label, from their names and contents. */
import { RATError } from "../errors.js";
import { readCsv } from "./csv.js";
import { formatError, nameSome } from "./data-error.js";
import { syntaxOf } from "./layout.js";
import { readRecords } from "./records.js";
import type { ReadOptions } from "./text-file.js";
import { readTsv } from "./tsv.js";

/** Columns by name. */
export interface GuessedColumns {
  readonly textColumn: string;
  readonly pairColumn?: string | undefined;
  readonly labelColumn: string;
}

/** What is known already, and how to read. */
export interface GuessOptions extends ReadOptions {
  readonly textColumn?: string | undefined;
  readonly pairColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly delimiter?: string | undefined;
}

/** Rows that are looked at. */
const SAMPLE = 300;

const TEXT_NAMES =
  /^(text|sentence|review|comment|message|body|content|description|title|subject|question|tweet|post|utterance|document|ticket|email|query|abstract|headline|answer)(_?text)?s?$/i;
const LABEL_NAMES =
  /^(label|class|category|target|sentiment|stars?|scores?|rating|intent|topic|queue|tag|polarity|emotion|genre|type|department|y)(_?(name|id))?s?$/i;
const PAIR_NAMES: readonly (readonly [RegExp, RegExp])[] = [
  [/^sentence_?1$/i, /^sentence_?2$/i],
  [/^question_?1$/i, /^question_?2$/i],
  [/^text_?(1|a)$/i, /^text_?(2|b)$/i],
  [/^text$/i, /^(text_?pair|pair)$/i],
  [/^premise$/i, /^hypothesis$/i],
  [/^question$/i, /^(sentence|passage|context)$/i],
];
/** So few values, and so often repeated, that they are classes. */
const MOST_CLASSES = 50;

interface Column {
  readonly name: string;
  readonly values: readonly string[];
}

/**
 * Guesses what `options` does not name.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` when several columns could be what is looked for, or none; they are listed. Also what
 *   reading the file throws.
 */
export async function guessColumns(path: string, options: GuessOptions = {}): Promise<GuessedColumns> {
  const columns = await sampleColumns(path, options);
  const free = (...taken: readonly (string | undefined)[]) =>
    columns.filter(({ name }) => !taken.includes(name));
  const pair = options.textColumn === undefined ? pairOf(columns) : undefined;
  const labelColumn =
    options.labelColumn ?? choose(path, "label", free(options.textColumn, pair?.[0], pair?.[1]), labelLike);
  if (pair && options.pairColumn === undefined && !pair.includes(labelColumn))
    return { textColumn: pair[0], pairColumn: pair[1], labelColumn };
  const { pairColumn } = options;
  const textColumn = options.textColumn ?? choose(path, "text", free(labelColumn, pairColumn), textLike);
  return { textColumn, labelColumn, ...(pairColumn !== undefined && { pairColumn }) };
}

/** {@link guessColumns} without a label. */
export async function guessTextColumns(
  path: string,
  options: GuessOptions = {},
): Promise<Omit<GuessedColumns, "labelColumn">> {
  const columns = await sampleColumns(path, options);
  const pair = pairOf(columns);
  if (pair) return { textColumn: pair[0], pairColumn: pair[1] };
  return { textColumn: choose(path, "text", columns, textLike) };
}

/** Candidates: those that are called so, else those that look so. */
type Likeness = (columns: readonly Column[]) => readonly Column[];

const textLike: Likeness = (columns) => {
  const named = columns.filter(({ name }) => TEXT_NAMES.test(name));
  if (named.length > 0) return named;
  // Words, not the same again and again.
  return columns.filter(({ values }) => {
    const words = values.reduce((sum, value) => sum + value.split(/\s+/).length, 0) / values.length;
    return words >= 3 && new Set(values).size > values.length / 2;
  });
};

const labelLike: Likeness = (columns) => {
  const named = columns.filter(({ name }) => LABEL_NAMES.test(name));
  if (named.length > 0) return named;
  return columns.filter(({ values }) => {
    const classes = new Set(values.filter((value) => value !== "")).size;
    return classes >= 2 && classes <= Math.min(MOST_CLASSES, values.length / 2);
  });
};

function choose(
  path: string,
  what: "text" | "label",
  columns: readonly Column[],
  candidatesOf: Likeness,
): string {
  const candidates = candidatesOf(columns);
  const [first, second] = candidates;
  if (first !== undefined && second === undefined) return first.name;
  const names = nameSome((candidates.length > 0 ? candidates : columns).map(({ name }) => name));
  const join = what === "text" ? ", or several with commas between them" : "";
  const found =
    candidates.length > 0
      ? `Several columns of ${path} could be the ${what}: ${names}`
      : `No column of ${path} looks like the ${what}; there are ${names}`;
  throw new RATError("ERR_RAT_INVALID_ARG", `${found}. Name it: \`${what}Column\`${join}`, {
    details: { file: path, option: `${what}Column` },
  });
}

function pairOf(columns: readonly Column[]): readonly [string, string] | undefined {
  const named = (pattern: RegExp) => columns.find(({ name }) => pattern.test(name))?.name;
  for (const [first, second] of PAIR_NAMES) {
    const [text, pair] = [named(first), named(second)];
    if (text !== undefined && pair !== undefined) return [text, pair];
  }
  return undefined;
}

async function sampleColumns(path: string, options: GuessOptions): Promise<Column[]> {
  const syntax = syntaxOf(path, null);
  const rows = syntax === "csv" || syntax === "tsv" ? tableRows : recordRows;
  const { names, values } = await rows(path, options);
  if (values.length === 0) throw formatError({ file: path, line: 1 }, "there are no rows in it");
  return names.map((name, at) => ({ name, values: values.map((row) => row[at] ?? "") }));
}

interface Sample {
  readonly names: readonly string[];
  readonly values: readonly (readonly string[])[];
}

async function tableRows(path: string, options: GuessOptions): Promise<Sample> {
  const isCsv = syntaxOf(path, null) === "csv";
  const rows = isCsv
    ? readCsv(path, { ...options, delimiter: options.delimiter ?? "auto" })
    : readTsv(path, options);
  let names: readonly string[] | undefined;
  const values: (readonly string[])[] = [];
  for await (const { fields } of rows) {
    if (names === undefined) names = fields;
    else values.push(fields);
    if (values.length >= SAMPLE) break;
  }
  return { names: names ?? [], values };
}

async function recordRows(path: string, options: GuessOptions): Promise<Sample> {
  const syntax = syntaxOf(path, null) === "parquet" ? "parquet" : "jsonl";
  const names: string[] = [];
  const values: string[][] = [];
  for await (const { value } of readRecords(path, syntax, options)) {
    for (const name of Object.keys(value)) if (!names.includes(name)) names.push(name);
    values.push(
      names.map((name) =>
        typeof value[name] === "string" ? value[name] : JSON.stringify(value[name] ?? ""),
      ),
    );
    if (values.length >= SAMPLE) break;
  }
  return { names, values };
}
