/** The parts of a `tokenizer.json` that several formats share. */
import { invalidTokenizer } from "../tokenizer-file.js";

/** An entry of `added_tokens`: found in the text itself, before anything else happens to it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether decoding leaves it out. */
  readonly special: boolean;
  /** Whether it is looked for in the normalised text; default false. */
  readonly normalized?: boolean;
}

/** All but the model and what belongs to it. */
export interface TokenizerParts {
  readonly added: readonly AddedToken[];
  readonly normalizer: object | null;
  readonly preTokenizer: object;
  readonly postProcessor: object;
  readonly decoder: object;
  readonly model: object;
}

/** The text of a `tokenizer.json`. */
export function tokenizerText(parts: TokenizerParts): string {
  const added = new Map(parts.added.map((token) => [token.id, token]));
  return `${JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...added.values()]
      .sort((a, b) => a.id - b.id)
      .map(({ id, content, special, normalized = false }) => ({
        ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized, special },
      })),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: parts.postProcessor,
    decoder: parts.decoder,
    model: parts.model,
  })}\n`;
}

/** A part of a template: a special token, or the text "A" or "B", with its segment. */
export type TemplatePart = readonly [text: string, typeId: number];

/**
 * Puts special tokens around a text or a pair.
 *
 * @param ids - Of the special tokens.
 */
export function template(
  single: readonly TemplatePart[],
  pair: readonly TemplatePart[],
  ids: ReadonlyMap<string, number>,
): object {
  const part = ([id, type_id]: TemplatePart) =>
    ids.has(id) ? { SpecialToken: { id, type_id } } : { Sequence: { id, type_id } };
  return {
    type: "TemplateProcessing",
    single: single.map(part),
    pair: pair.map(part),
    special_tokens: Object.fromEntries([...ids].map(([id, at]) => [id, { id, ids: [at], tokens: [id] }])),
  };
}

/** `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]` with the second text as segment 1: BERT and ALBERT. */
export function bertTemplate(cls: string, sep: string, idOf: (token: string) => number): object {
  const first: TemplatePart[] = [
    [cls, 0],
    ["A", 0],
    [sep, 0],
  ];
  return template(
    first,
    [...first, ["B", 1], [sep, 1]],
    new Map([cls, sep].map((token) => [token, idOf(token)])),
  );
}

/** `<s> A </s>`, `<s> A </s> </s> B </s>`, all segment 0: the SentencePiece relatives of RoBERTa. */
export function robertaTemplate(bos: string, eos: string, idOf: (token: string) => number): object {
  const first: TemplatePart[] = [
    [bos, 0],
    ["A", 0],
    [eos, 0],
  ];
  return template(
    first,
    [...first, [eos, 0], ["B", 0], [eos, 0]],
    new Map([bos, eos].map((token) => [token, idOf(token)])),
  );
}

/** Looks up ids in a vocabulary that must have them. */
export function idsIn(vocabulary: ReadonlyMap<string, number>, file: string): (token: string) => number {
  return (token) => {
    const id = vocabulary.get(token);
    if (id === undefined) throw invalidTokenizer(`${file} has no ${token}`);
    return id;
  };
}

/** Splits at blanks, and writes each blank as a mark at the beginning of the word that follows. */
export function metaspace(addsPrefixSpace: boolean): {
  readonly preTokenizer: object;
  readonly decoder: object;
} {
  const decoder = {
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: addsPrefixSpace ? "always" : "never",
    split: true,
  };
  return {
    preTokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, decoder] },
    decoder,
  };
}
