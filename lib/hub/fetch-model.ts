/** Where a model's folder is: the one that was named, or the cache of the hub's models. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { RATError } from "../errors.js";
import { findWeights, INDEX_FILE, WEIGHTS_FILE, weightFiles } from "../models/weights.js";
import { vocabularyFiles } from "../tokenizers/convert/files.js";
import { TOKENIZER_FILE } from "../tokenizers/tokenizer-file.js";
import { type Choose, type FetchOptions, fetchRepository } from "./fetch-repository.js";
import { isOffline } from "./hub-fetch.js";
import { parseModelName } from "./repository.js";

const CONFIG = "config.json";
/** Taken where they are there; nothing depends on them. */
const OPTIONAL = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * The folder of a model that is named by its path (a run's folder has it in `model/`), or by `owner/name` or `owner/name@revision` on the Hugging Face hub.
 * A hub's model is fetched once, into the cache that the Python libraries share (`HF_HUB_CACHE`, `HF_HOME`), and only the
 * files that are needed; afterwards there is no network. `HF_ENDPOINT` names another server, `HF_TOKEN` gives access,
 * `HF_HUB_OFFLINE=1` forbids the network.
 *
 * @throws RATError as `fetchRepository`; `ERR_RAT_UNSAFE_FORMAT` for a model that the hub has as a pickle file only.
 */
export async function fetchModel(model: string, options: FetchOptions = {}): Promise<string> {
  if (await isThere(model)) return modelOfRun(model);
  const repository = parseModelName(model);
  return repository ? fetchRepository(repository, { ...options, choose, isComplete }) : model;
}

/** The folder of a run has its model in a folder of its own. */
async function modelOfRun(folder: string): Promise<string> {
  const model = join(folder, "model");
  const isRun = (await isThere(join(folder, "log.jsonl"))) && (await isThere(join(model, CONFIG)));
  return isRun ? model : folder;
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const choose: Choose = async (files, get) => {
  const names = files.map(({ path }) => path);
  const tokenizer = names.includes(TOKENIZER_FILE) ? [TOKENIZER_FILE] : (vocabularyFiles(names) ?? []);
  const small = [CONFIG, ...OPTIONAL, ...tokenizer].filter((name) => names.includes(name));
  if (names.includes(WEIGHTS_FILE)) return [...small, WEIGHTS_FILE];
  if (names.includes(INDEX_FILE))
    return [...small, INDEX_FILE, ...weightFiles(await get(INDEX_FILE), INDEX_FILE)];
  const pickle = names.find((name) => /\.(bin|pt|pth|pkl|ckpt|h5|msgpack)$/.test(name));
  throw new RATError(
    pickle === undefined ? "ERR_RAT_PATH" : "ERR_RAT_UNSAFE_FORMAT",
    `The repository has no ${WEIGHTS_FILE}${pickle === undefined ? "" : `, only ${pickle}, which can execute code and is not read`}. Look for a revision of it with safetensors, as refs/pr/1, or another copy`,
    { details: { file: pickle ?? WEIGHTS_FILE } },
  );
};

/** A model whose weights are split into files needs them all. */
async function isComplete(snapshot: string): Promise<boolean> {
  const names = await readdir(snapshot).catch((): string[] => []);
  if (!names.includes(CONFIG)) return false;
  // Python may have fetched the model alone.
  if (!isOffline() && !names.includes(TOKENIZER_FILE) && !vocabularyFiles(names)) return false;
  return findWeights(snapshot).then(
    () => true,
    () => false,
  );
}
