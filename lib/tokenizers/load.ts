/** Reads a tokenizer from the files of a model folder. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { invalidArgument, isRATError, RATError } from "../errors.js";
import { SEGMENTERS, type Segmenter } from "./segmenter.js";
import type { Tokenizer } from "./types.js";
import { openTokenizer } from "./worker-tokenizer.js";

/** The tokenizer itself, as every Hugging Face library reads it. */
export const TOKENIZER_FILE = "tokenizer.json";
/** What `tokenizer.json` has no place for: names of special tokens and our `segmenter`. */
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";

/** Files of tokenizers that have no `tokenizer.json`; their presence makes for a better message. */
const OTHER_FORMATS = [
  "vocab.txt",
  "vocab.json",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.model",
];

/** The fields of `tokenizer_config.json` that are read. */
interface TokenizerConfig {
  readonly segmenter: Segmenter;
  readonly padToken: string | undefined;
  readonly unknownToken: string | undefined;
}

/**
 * Loads the tokenizer of a model folder from its `tokenizer.json` and, if there is one, `tokenizer_config.json`.
 * Truncation and padding set in the file are ignored. The padding token is `pad_token`, `[PAD]` or `<pad>`, else id 0.
 * The tokenizer holds a worker thread until it is disposed; an idle one does not keep the process alive.
 *
 * @throws RATError (rejects) `ERR_RAT_PATH` when the folder or its `tokenizer.json` is missing,
 * `ERR_RAT_TOKENIZER_INVALID` when a file is damaged.
 * @example
 * await using tokenizer = await loadTokenizer("model");
 * tokenizer.encode("a great film").ids;
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  if (typeof folder !== "string" || folder === "") invalidArgument("folder", "a path", folder);
  const names = await listFolder(folder);
  if (!names.includes(TOKENIZER_FILE)) throw missingTokenizer(folder, names);

  const json = await readText(join(folder, TOKENIZER_FILE));
  const files: Record<string, string> = { [TOKENIZER_FILE]: json };
  let config: TokenizerConfig = { segmenter: "default", padToken: undefined, unknownToken: undefined };
  if (names.includes(TOKENIZER_CONFIG_FILE)) {
    const file = join(folder, TOKENIZER_CONFIG_FILE);
    const text = await readText(file);
    config = parseConfig(text, file);
    files[TOKENIZER_CONFIG_FILE] = text;
  }
  try {
    return await openTokenizer({ json, ...config }, files);
  } catch (error) {
    if (!isRATError(error, "ERR_RAT_TOKENIZER_INVALID")) throw error;
    const file = join(folder, TOKENIZER_FILE);
    throw new RATError(error.code, `${file}: ${error.message}; copy the file from its source again`, {
      cause: error,
      details: { file },
    });
  }
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw unreadable(folder, error, "the folder of a tokenizer");
  }
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, error, "a tokenizer file");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(file, "it is not UTF-8 text", error);
  }
}

function parseConfig(text: string, file: string): TokenizerConfig {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw invalid(file, `it is not JSON (${error instanceof Error ? error.message : error})`, error);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw invalid(file, "it is not a JSON object");
  }
  const fields = config as { segmenter?: unknown; pad_token?: unknown; unk_token?: unknown };
  const segmenter = fields.segmenter ?? "default";
  if (!SEGMENTERS.includes(segmenter as Segmenter)) {
    throw invalid(file, `its segmenter ${JSON.stringify(segmenter)} is not one of ${SEGMENTERS.join(", ")}`);
  }
  return {
    segmenter: segmenter as Segmenter,
    padToken: tokenName(fields.pad_token),
    unknownToken: tokenName(fields.unk_token),
  };
}

/** A token is written as its text or as an object with its `content`. */
function tokenName(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content =
    typeof value === "object" && value !== null && "content" in value ? value.content : undefined;
  return typeof content === "string" ? content : undefined;
}

function missingTokenizer(folder: string, names: readonly string[]): RATError {
  const others = OTHER_FORMATS.filter((name) => names.includes(name));
  const remedy =
    others.length === 0
      ? "give the folder of a model, which holds one"
      : `it has ${others.join(", ")}, which must be converted first: in Python, AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`;
  return new RATError("ERR_RAT_PATH", `There is no ${TOKENIZER_FILE} in ${folder}; ${remedy}`, {
    details: { file: join(folder, TOKENIZER_FILE) },
  });
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
