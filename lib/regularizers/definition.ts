/** What a regularizer's file says of it. Its arithmetic is the file of the same name in `native/objective/regularizers/`. */

/** Options that a regularizer may read (`lib/config/options.ts`). */
export type RegularizerField = "epsilon" | "klWeight" | "forwards" | "consistency" | "klReduction";

export interface RegularizerDefinition {
  readonly type: string;
  /** The options that it reads; all others mean nothing to it. */
  readonly fields: readonly RegularizerField[];
  /** How many forwards it regularizes (K): always so many, or so many unless `forwards` says otherwise. */
  readonly forwards: { readonly always: number } | { readonly default: number };
  /** For tables and help. */
  readonly summary: string;
  readonly citation?: string;
}

/** Lets the compiler keep the names. */
export function define<const D extends RegularizerDefinition>(definition: D): D {
  return definition;
}
