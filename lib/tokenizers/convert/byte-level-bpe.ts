/** Byte-level BPE from `vocab.json` and `merges.txt`: RoBERTa. */
import { invalidTokenizer } from "../tokenizer-file.js";
import { idsIn, tokenizerText } from "./parts.js";
import type { TokenizerSettings } from "./settings.js";

/** @throws RATError `ERR_RAT_TOKENIZER_INVALID` for files that are damaged or lack the special tokens. */
export function convertByteLevelBpe(
  vocabularyText: string,
  mergesText: string,
  settings: TokenizerSettings,
): string {
  const vocabulary = parseVocabulary(vocabularyText);
  const merges = mergesText
    .split(/\r?\n/)
    .filter((line) => line !== "" && !line.startsWith("#version"))
    .map((line, i) => {
      const parts = line.split(" ");
      if (parts.length !== 2)
        throw invalidTokenizer(`merge ${i + 1} of merges.txt is not two tokens: ${line}`);
      return parts;
    });
  const idOf = idsIn(vocabulary, "vocab.json");

  const { cls_token: cls = "<s>", sep_token: sep = "</s>", pad_token: pad = "<pad>" } = settings.tokens;
  const { unk_token: unknown = "<unk>", mask_token: mask = "<mask>" } = settings.tokens;
  const special = [cls, pad, sep, unknown, mask].filter((token) => vocabulary.has(token));
  const add_prefix_space = settings.addsPrefixSpace ?? false;
  const byteLevel = { type: "ByteLevel", trim_offsets: true, use_regex: true };
  return tokenizerText({
    added: [...special.map((content) => ({ id: idOf(content), content, special: true })), ...settings.added],
    normalizer: null,
    preTokenizer: { ...byteLevel, add_prefix_space },
    postProcessor: {
      type: "RobertaProcessing",
      sep: [sep, idOf(sep)],
      cls: [cls, idOf(cls)],
      trim_offsets: true,
      add_prefix_space,
    },
    decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges,
    },
  });
}

function parseVocabulary(text: string): ReadonlyMap<string, number> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalidTokenizer(`vocab.json is not JSON (${error instanceof Error ? error.message : error})`);
  }
  const isMap = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
  const entries = Object.entries(isMap ? (parsed as object) : {});
  if (entries.length === 0 || entries.some(([, id]) => !Number.isSafeInteger(id)))
    throw invalidTokenizer("vocab.json must map tokens to ids");
  return new Map(entries as [string, number][]);
}
