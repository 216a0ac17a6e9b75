/**
 * The training method with everything filled in, and its form at the native boundary. Checks what no single option can:
 * that lists have one entry for each forward.
 */
import type { z } from "zod";
import { configError } from "../errors.js";
import type { NativeObjectiveOptions } from "../native/binding.js";
import {
  type RegularizerDefinition,
  type RegularizerField,
  type RegularizerType,
  regularizerOf,
} from "../regularizers/index.js";
import { OPTIONS, type Options, optionRecord } from "./options.js";
import type { Regularizer } from "./schema.js";

/** A number for every forward, or a list with one for each. */
export type PerForward = number | readonly number[];

/** A method and its numbers; fields that the method does not read are absent. */
export type ResolvedMethod = { readonly type: RegularizerType } & {
  readonly [Field in RegularizerField]?: z.output<Options[Field]["schema"]>;
};

/** How many forwards a method regularizes, K; `forwards` is what the user wants. */
export function forwardCount(type: RegularizerType, forwards?: number): number {
  const { forwards: known }: RegularizerDefinition = regularizerOf(type);
  return "always" in known ? known.always : (forwards ?? known.default);
}

/**
 * Fills in what the method reads and drops the rest. `epsilon` has no default here: it depends on the model.
 *
 * @throws RATError `ERR_RAT_CONFIG` when `forwards` contradicts the method or a list has the wrong length.
 */
export function resolveMethod(
  type: RegularizerType,
  options: Omit<ResolvedMethod, "type">,
  dropout?: PerForward,
): ResolvedMethod {
  const definition: RegularizerDefinition = regularizerOf(type);
  const count = forwardCount(type, options.forwards);
  if (type !== "none" && options.forwards !== undefined && options.forwards !== count) {
    throw configError(
      "forwards",
      `Expected ${count} for forwards but received ${options.forwards}: ${type} always has ${count}; leave forwards out, or use r-at`,
    );
  }
  const values = definition.fields.map((field) => {
    const value = field === "forwards" ? count : (options[field] ?? optionRecord(field).default);
    return [field, value] as const;
  });
  const method = {
    type,
    ...Object.fromEntries(values.filter(([, value]) => value !== undefined)),
  } as ResolvedMethod;
  for (const field of definition.fields) {
    const value = method[field];
    if (OPTIONS[field].schema.meta()?.kind === "numbers" && typeof value === "object")
      checkLength(field, value, count, type);
  }
  if (dropout !== undefined) checkLength("dropout", dropout, count, type);
  return method;
}

/**
 * {@link resolveMethod} for the TypeScript API's nested form. Default: R-AT with its defaults.
 *
 * @param defaultEpsilon - The model's; none leaves an `epsilon` that was not given out.
 */
export function resolveRegularizer(
  regularizer: Regularizer = { type: "r-at" },
  dropout?: PerForward,
  defaultEpsilon?: PerForward,
): ResolvedMethod {
  const { type, ...options } = regularizer;
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const defaults = defaultEpsilon === undefined ? {} : { epsilon: defaultEpsilon };
  return resolveMethod(type, { ...defaults, ...Object.fromEntries(given) }, dropout);
}

/**
 * The method as the native step takes it. The clean pass has the first dropout rate.
 *
 * @param dropout - null leaves the rates to the model.
 */
export function nativeObjective(method: ResolvedMethod, dropout: PerForward | null): NativeObjectiveOptions {
  const count = forwardCount(method.type, method.forwards);
  const rates = dropout === null ? new Array<null>(count).fill(null) : expand(dropout, count);
  return {
    type: method.type,
    forwards: count,
    epsilon: expand(method.epsilon ?? 0, count),
    klWeight: method.klWeight ?? 0,
    klReduction: method.klReduction ?? "batch-mean",
    cleanDropout: rates[0] ?? null,
    forwardDropout: rates,
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
