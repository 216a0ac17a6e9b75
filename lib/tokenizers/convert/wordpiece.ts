/** WordPiece from a `vocab.txt`: BERT, DistilBERT, ELECTRA. */
import { bertTemplate, idsIn, tokenizerText } from "./parts.js";
import type { TokenizerSettings } from "./settings.js";

const FILE = "vocab.txt";

/** @throws RATError `ERR_RAT_TOKENIZER_INVALID` for a vocabulary without the special tokens. */
export function convertWordPiece(vocabularyText: string, settings: TokenizerSettings): string {
  // A token a line; its number is its id, and a token that occurs again has the last one, as in transformers.
  const lines = vocabularyText.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  const vocabulary = new Map(lines.map((token, id) => [token, id]));
  const idOf = idsIn(vocabulary, FILE);

  const {
    pad_token: pad = "[PAD]",
    unk_token: unknown = "[UNK]",
    mask_token: mask = "[MASK]",
  } = settings.tokens;
  const { cls_token: cls = "[CLS]", sep_token: sep = "[SEP]" } = settings.tokens;
  for (const needed of [unknown, cls, sep]) idOf(needed);
  const special = [pad, unknown, cls, sep, mask].filter((token) => vocabulary.has(token));
  return tokenizerText({
    added: [...special.map((content) => ({ id: idOf(content), content, special: true })), ...settings.added],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: settings.splitsChinese,
      strip_accents: settings.stripAccents,
      lowercase: settings.lowercase,
    },
    preTokenizer: { type: "BertPreTokenizer" },
    postProcessor: bertTemplate(cls, sep, idOf),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  });
}
