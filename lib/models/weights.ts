/** The weights of a model folder: one safetensors file or several with an index, and which tensor is which parameter. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { pathError, RATError } from "../errors.js";
import { exists } from "../files/atomic-folder.js";
import { type NativeTensorInfo, native } from "../native/binding.js";

export const WEIGHTS_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";

/**
 * Paths of a folder's safetensors files.
 *
 * @throws RATError `ERR_RAT_PATH` when there is none, or an index names a file outside the folder or one that is missing;
 *   `ERR_RAT_SAFETENSORS_INVALID` for an index that is damaged; `ERR_RAT_UNSAFE_FORMAT` when there is a pickle file only.
 */
export async function findWeights(folder: string): Promise<readonly string[]> {
  const single = join(folder, WEIGHTS_FILE);
  if (await exists(single)) return [single];
  const index = join(folder, INDEX_FILE);
  if (!(await exists(index))) throw await noWeights(folder);
  const files = weightFiles(await readFile(index, "utf8"), index);
  for (const name of files) {
    if (!(await exists(join(folder, name))))
      throw pathError(index, `${index} names ${name}, which is missing`);
  }
  return files.map((name) => join(folder, name));
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * The files that an index names.
 *
 * @throws RATError `ERR_RAT_SAFETENSORS_INVALID` for an index that is damaged; `ERR_RAT_PATH` for a name that is more than
 *   the name of a file.
 */
export function weightFiles(text: string, file: string): string[] {
  const names = [...new Set(Object.values(parseIndex(text, file)))].sort();
  const stranger = names.find((name) => name !== basename(name) || ["", ".", ".."].includes(name));
  if (stranger === undefined) return names;
  throw pathError(file, `${file} names ${JSON.stringify(stranger)}, which is not a file of that folder`);
}

function parseIndex(text: string, file: string): Readonly<Record<string, string>> {
  try {
    return indexSchema.parse(JSON.parse(text)).weight_map;
  } catch (cause) {
    const message = `${file} is damaged: it must be JSON with a weight_map from tensors to files`;
    throw new RATError("ERR_RAT_SAFETENSORS_INVALID", message, { cause, details: { file } });
  }
}

/** Which tensor of which file each parameter comes from. */
export interface WeightPlan {
  readonly loads: readonly { readonly file: string; readonly names: Readonly<Record<string, string>> }[];
  /** Parameters that no file has. */
  readonly missing: readonly string[];
  /** Parameters that a file has in another shape, with a description. */
  readonly misshapen: ReadonlyMap<string, string>;
  /** Tensors that are no parameter. */
  readonly unexpected: readonly string[];
}

/** Buffers that older versions of `transformers` saved; nothing is lost without them. */
const BUFFERS = /\.(position_ids|token_type_ids)$/;

/**
 * Finds a tensor for every parameter, under its own name or an older one: LayerNorm's `gamma` and `beta`, and without the
 * prefix that a checkpoint of the bare encoder leaves out.
 *
 * @throws RATError `ERR_RAT_SAFETENSORS_INVALID`, `ERR_RAT_UNSAFE_FORMAT` for a file.
 */
export async function planWeights(
  files: readonly string[],
  parameters: readonly NativeTensorInfo[],
  basePrefix: string,
): Promise<WeightPlan> {
  const tensors = await listTensors(files);
  const loads = new Map<string, Record<string, string>>();
  const missing: string[] = [];
  const misshapen = new Map<string, string>();
  const used = new Set<string>();
  for (const { name, shape } of parameters) {
    const found = namesOf(name, basePrefix).find((candidate) => tensors.has(candidate));
    const tensor = found === undefined ? undefined : tensors.get(found);
    if (found === undefined || tensor === undefined) {
      missing.push(name);
      continue;
    }
    used.add(found);
    if (tensor.shape.join() !== shape.join()) {
      misshapen.set(name, `${found}: expected [${shape.join(", ")}], found [${tensor.shape.join(", ")}]`);
      continue;
    }
    const names = loads.get(tensor.file) ?? {};
    names[name] = found;
    loads.set(tensor.file, names);
  }
  const unexpected = [...tensors.keys()].filter((name) => !used.has(name) && !BUFFERS.test(name));
  return { loads: [...loads].map(([file, names]) => ({ file, names })), missing, misshapen, unexpected };
}

/** Whether the files have a tensor for the parameter `name`. */
export async function hasTensor(
  files: readonly string[],
  name: string,
  basePrefix: string,
): Promise<boolean> {
  const tensors = await listTensors(files);
  return namesOf(name, basePrefix).some((candidate) => tensors.has(candidate));
}

async function listTensors(files: readonly string[]) {
  const tensors = new Map<string, { readonly file: string; readonly shape: readonly number[] }>();
  for (const file of files) {
    const { tensors: entries } = await native().inspectSafetensors(file);
    for (const { name, shape } of entries) tensors.set(name, { file, shape });
  }
  return tensors;
}

/** Names that a tensor may have in a file, the present one first. */
function namesOf(name: string, basePrefix: string): string[] {
  const old = name
    .replace(/LayerNorm\.weight$/, "LayerNorm.gamma")
    .replace(/LayerNorm\.bias$/, "LayerNorm.beta");
  const names = old === name ? [name] : [name, old];
  return names.flatMap((each) =>
    each.startsWith(basePrefix) ? [each, each.slice(basePrefix.length)] : [each],
  );
}

async function noWeights(folder: string): Promise<RATError> {
  const pickle = (await readdir(folder)).find((name) => /\.(bin|pt|pth|pkl|ckpt)$/.test(name));
  if (pickle === undefined) return pathError(join(folder, WEIGHTS_FILE), `${folder} has no ${WEIGHTS_FILE}`);
  const file = join(folder, pickle);
  return new RATError(
    "ERR_RAT_UNSAFE_FORMAT",
    `${folder} has ${pickle} but no ${WEIGHTS_FILE}. Pickle files can execute code and are not read; convert it with Python: python3 -c "from transformers import AutoModelForSequenceClassification as M; M.from_pretrained('${folder}').save_pretrained('${folder}')"`,
    { details: { file } },
  );
}
