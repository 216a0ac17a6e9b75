/**
 * What `tokenizer_config.json` and `special_tokens_map.json` say about a tokenizer that is built from vocabulary files,
 * with the defaults of `transformers`.
 */

import type { AddedToken } from "./parts.js";

/** Roles of special tokens, as the files name them. */
export type SpecialToken =
  | "pad_token"
  | "unk_token"
  | "bos_token"
  | "cls_token"
  | "sep_token"
  | "eos_token"
  | "mask_token";

/** Settings of all formats; each reads those that it knows. */
export interface TokenizerSettings {
  /** WordPiece and ALBERT; default true. */
  readonly lowercase: boolean;
  /** WordPiece; null = as `lowercase`. */
  readonly stripAccents: boolean | null;
  /** WordPiece: whether every Chinese character is a word; default true. */
  readonly splitsChinese: boolean;
  /** ALBERT; default false. */
  readonly keepsAccents: boolean;
  /** Byte-level BPE and SentencePiece: whether a text begins as if after a blank. Undefined: the format's default. */
  readonly addsPrefixSpace: boolean | undefined;
  /** Tokens by role, where they are not the format's own. */
  readonly tokens: Readonly<Partial<Record<SpecialToken, string>>>;
  /** Tokens of `added_tokens.json`. */
  readonly added: readonly AddedToken[];
}

const ROLES: readonly SpecialToken[] = [
  "pad_token",
  "unk_token",
  "bos_token",
  "cls_token",
  "sep_token",
  "eos_token",
  "mask_token",
];

type JsonObject = Readonly<Record<string, unknown>>;

/** Reads the settings; `config` wins over `specialTokens`. */
export function readSettings(
  config: JsonObject,
  specialTokens: JsonObject,
  added: JsonObject,
): TokenizerSettings {
  const flag = (key: string): boolean | undefined => {
    const value = config[key];
    return typeof value === "boolean" ? value : undefined;
  };
  const named = ROLES.map(
    (role) => [role, tokenText(config[role]) ?? tokenText(specialTokens[role])] as const,
  );
  return {
    lowercase: flag("do_lower_case") ?? true,
    stripAccents: flag("strip_accents") ?? null,
    splitsChinese: flag("tokenize_chinese_chars") ?? true,
    keepsAccents: flag("keep_accents") ?? false,
    addsPrefixSpace: flag("add_prefix_space"),
    tokens: Object.fromEntries(named.filter(([, token]) => token !== undefined)),
    added: Object.entries(added)
      .filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]))
      .map(([content, id]) => ({ id, content, special: false, normalized: true })),
  };
}

/** A token is written as its text or as an object with its `content`. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content =
    typeof value === "object" && value !== null && "content" in value ? value.content : undefined;
  return typeof content === "string" ? content : undefined;
}
