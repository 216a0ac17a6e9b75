/** The files that tokenizers were kept in before there was `tokenizer.json`. */

/** The first format whose files are all there is taken. */
const FORMATS = [
  ["vocab.txt"],
  ["vocab.json", "merges.txt"],
  ["spiece.model"],
  ["sentencepiece.bpe.model"],
] as const;

/** The files to build a tokenizer from, out of the names in a folder; undefined if there are none. */
export function vocabularyFiles(names: readonly string[]): readonly string[] | undefined {
  return FORMATS.find((files) => files.every((file) => names.includes(file)));
}
