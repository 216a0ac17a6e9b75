/** The weights of a model folder. */
import { dirname } from "node:path";
import { RATError } from "../errors.js";
import type { Logger } from "../logger.js";
import { topPrefixes } from "../models/encoder-config.js";
import { CONFIG_FILE, headTensor, type ModelFolder } from "../models/folder.js";
import { planWeights } from "../models/weights.js";
import type { NativeTrainer } from "../native/binding.js";

/**
 * Loads a folder's weights. What an encoder's files lack of the head stays as the seed made it if there may be a new one,
 * which the logger is told, as are tensors that the model has no use for.
 *
 * @throws RATError `ERR_RAT_MODEL_MISMATCH` for tensors that are missing or have another shape.
 */
export async function loadFolderWeights(
  model: NativeTrainer,
  folder: ModelFolder,
  options: {
    readonly resetHead: boolean;
    readonly newHead: boolean;
    /** How many layers from the top stay as the seed made them. */
    readonly freshLayers?: number;
    readonly logger: Logger | undefined;
  },
): Promise<void> {
  const { config, weights } = folder;
  const head = headTensor(config).replace(/weight$/, "");
  const [first = ""] = weights;
  const { encoder } = config;
  if (!encoder) return model.load("model", first, options.resetHead ? { except: head } : undefined);

  const fresh = [
    ...topPrefixes(encoder.shape, options.freshLayers ?? 0),
    ...(options.resetHead ? [head] : []),
  ];
  const isFresh = ({ name }: { readonly name: string }) => fresh.some((prefix) => name.startsWith(prefix));
  const parameters = await model.parameters();
  const wanted = parameters.filter((parameter) => !isFresh(parameter));
  const plan = await planWeights(weights, wanted, encoder.family.basePrefix);
  const { dense } = encoder.shape.native.names;
  const isHead = (name: string) => name.startsWith(head) || name.startsWith(`${dense}.`);
  const needed = plan.missing.filter((name) => !(options.newHead && isHead(name)));
  if (needed.length > 0 || plan.misshapen.size > 0) {
    const lines = [...needed.map((name) => `missing: ${name}`), ...plan.misshapen.values()];
    throw new RATError(
      "ERR_RAT_MODEL_MISMATCH",
      `${dirname(first)} does not fit its ${CONFIG_FILE}:${lines.map((line) => `\n  ${line}`).join("")}`,
      { details: { file: first } },
    );
  }
  for (const { file, names } of plan.loads) await model.loadTensors(file, names);
  const newHead = [...(options.resetHead ? [`${head}weight`, `${head}bias`] : []), ...plan.missing];
  if (newHead.length > 0) {
    options.logger?.info(`The head is new, drawn from the seed: ${newHead.join(", ")}`);
  }
  if (options.freshLayers) {
    options.logger?.info(
      `The top ${options.freshLayers} layers are new, drawn from the seed: ${fresh.join("*, ")}*`,
    );
  }
  if (plan.unexpected.length > 0) {
    const shown = plan.unexpected.slice(0, 8).join(", ");
    const more = plan.unexpected.length > 8 ? ", ..." : "";
    options.logger?.info(
      `${plan.unexpected.length} tensors of ${dirname(first)} are not part of the model and were left out: ${shown}${more}`,
    );
  }
}
