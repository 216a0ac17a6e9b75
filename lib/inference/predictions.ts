/** What a model says about texts, in the user's words. */
import { invalidArgument } from "../errors.js";
import { giveWay } from "../give-way.js";
import { DEFAULT_THRESHOLD } from "../models/config.js";
import type { NativeTrainer } from "../native/binding.js";
import type { Prediction } from "../targets/definition.js";
import { type TaskKind, targetOf } from "../targets/index.js";
import type { TextOrPair, Tokenizer } from "../tokenizers/types.js";
import { checkText } from "./encoded-dataset.js";
import { computeLogits } from "./logits.js";

/** A text, or one with a second text. */
export type TextInput = string | TextOrPair;

/** A model that predicts. */
export interface Predictor {
  readonly model: NativeTrainer;
  readonly tokenizer: Tokenizer;
  readonly kind: TaskKind;
  readonly labels: readonly string[];
  readonly maxLength: number;
  readonly threshold?: number | undefined;
}

/** Rows handled before other work gets a turn. */
const ROWS_A_TURN = 2_000;

/**
 * Predictions in input order; the event loop stays free however many texts there are.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an input that is no text; `ERR_RAT_ABORTED`.
 */
export async function predictTexts(
  predictor: Predictor,
  inputs: string | readonly TextInput[],
  signal: AbortSignal,
): Promise<Prediction[]> {
  return predictChecked(predictor, await checkInputs(inputs, signal), signal);
}

/** {@link predictTexts} of inputs that are known to be texts. */
export async function predictChecked(
  predictor: Predictor,
  texts: readonly TextOrPair[],
  signal: AbortSignal,
): Promise<Prediction[]> {
  const { model, tokenizer, kind, labels, maxLength, threshold = DEFAULT_THRESHOLD } = predictor;
  if (texts.length === 0) return [];
  const packed = await tokenizer.encodeAll(texts, { maxLength, signal });
  const target = targetOf(kind);
  const outputs = target.outputs(labels);
  const logits = await computeLogits(model, packed, outputs, signal);
  const predictions: Prediction[] = [];
  for (let row = 0; row < texts.length; row++) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) await giveWay(signal);
    const values = logits.subarray(row * outputs, (row + 1) * outputs);
    predictions.push(target.predict(values, labels, threshold));
  }
  return predictions;
}

/** @throws RATError `ERR_RAT_INVALID_ARG` for an input that is no text; `ERR_RAT_ABORTED`. */
export async function checkInputs(
  inputs: string | readonly TextInput[],
  signal: AbortSignal,
): Promise<TextOrPair[]> {
  if (typeof inputs === "string") return [{ text: inputs }];
  if (!Array.isArray(inputs)) invalidArgument("texts", "a string or an array of texts", inputs);
  const texts: TextOrPair[] = [];
  for (const [row, input] of (inputs as readonly TextInput[]).entries()) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) await giveWay(signal);
    const example = typeof input === "string" ? { text: input } : input;
    checkText(example, `texts[${row}]`);
    // A copy: the call may wait in a queue, and the caller is free to change what is theirs.
    texts.push({ ...example });
  }
  return texts;
}
