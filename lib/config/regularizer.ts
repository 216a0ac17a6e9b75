/**
 * A regularizer with everything filled in, and its form at the native boundary. Checks what no single option can: that
 * lists have one entry for each forward.
 */
import type { z } from "zod";
import { configError } from "../errors.js";
import type { NativeRegularizerOptions } from "../native/binding.js";
import {
  REGULARIZERS,
  type RegularizerDefinition,
  type RegularizerField,
  type RegularizerType,
  regularizerOf,
} from "../regularizers/index.js";
import { OPTIONS, type Options, optionRecord } from "./options.js";

/** A number for every forward, or a list with one for each. */
export type PerForward = number | readonly number[];

/** A regularizer and its numbers; fields that it does not read are absent. */
export type ResolvedRegularizer = { readonly type: RegularizerType } & {
  readonly [Field in RegularizerField]?: z.output<Options[Field]["schema"]>;
};

/** One that may lack fields. */
export type GivenRegularizer = { readonly type: RegularizerType } & {
  readonly [Field in keyof ResolvedRegularizer]?: ResolvedRegularizer[Field] | undefined;
};

/** Fields that describe one family of regularizers; the others mean the same to all that read them. */
const OF_A_FAMILY = [
  ...(["scope", "ascentSteps", "stepSize", "ascentInit"] as const),
  ...(["spareSpecialTokens", "sameMasks", "noise", "bregmanWeight", "bregmanDecay"] as const),
] as const;

/**
 * Refuses what was asked for on purpose and would do nothing. A configuration that serves several regularizers may hold it.
 *
 * @throws RATError `ERR_RAT_CONFIG`, naming those that read the field.
 */
export function refuseStrayFields(
  type: RegularizerType,
  given: Readonly<Partial<Record<RegularizerField, unknown>>>,
): void {
  const readers = (field: RegularizerField) =>
    REGULARIZERS.filter(({ fields }) => (fields as readonly RegularizerField[]).includes(field));
  for (const field of OF_A_FAMILY) {
    const types = readers(field).map((reader) => reader.type);
    if (given[field] === undefined || types.includes(type)) continue;
    throw configError(field, `${field} is for ${types.join(", ")}; ${type} does not read it`);
  }
}

/** How many forwards are regularized, K; `forwards` is what the user wants. */
export function forwardCount(type: RegularizerType, forwards?: number): number {
  const { forwards: known }: RegularizerDefinition = regularizerOf(type);
  return "always" in known ? known.always : (forwards ?? known.default);
}

/** Forwards with a backward that a step makes of each example. */
export function passesOf({
  type,
  forwards,
  ascentSteps = 1,
  ascentInit = "zero",
}: ResolvedRegularizer): number {
  const definition: RegularizerDefinition = regularizerOf(type);
  return definition.passes({ forwards: forwardCount(type, forwards), ascentSteps, ascentInit });
}

/**
 * Fills in what the regularizer reads and drops the rest. Default: R-AT.
 *
 * @param defaultEpsilon - The model's; none leaves an `epsilon` that was not given out.
 * @throws RATError `ERR_RAT_CONFIG` when `forwards` contradicts the regularizer or a list has the wrong length.
 */
export function resolveRegularizer(
  given: GivenRegularizer = { type: "r-at" },
  dropout?: PerForward,
  defaultEpsilon?: PerForward,
): ResolvedRegularizer {
  const { type } = given;
  const definition: RegularizerDefinition = regularizerOf(type);
  const count = forwardCount(type, given.forwards);
  if (type !== "none" && given.forwards !== undefined && given.forwards !== count) {
    throw configError(
      "forwards",
      `Expected ${count} for forwards but received ${given.forwards}: ${type} always has ${count}; leave \`forwards\` out, or use r-at`,
    );
  }
  const defaultOf = (field: RegularizerField) => {
    if (field === "forwards") return count;
    if (field === "epsilon") return definition.defaults?.epsilon ?? defaultEpsilon;
    if (field === "stepSize") return given.epsilon ?? defaultEpsilon;
    return definition.defaults?.[field] ?? optionRecord(field).default;
  };
  const values = definition.fields.map((field) => [field, given[field] ?? defaultOf(field)] as const);
  const resolved = {
    type,
    ...Object.fromEntries(values.filter(([, value]) => value !== undefined)),
  } as ResolvedRegularizer;
  for (const field of definition.fields) {
    const value = resolved[field];
    if (OPTIONS[field].schema.meta()?.kind === "numbers" && typeof value === "object")
      checkLength(field, value, count, type);
  }
  if (dropout !== undefined) checkLength("dropout", dropout, count, type);
  return resolved;
}

/**
 * The regularizer as the native step takes it. The clean pass has the first dropout rate.
 *
 * @param dropout - null leaves the rates to the model.
 * @param specialTokens - Ids of the tokenizer's.
 */
export function nativeRegularizer(
  regularizer: ResolvedRegularizer,
  dropout: PerForward | null,
  specialTokens: readonly number[] = [],
): NativeRegularizerOptions {
  const { type, forwards, epsilon = 0, klWeight = 0, klReduction = "batch-mean", ...rest } = regularizer;
  const { spareSpecialTokens = false, ...others } = rest;
  const count = forwardCount(type, forwards);
  const rates = dropout === null ? new Array<null>(count).fill(null) : expand(dropout, count);
  return {
    ...others,
    ...(spareSpecialTokens && { sparedTokens: Int32Array.from(specialTokens) }),
    ...{ type, forwards: count, epsilon: expand(epsilon, count), klWeight, klReduction },
    ...{ cleanDropout: rates[0] ?? null, forwardDropout: rates },
  };
}

/** One value for each of `count` forwards. */
export function expand(value: PerForward, count: number): number[] {
  return typeof value === "number" ? new Array<number>(count).fill(value) : [...value];
}

function checkLength(name: string, value: PerForward, count: number, type: string): void {
  if (typeof value === "number" || value.length === count) return;
  throw configError(
    name,
    `Expected one number or a list of ${count} (one for each forward of ${type}) for ${name} but received ${value.length}: ${value.join(",")}`,
  );
}
