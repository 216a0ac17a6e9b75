/** A data set as the native side takes it: packed tokens and numeric labels. Encoded once, before training. */
import type { Dataset, Example } from "../datasets/types.js";
import { invalidArgument, RATError } from "../errors.js";
import { giveWay } from "../give-way.js";
import { type LabelArray, type TaskKind, targetOf } from "../targets/index.js";
import type { PackedTexts, Tokenizer } from "../tokenizers/types.js";

/** N examples. */
export interface EncodedDataset {
  readonly texts: PackedTexts;
  /** Class indices `[N]`, scores `[N]`, or a 1 or 0 for each label `[N, C]`. */
  readonly labels: LabelArray;
  readonly size: number;
}

/** What encoding needs to know. */
export interface EncodeDatasetOptions {
  readonly kind: TaskKind;
  /** Class names in the order of the model's outputs. */
  readonly labels: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  /** What to call the data in messages: `train`, `dev`. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Rows handled before other work gets a turn; some milliseconds. */
const ROWS_A_TURN = 5_000;

/**
 * Encodes all examples of a data set; the event loop stays free.
 *
 * @throws RATError `ERR_RAT_LABEL` for a label outside the task's, with its row; `ERR_RAT_INVALID_ARG` for something that
 *   is no example; `ERR_RAT_DATA_FORMAT` when there are none; `ERR_RAT_ABORTED`.
 */
export async function encodeDataset(data: Dataset, options: EncodeDatasetOptions): Promise<EncodedDataset> {
  const { kind, name, tokenizer, maxLength, signal } = options;
  const examples = await collect(data, name, signal);
  if (examples.length === 0) {
    throw new RATError("ERR_RAT_DATA_FORMAT", `The ${name} data has no examples; give at least one`);
  }
  const target = targetOf(kind);
  const width = target.width(options.labels);
  const labels = target.newLabels(examples.length * width);
  const indices = new Map(options.labels.map((label, index) => [label, index]));
  for (const [row, example] of examples.entries()) {
    if (row % ROWS_A_TURN === 0) await giveWay(signal);
    checkText(example, `${name}[${row}]`);
    const own = labels.subarray(row * width, (row + 1) * width);
    target.write(example.label, indices, `${name}[${row}]`, own);
  }
  const texts = await tokenizer.encodeAll(examples, { maxLength, signal });
  return { texts, labels, size: examples.length };
}

/** An array is used as it is; anything else is read once. */
async function collect(data: Dataset, name: string, signal: AbortSignal): Promise<readonly Example[]> {
  if (Array.isArray(data)) return data;
  if (
    typeof data !== "object" ||
    data === null ||
    !(Symbol.iterator in data || Symbol.asyncIterator in data)
  ) {
    invalidArgument(name, "an iterable or async iterable of examples", data);
  }
  const examples: Example[] = [];
  for await (const example of data) {
    examples.push(example);
    if (examples.length % ROWS_A_TURN === 0) await giveWay(signal);
  }
  return examples;
}

/** @throws RATError `ERR_RAT_INVALID_ARG` when `example` has no text. */
export function checkText(example: unknown, place: string): void {
  if (typeof example !== "object" || example === null)
    invalidArgument(place, "an example { text, ... }", example);
  const { text, pair } = example as { text?: unknown; pair?: unknown };
  if (typeof text !== "string") invalidArgument(`${place}.text`, "a string", text);
  if (pair !== undefined && typeof pair !== "string") invalidArgument(`${place}.pair`, "a string", pair);
}
