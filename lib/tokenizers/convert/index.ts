/**
 * The `tokenizer.json` of a folder that has none, from the vocabulary files that older tools wrote: the tokenizer that
 * `transformers` makes of them. Runs in the tokenizer's worker thread.
 */
import { invalidTokenizer } from "../tokenizer-file.js";
import { convertByteLevelBpe } from "./byte-level-bpe.js";
import { convertSentencePiece, SENTENCEPIECE_FAMILIES, type SentencePieceFamily } from "./sentencepiece.js";
import type { TokenizerSettings } from "./settings.js";
import { convertWordPiece } from "./wordpiece.js";

/** Vocabulary files with what is needed to read them. */
export interface VocabularyFiles {
  /** Contents by name. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly settings: TokenizerSettings;
  /** `model_type` of the folder's `config.json`, if it has one. */
  readonly modelType: string | undefined;
}

/**
 * The text of the `tokenizer.json`.
 *
 * @throws RATError `ERR_RAT_TOKENIZER_INVALID` for files that are damaged.
 */
export function convertTokenizer({ files, settings, modelType }: VocabularyFiles): string {
  const text = (name: string) => {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(files[name]);
    } catch {
      throw invalidTokenizer(`${name} is not UTF-8 text`);
    }
  };
  if ("vocab.txt" in files) return convertWordPiece(text("vocab.txt"), settings);
  if ("vocab.json" in files) return convertByteLevelBpe(text("vocab.json"), text("merges.txt"), settings);
  const [[name, bytes] = []] = Object.entries(files);
  if (name === undefined || bytes === undefined) throw invalidTokenizer("there are no vocabulary files");
  return convertSentencePiece(bytes, name, familyOf(name, modelType), settings);
}

function familyOf(file: string, modelType: string | undefined): SentencePieceFamily {
  if (modelType !== undefined && Object.hasOwn(SENTENCEPIECE_FAMILIES, modelType))
    return modelType as SentencePieceFamily;
  return file === "spiece.model" ? "albert" : "xlm-roberta";
}
