/** Reads a tokenizer from the files of a model folder. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { invalidArgument, isRATError, RATError } from "../errors.js";
import { vocabularyFiles } from "./convert/files.js";
import type { VocabularyFiles } from "./convert/index.js";
import { readSettings, tokenText } from "./convert/settings.js";
import { SEGMENTERS, type Segmenter } from "./segmenter.js";
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./tokenizer-file.js";
import type { Tokenizer } from "./types.js";
import { openTokenizer } from "./worker-tokenizer.js";

/** Older files with settings of the tokenizer. */
const SPECIAL_TOKENS_FILE = "special_tokens_map.json";
const ADDED_TOKENS_FILE = "added_tokens.json";

/** The fields of `tokenizer_config.json` that are read. */
interface TokenizerConfig {
  readonly segmenter: Segmenter;
  readonly padToken: string | undefined;
  readonly unknownToken: string | undefined;
}

/**
 * Loads the tokenizer of a model folder from its `tokenizer.json` and, if there is one, `tokenizer_config.json`; where a
 * folder has no `tokenizer.json`, the same tokenizer is built from `vocab.txt` (WordPiece), `vocab.json` and `merges.txt`
 * (byte-level BPE), `spiece.model` (ALBERT) or `sentencepiece.bpe.model` (XLM-RoBERTa, CamemBERT).
 * Truncation and padding set in the file are ignored. The padding token is `pad_token`, `[PAD]` or `<pad>`, else id 0.
 * The tokenizer holds a worker thread until it is disposed; an idle one does not keep the process alive.
 *
 * @throws RATError (rejects) `ERR_RAT_PATH` when the folder or all of these files are missing,
 * `ERR_RAT_TOKENIZER_INVALID` when a file is damaged.
 * @example
 * await using tokenizer = await loadTokenizer("model");
 * tokenizer.encode("a great film").ids;
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  if (typeof folder !== "string" || folder === "") invalidArgument("folder", "a path", folder);
  const names = await listFolder(folder);
  const vocabulary = names.includes(TOKENIZER_FILE) ? undefined : vocabularyFiles(names);
  if (!names.includes(TOKENIZER_FILE) && vocabulary === undefined) throw missingTokenizer(folder);

  const files: Record<string, string> = {};
  for (const name of [TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, SPECIAL_TOKENS_FILE]) {
    if (names.includes(name)) files[name] = await readText(join(folder, name));
  }
  const settings = parseObject(files[TOKENIZER_CONFIG_FILE] ?? "{}", join(folder, TOKENIZER_CONFIG_FILE));
  const config = parseConfig(settings, join(folder, TOKENIZER_CONFIG_FILE));
  const source = vocabulary
    ? await readVocabulary(folder, names, { vocabulary, settings, specialTokens: files[SPECIAL_TOKENS_FILE] })
    : (files[TOKENIZER_FILE] ?? "");
  try {
    return await openTokenizer({ source, ...config }, files);
  } catch (error) {
    if (!isRATError(error, "ERR_RAT_TOKENIZER_INVALID")) throw error;
    const file = join(folder, vocabulary?.[0] ?? TOKENIZER_FILE);
    throw new RATError(error.code, `${file}: ${error.message}; copy the file from its source again`, {
      cause: error,
      details: { file },
    });
  }
}

/** Reads what a tokenizer is built from. */
async function readVocabulary(
  folder: string,
  names: readonly string[],
  found: {
    readonly vocabulary: readonly string[];
    readonly settings: JsonObject;
    readonly specialTokens: string | undefined;
  },
): Promise<VocabularyFiles> {
  const optional = async (name: string) => {
    const file = join(folder, name);
    return names.includes(name) ? parseObject(await readText(file), file) : {};
  };
  const files: Record<string, Uint8Array> = {};
  for (const name of found.vocabulary) files[name] = await readBytes(join(folder, name));
  const specialTokens = parseObject(found.specialTokens ?? "{}", join(folder, SPECIAL_TOKENS_FILE));
  const { model_type: modelType } = (await optional("config.json")) as { model_type?: unknown };
  return {
    files,
    settings: readSettings(found.settings, specialTokens, await optional(ADDED_TOKENS_FILE)),
    modelType: typeof modelType === "string" ? modelType : undefined,
  };
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw unreadable(folder, error, "the folder of a tokenizer");
  }
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error, "a tokenizer file");
  }
}

async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(file, "it is not UTF-8 text", error);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(file, `it is not JSON (${error instanceof Error ? error.message : error})`, error);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw invalid(file, "it is not a JSON object");
}

function parseConfig(settings: JsonObject, file: string): TokenizerConfig {
  const fields = settings as { segmenter?: unknown; pad_token?: unknown; unk_token?: unknown };
  const segmenter = fields.segmenter ?? "default";
  if (!SEGMENTERS.includes(segmenter as Segmenter)) {
    throw invalid(file, `its segmenter ${JSON.stringify(segmenter)} is not one of ${SEGMENTERS.join(", ")}`);
  }
  return {
    segmenter: segmenter as Segmenter,
    padToken: tokenText(fields.pad_token),
    unknownToken: tokenText(fields.unk_token),
  };
}

function missingTokenizer(folder: string): RATError {
  return new RATError(
    "ERR_RAT_PATH",
    `There is no ${TOKENIZER_FILE} in ${folder}, nor the files of a vocabulary (vocab.txt; vocab.json and merges.txt; spiece.model; sentencepiece.bpe.model); give the folder of a model, which holds one`,
    { details: { file: join(folder, TOKENIZER_FILE) } },
  );
}

function unreadable(path: string, error: unknown, what: string): RATError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const reason =
    code === "ENOENT" ? "it does not exist" : code === "ENOTDIR" ? "it is not a folder" : String(error);
  return new RATError("ERR_RAT_PATH", `Cannot read ${path}, ${what}: ${reason}`, {
    cause: error,
    details: { file: path },
  });
}

function invalid(file: string, reason: string, cause?: unknown): RATError {
  return new RATError("ERR_RAT_TOKENIZER_INVALID", `${file} cannot be used: ${reason}`, {
    cause,
    details: { file },
  });
}
