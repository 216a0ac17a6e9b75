/** What looks wrong in a task's data, or is worth knowing before a model is trained on them. */
import { giveWay } from "../give-way.js";
import { textKey } from "./text-statistics.js";
import type { Example, LoadedTask, SplitName } from "./types.js";

/** A class and its rows in the training set. */
export interface ClassCount {
  readonly label: string;
  readonly rows: number;
}

/** What {@link findConcerns} finds; counts of rows are 0 and lists empty where all is well. */
export interface Concerns {
  /** The largest and the smallest class of the training set, where one has {@link IMBALANCE} times the rows of the other. */
  readonly imbalance: { readonly largest: ClassCount; readonly smallest: ClassCount } | null;
  /** Classes without a row in the training set. */
  readonly emptyClasses: readonly string[];
  /** Classes that differ in letter case, blanks or Unicode form alone. */
  readonly similarLabels: readonly (readonly string[])[];
  /** Where names of classes look like lists of classes: what stands between them, and an example. */
  readonly listedLabels: {
    readonly separator: string;
    readonly example: string;
    readonly classes: number;
  } | null;
  /** Training rows whose text stood in an earlier one with another label. */
  readonly conflicting: number;
  /** Rows of a split whose text also stands in another. */
  readonly overlaps: readonly {
    readonly split: SplitName;
    readonly with: SplitName;
    readonly rows: number;
  }[];
}

/** From how many times the rows of the smallest class on the largest is worth a word. */
const IMBALANCE = 5;
const SEPARATORS = ["|", ";", ",", "/", "+"];
const ROWS_A_TURN = 5_000;

/**
 * Looks at labels and texts.
 *
 * @throws RATError `ERR_RAT_ABORTED`.
 */
export async function findConcerns(task: LoadedTask, signal?: AbortSignal): Promise<Concerns> {
  const counts = countLabels(task.labels, task.train);
  const { conflicting, seen: inTrain } = await firstLabels(task.train, signal);
  const inDev = new Set(task.dev?.map(textKey));
  const shared = (examples: readonly Example[] | null | undefined, has: (key: string) => boolean) =>
    examples?.filter((example) => has(textKey(example))).length ?? 0;
  const overlaps = [
    { split: "dev", with: "train", rows: shared(task.dev, (key) => inTrain.has(key)) },
    { split: "test", with: "train", rows: shared(task.test, (key) => inTrain.has(key)) },
    { split: "test", with: "dev", rows: shared(task.test, (key) => inDev.has(key)) },
  ] as const;
  return {
    imbalance: task.kind === "classification" ? imbalanceOf(counts) : null,
    emptyClasses: counts.filter(({ rows }) => rows === 0).map(({ label }) => label),
    similarLabels: similarLabels(task.labels),
    listedLabels: listedLabels(task.labels),
    conflicting,
    overlaps: overlaps.filter(({ rows }) => rows > 0),
  };
}

/** Rows of each label, in the order of `labels`; a label set counts for each of its labels. */
export function countLabels(labels: readonly string[], examples: readonly Example[]): ClassCount[] {
  const rows = new Map(labels.map((label) => [label, 0]));
  for (const { label } of examples)
    if (typeof label !== "number")
      for (const name of [label].flat()) rows.set(name, (rows.get(name) ?? 0) + 1);
  return [...rows].map(([label, count]) => ({ label, rows: count }));
}

/** The texts with the label that each has first, and how many rows have another one. */
async function firstLabels(examples: readonly Example[], signal: AbortSignal | undefined) {
  const seen = new Map<string, string>();
  let conflicting = 0;
  for (const [row, example] of examples.entries()) {
    if (row % ROWS_A_TURN === 0) await giveWay(signal);
    const [key, label] = [textKey(example), JSON.stringify(example.label)];
    const first = seen.get(key);
    if (first === undefined) seen.set(key, label);
    else if (first !== label) conflicting++;
  }
  return { seen, conflicting };
}

function imbalanceOf(counts: readonly ClassCount[]): Concerns["imbalance"] {
  const [largest, ...others] = counts.filter(({ rows }) => rows > 0).sort((a, b) => b.rows - a.rows);
  const smallest = others.at(-1);
  if (largest === undefined || smallest === undefined) return null;
  return largest.rows >= IMBALANCE * smallest.rows ? { largest, smallest } : null;
}

function similarLabels(labels: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const label of labels) {
    const key = label.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
    groups.set(key, [...(groups.get(key) ?? []), label]);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** A name with a comma in it is no list; names whose parts come back in other names are. */
function listedLabels(labels: readonly string[]): Concerns["listedLabels"] {
  const json = labels.filter((label) => /^\[.*\]$/.test(label));
  if (json.length > 1) return { separator: "JSON", example: json[0] ?? "", classes: json.length };
  for (const separator of SEPARATORS) {
    const names = new Map<string, number>();
    const partsOf = (label: string) => label.split(separator).map((part) => part.trim());
    for (const label of labels)
      for (const part of new Set(partsOf(label))) names.set(part, (names.get(part) ?? 0) + 1);
    const listed = labels.filter((label) => {
      const parts = partsOf(label);
      return parts.length > 1 && parts.every((part) => part !== "" && (names.get(part) ?? 0) > 1);
    });
    if (listed.length > 0) return { separator, example: listed[0] ?? "", classes: listed.length };
  }
  return null;
}
