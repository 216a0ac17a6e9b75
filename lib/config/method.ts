/**
 * The training method with everything filled in, and its form at the native boundary. Checks what no single field can:
 * that lists have one entry for each forward.
 */
import { RATError } from "../errors.js";
import type { NativeObjectiveOptions } from "../native/binding.js";
import type { RegularizerType } from "./fields.js";
import type { Regularizer } from "./schema.js";

const DEFAULT_KL_WEIGHT = 0.5;
const DEFAULT_FORWARDS = 2;

/** A number for every forward, or a list with one for each. */
export type PerForward = number | readonly number[];

/** A method and its numbers; fields that the method does not read are absent. */
export interface ResolvedMethod {
  readonly type: RegularizerType;
  readonly epsilon?: PerForward;
  readonly klWeight?: number;
  readonly forwards?: number;
  readonly consistency?: "bi-kl";
  readonly klReduction?: "batch-mean" | "sum" | "element-mean";
}

/** How many forwards follow the clean pass; for R-Drop, how many clean forwards there are. */
export function forwardCount(type: RegularizerType, forwards?: number): number {
  switch (type) {
    case "none":
      return 1;
    case "fgm":
      return 1;
    case "r-drop":
      return 2;
    case "r-at":
      return forwards ?? DEFAULT_FORWARDS;
    default:
      return type satisfies never;
  }
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
  const count = forwardCount(type, options.forwards);
  if ((type === "fgm" || type === "r-drop") && options.forwards !== undefined && options.forwards !== count) {
    throw configError(
      "forwards",
      `Expected ${count} for forwards but received ${options.forwards}: ${type} always has ${count}; leave forwards out, or use r-at`,
    );
  }
  const radius = options.epsilon;
  const epsilon = radius === undefined ? {} : { epsilon: radius };
  if (radius !== undefined && (type === "fgm" || type === "r-at"))
    checkLength("epsilon", radius, count, type);
  if (dropout !== undefined) checkLength("dropout", dropout, count, type);
  const consistency = {
    klWeight: options.klWeight ?? DEFAULT_KL_WEIGHT,
    consistency: options.consistency ?? ("bi-kl" as const),
    klReduction: options.klReduction ?? ("batch-mean" as const),
  };
  switch (type) {
    case "none":
      return { type };
    case "fgm":
      return { type, ...epsilon };
    case "r-drop":
      return { type, ...consistency };
    case "r-at":
      return { type, ...epsilon, ...consistency, forwards: count };
    default:
      return type satisfies never;
  }
}

/**
 * {@link resolveMethod} for the TypeScript API's nested form. Default: R-AT with its defaults.
 *
 * @param defaultEpsilon - The model's; none leaves an `epsilon` that was not given out.
 */
export function resolveRegularizer(
  regularizer: Regularizer = { type: "r-at" },
  dropout?: PerForward,
  defaultEpsilon?: number,
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

function configError(option: string, message: string): RATError {
  return new RATError("ERR_RAT_CONFIG", message, { details: { option } });
}
