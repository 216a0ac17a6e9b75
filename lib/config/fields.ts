/** What the options of `options.ts` are made of: the names that some of them take, and schemas that a flag can be made from. */
import { z } from "zod";

/** How a field is written on a command line. */
export type FieldKind = "text" | "texts" | "choice" | "integer" | "number" | "numbers" | "words" | "flag";

declare module "zod" {
  interface GlobalMeta {
    /** How the field is written on a command line; only run fields carry it. */
    kind?: FieldKind;
    /** The accepted values of a `choice`. */
    choices?: readonly string[];
  }
}

/** Names that `--task` takes. */
export const TASK_NAMES = [
  ...["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"],
  ...["imdb", "agnews", "tnews", "iflytek", "custom"],
] as const;

/** Architectures that are trained from scratch. */
export const MODEL_TYPES = ["bilstm", "textcnn", "texthan"] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

/** Whether `model` names an architecture rather than a folder. */
export function isModelType(model: string): model is ModelType {
  return (MODEL_TYPES as readonly string[]).includes(model);
}

/** Most forwards of a batch, K. `native/core/step_scalars.h` has the same. */
export const MAX_FORWARDS = 8;

export function text(description: string) {
  return z.string().min(1).meta({ description, kind: "text" });
}

export function choice<const T extends readonly [string, ...string[]]>(values: T, description: string) {
  return z.enum(values).meta({ description, kind: "choice", choices: values });
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

function bounded<S extends z.ZodNumber>(schema: S, { min, max, above, below }: Range): S {
  let result: z.ZodNumber = schema;
  if (min !== undefined) result = result.min(min);
  if (max !== undefined) result = result.max(max);
  if (above !== undefined) result = result.gt(above);
  if (below !== undefined) result = result.lt(below);
  return result as S;
}

export function number(description: string, range: Range = {}) {
  return bounded(z.number(), range).meta({ description, kind: "number" });
}

export function integer(description: string, range: Range = {}) {
  return bounded(z.int(), range).meta({ description, kind: "integer" });
}

/** One number, or a list with one for each forward. */
export function numbers(description: string, range: Range) {
  const one = bounded(z.number(), range);
  return z
    .union([one, z.array(one).min(1).max(MAX_FORWARDS).readonly()])
    .meta({ description, kind: "numbers" });
}

export function flag(description: string) {
  return z.boolean().meta({ description, kind: "flag" });
}
