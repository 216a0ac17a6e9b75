/** The defaults of `options.ts`, for a model whose kind is known. */
import type { z } from "zod";
import { OPTION_NAMES, OPTIONS, type OptionName, type Options, type Owner, optionRecord } from "./options.js";

/** Trained from scratch (word models, whose embeddings start from N(0, 0.1)), or a pretrained encoder that is fine-tuned. */
export type ModelKind = "fromScratch" | "fineTuning";

type Value<Name extends OptionName> = z.output<Options[Name]["schema"]>;
type Named<Fact> = { [N in OptionName]: Options[N] extends Fact ? N : never }[OptionName];

/** The default that holds for every run. */
export function defaultOf<Name extends Named<{ default: unknown }>>(name: Name): Value<Name> {
  return OPTIONS[name].default as Value<Name>;
}

/** The default for a kind of model; undefined where the model itself has one. */
export function modelDefault<Name extends Named<{ byModel: unknown }>>(
  name: Name,
  kind: ModelKind,
): Value<Name> | undefined {
  return OPTIONS[name].byModel[kind] as Value<Name> | undefined;
}

type Owned<O extends Owner> = { [N in OptionName]: Options[N]["owner"] extends O ? N : never }[OptionName];
type HasDefault<Name extends OptionName> = Options[Name] extends { default: unknown } | { byModel: unknown }
  ? true
  : false;

/** The options of an owner with their defaults. */
export type Resolved<O extends Owner> = {
  readonly [Name in Owned<O>]: HasDefault<Name> extends true ? Value<Name> : Value<Name> | undefined;
};

/** Fills in what was not given. What the model itself decides (dropout) must be there, or is undefined. */
export function withDefaults<O extends Owner>(
  owners: readonly O[],
  given: Readonly<Partial<Record<OptionName, unknown>>>,
  kind: ModelKind,
): Resolved<O> {
  const own = OPTION_NAMES.filter((name) => (owners as readonly Owner[]).includes(optionRecord(name).owner));
  const valueFor = (name: OptionName) => {
    const { default: fixed, byModel } = optionRecord(name);
    return given[name] ?? fixed ?? byModel?.[kind];
  };
  return Object.fromEntries(own.map((name) => [name, valueFor(name)])) as Resolved<O>;
}
