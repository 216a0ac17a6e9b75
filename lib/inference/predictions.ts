/** What a model says about texts, in the user's words. */
import type { TaskKind } from "../datasets/types.js";
import { invalidArgument } from "../errors.js";
import { giveWay } from "../give-way.js";
import type { NativeTrainer } from "../native/binding.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { checkText } from "./encoded-dataset.js";
import { argMax, logSumExp } from "./evaluate.js";
import { computeLogits } from "./logits.js";

/** A text, or one with a second text. */
export type TextInput = string | { readonly text: string; readonly pair?: string };

/** The class of a text. */
export interface ClassPrediction {
  /** The most probable class. */
  readonly label: string;
  /** Its probability. */
  readonly probability: number;
  /** The probability of every class; they add up to 1. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly score?: never;
}

/** The score of a text, from a regression model. */
export interface ScorePrediction {
  readonly score: number;
  readonly label?: never;
  readonly probability?: never;
  readonly probabilities?: never;
}

/** One result of `predict`; which of the two it is depends on the model's `kind`. */
export type Prediction = ClassPrediction | ScorePrediction;

/** A model that predicts. */
export interface Predictor {
  readonly model: NativeTrainer;
  readonly tokenizer: Tokenizer;
  readonly kind: TaskKind;
  readonly labels: readonly string[];
  readonly maxLength: number;
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
  const { model, tokenizer, kind, labels, maxLength } = predictor;
  const texts = await checkInputs(inputs, signal);
  if (texts.length === 0) return [];
  const packed = await tokenizer.encodeAll(texts, { maxLength, signal });
  const outputs = kind === "regression" ? 1 : labels.length;
  const logits = await computeLogits(model, packed, outputs, signal);
  const predictions: Prediction[] = [];
  for (let row = 0; row < texts.length; row++) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) await giveWay(signal);
    const values = logits.subarray(row * outputs, (row + 1) * outputs);
    predictions.push(kind === "regression" ? { score: values[0] ?? 0 } : classify(values, labels));
  }
  return predictions;
}

async function checkInputs(
  inputs: string | readonly TextInput[],
  signal: AbortSignal,
): Promise<{ text: string; pair?: string }[]> {
  if (typeof inputs === "string") return [{ text: inputs }];
  if (!Array.isArray(inputs)) invalidArgument("texts", "a string or an array of texts", inputs);
  const texts: { text: string; pair?: string }[] = [];
  for (const [row, input] of (inputs as readonly TextInput[]).entries()) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) await giveWay(signal);
    const example = typeof input === "string" ? { text: input } : input;
    checkText(example, `texts[${row}]`);
    texts.push(example);
  }
  return texts;
}

function classify(values: Float64Array, labels: readonly string[]): ClassPrediction {
  const total = logSumExp(values);
  const probabilities = Array.from(values, (value) => Math.exp(value - total));
  const best = argMax(values);
  return {
    label: labels[best] ?? "",
    probability: probabilities[best] ?? 0,
    // fromEntries defines own properties, so that a class may be called __proto__.
    probabilities: Object.fromEntries(labels.map((label, index) => [label, probabilities[index] ?? 0])),
  };
}
