/** What a tokenizer puts around a text or a pair, and how both are cut to a limit. */

/** A special token, or the place of a text's tokens. */
type Part =
  | { readonly id: number; readonly type: number }
  | { readonly sequence: 0 | 1; readonly type: number };

/** One text or pair as the model takes it. */
export interface Row {
  readonly ids: readonly number[];
  /** Segment ids; null if all are 0. */
  readonly types: readonly number[] | null;
  readonly isCut: boolean;
}

/** The tokens of an example, taken apart: as the library marks them. */
export interface MarkedTokens {
  readonly ids: readonly number[];
  readonly types: readonly number[];
  /** The text that a token comes from; null: a special token. */
  readonly sequences: readonly (number | null)[];
}

/** The tokens around a text, or around and between the texts of a pair. */
export class Template {
  readonly #parts: readonly Part[];
  readonly #hasTypes: boolean;
  /** Number of special tokens. */
  readonly added: number;

  /**
   * Reads a template off an example.
   *
   * @param textLength - Tokens of each of the example's texts; at least 1.
   */
  constructor({ ids, types, sequences }: MarkedTokens, textLength: number) {
    const parts: Part[] = [];
    for (let at = 0; at < ids.length; ) {
      const [id = 0, type = 0, sequence] = [ids[at], types[at], sequences[at]];
      const isText = sequence === 0 || sequence === 1;
      parts.push(isText ? { sequence, type } : { id, type });
      at += isText ? textLength : 1;
    }
    this.#parts = parts;
    this.#hasTypes = parts.some(({ type }) => type !== 0);
    this.added = parts.filter((part) => "id" in part).length;
  }

  /** Ids of the special tokens. */
  get specialIds(): number[] {
    return this.#parts.flatMap((part) => ("id" in part ? part.id : []));
  }

  /**
   * Puts the special tokens around one text or two.
   *
   * @param maxLength - Most tokens, special ones included; more than `added`. Infinity: nothing is cut.
   */
  apply(texts: readonly (readonly number[])[], maxLength: number): Row {
    const [first = 0, second = 0] = texts.map((text) => text.length);
    const room = maxLength - this.added;
    const kept = texts.length === 1 ? [Math.min(first, room)] : longestFirst(first, second, room);
    const ids: number[] = [];
    const types: number[] | null = this.#hasTypes ? [] : null;
    for (const part of this.#parts) {
      if ("id" in part) {
        ids.push(part.id);
      } else {
        const text = texts[part.sequence] ?? [];
        const length = kept[part.sequence] ?? 0;
        for (let i = 0; i < length; ++i) ids.push(text[i] ?? 0);
      }
      while (types !== null && types.length < ids.length) types.push(part.type);
    }
    return { ids, types, isCut: first + second > room };
  }
}

/** How many tokens of a pair are kept: `longest_first` as the Hugging Face library understands it. */
function longestFirst(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
  // Both are cut: the half goes to the shorter one, the rest to the other; of equal ones the first is the shorter.
  const [a, b] =
    shorter + longer > room ? [Math.floor(room / 2), Math.floor(room / 2) + (room % 2)] : [shorter, longer];
  return first > second ? [b, a] : [a, b];
}
