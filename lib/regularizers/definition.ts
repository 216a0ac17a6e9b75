/** What a regularizer's file says of it. Its arithmetic is the file of the same name in `native/objective/regularizers/`. */

/** Options that a regularizer may read (`lib/config/options.ts`). */
export const REGULARIZER_FIELDS = [
  ...(["epsilon", "klWeight", "forwards", "consistency", "klReduction"] as const),
  ...([
    "scope",
    "ascentSteps",
    "stepSize",
    "ascentInit",
    "sameMasks",
    "noise",
    "bregmanWeight",
    "bregmanDecay",
    "spareSpecialTokens",
  ] as const),
] as const;
export type RegularizerField = (typeof REGULARIZER_FIELDS)[number];

export interface RegularizerDefinition {
  readonly type: string;
  /** The options that it reads; all others mean nothing to it. */
  readonly fields: readonly RegularizerField[];
  /** How many forwards it regularizes (K): always so many, or so many unless `forwards` says otherwise. */
  readonly forwards: { readonly always: number } | { readonly default: number };
  /** How many forwards with a backward a step makes of each example: what it cannot do without, and so what it costs. */
  passes(options: {
    readonly forwards: number;
    readonly ascentSteps: number;
    readonly ascentInit: string;
  }): number;
  /** Of its fields, where they are not those of all regularizers (`lib/config/options.ts`). */
  readonly defaults?: Readonly<Partial<Record<RegularizerField, string | number>>>;
  /** For tables and help. */
  readonly summary: string;
  readonly citation?: string;
}

/** Lets the compiler keep the names. */
export function define<const D extends RegularizerDefinition>(definition: D): D {
  return definition;
}
