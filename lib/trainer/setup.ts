/** From the options of `RATTrainer.create` to a model on its device: reads a folder if there is one, checks that all fits. */

import type { z } from "zod";
import { type ModelKind, modelDefault, withDefaults } from "../config/defaults.js";
import { checkModelOptions } from "../config/model-options.js";
import { parseOptions } from "../config/parse.js";
import { nativeRegularizer, resolveRegularizer } from "../config/regularizer.js";
import { trainerSettingsSchema } from "../config/schema.js";
import type { Dataset, Task } from "../datasets/types.js";
import { configError, fromNative, invalidArgument, throwIfAborted } from "../errors.js";
import { fetchModel } from "../hub/fetch-model.js";
import { announce, chooseDevice, chooseThreads } from "../inference/device.js";
import { labelsOfFolder } from "../inference/labels.js";
import { checkVocabulary, createNative } from "../inference/native-model.js";
import { QUIET } from "../logger.js";
import { type ModelConfig, nativeModel } from "../models/config.js";
import { longestInput } from "../models/encoder-config.js";
import { type ModelFolder, readModelFolder } from "../models/folder.js";
import { type ModelSizes, modelSizes } from "../models/sizes.js";
import { loadNative, type NativeOptimizerOptions } from "../native/binding.js";
import type { TrainerParts, TrainerSettingsInUse } from "../run/parts.js";
import { loadTokenizer } from "../tokenizers/load.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { setInitialWeights } from "./initial-weights.js";
import type { TrainerOptions } from "./options.js";
import { checkTask } from "./task.js";
import { checkTargetOptions } from "./task-options.js";

/** Carries out `RATTrainer.create`; see there for what it throws. */
export async function setUpTrainer(options: TrainerOptions): Promise<TrainerParts> {
  if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
  const { task: givenTask, tokenizer: givenTokenizer, logger = QUIET, signal, ...plain } = options;
  const settings = parseOptions(trainerSettingsSchema, plain, "RATTrainer.create");
  const task = checkTask(givenTask);
  throwIfAborted(signal);
  checkTargetOptions(settings, task);
  resolveRegularizer(settings.regularizer, settings.dropout); // What is wrong with it is said before anything is read.
  const named = "path" in settings.model ? settings.model.path : undefined;
  const newModel = "type" in settings.model ? settings.model : undefined;
  const { resetHead = false, reinitLayers = 0, vectors } = settings;
  checkModelOptions({ isNew: named === undefined, resetHead, reinitLayers, vectors });
  const { buildInfo, liveTrainers } = await loadNative();
  const path = named === undefined ? undefined : await fetchModel(named, { signal });
  const folder = path === undefined ? undefined : await readModelFolder(path);
  const tokenizer = givenTokenizer ?? (await tokenizerOf(path));
  const ownsTokenizer = givenTokenizer === undefined;
  try {
    const modelKind: ModelKind = folder?.config.encoder ? "fineTuning" : "fromScratch";
    const regularizer = resolveRegularizer(
      settings.regularizer,
      settings.dropout,
      modelDefault("epsilon", modelKind),
    );
    const filled = fillIn(settings, folder, modelKind);
    const { dropout, maxLength, precision } = filled;
    const config = newModel
      ? configOfNew(modelSizes(newModel), task, tokenizer, filled)
      : // There is a folder where there is no new model.
        configOfFolder(folder as ModelFolder, task, tokenizer, path ?? "", {
          ...{ maxLength, resetHead, threshold: filled.threshold },
        });
    const build = buildInfo();
    const choice = chooseDevice(settings.device ?? "auto", build);
    announce(choice.warning, options.logger);
    const { device } = choice;
    const live = liveTrainers();
    const threads = chooseThreads(settings.threads, build.hardwareThreads, live);
    if (reinitLayers > 0) {
      if (!config.encoder) throw configError("reinitLayers", "reinitLayers is for encoders");
      checkLayers("reinitLayers", reinitLayers, config);
    }
    if (precision === "bf16" && !config.encoder) {
      throw configError("precision", `bf16 is for encoders; train a ${config.sizes.type} in fp32`);
    }
    const inUse: TrainerSettingsInUse = { ...filled, device, threads };
    const model = await createNative({
      model: nativeModel(config, filled.embeddingStd, reinitLayers),
      kind: task.kind,
      regularizer: {
        ...nativeRegularizer(regularizer, dropout, tokenizer.specialIds),
        ...{ labelSmoothing: filled.labelSmoothing, temperature: filled.temperature },
      },
      optimizer: nativeOptimizer(inUse, config),
      ...{ seed: filled.seed, device, precision, threads },
    });
    try {
      await setInitialWeights(model, {
        ...{ config, tokenizer, folder, resetHead, reinitLayers, vectors, signal },
        logger: options.logger,
      });
      throwIfAborted(signal);
    } catch (error) {
      await model.dispose();
      throw fromNative(error);
    }
    const sharing = live === 0 ? "" : ` (${live} other trainer${live === 1 ? "" : "s"} live)`;
    logger.info(`Device ${device}, ${threads} of ${build.hardwareThreads} threads${sharing}, ${precision}`);
    return {
      ...{ model, config, task, tokenizer, ownsTokenizer, regularizer, modelKind, settings: inUse },
      isNew: named === undefined,
      ...{ build, logger },
      modelName: named ?? config.sizes.type,
    };
  } catch (error) {
    if (ownsTokenizer) await tokenizer.dispose();
    throw error;
  }
}

/** The options that were not given: the folder's, else those of the kind of model. */
function fillIn(
  { model: _, regularizer: __, optimizer = {}, ...ofTrainer }: z.output<typeof trainerSettingsSchema>,
  folder: ModelFolder | undefined,
  modelKind: ModelKind,
): Omit<TrainerSettingsInUse, "threads"> {
  const { type, ...numbers } = optimizer;
  const maxLength = ofTrainer.maxLength ?? folder?.config.maxLength;
  const given = { ...ofTrainer, ...numbers, optimizer: type, maxLength };
  const filled = withDefaults(["trainer", "optimizer"], given, modelKind);
  return {
    ...filled,
    dropout: ofTrainer.dropout ?? (folder ? folder.config.dropout : (filled.dropout ?? null)),
  };
}

/** A model that is made anew for a task. */
function configOfNew(
  sizes: ModelSizes,
  task: Task<Dataset>,
  tokenizer: Tokenizer,
  { dropout, maxLength, threshold }: Pick<TrainerSettingsInUse, "dropout" | "maxLength" | "threshold">,
): ModelConfig {
  const { vocabularySize, paddingId } = tokenizer;
  const { kind, labels, metrics, name } = task;
  const rate = typeof dropout === "object" ? (dropout?.[0] ?? 0) : dropout;
  return {
    ...{ sizes, vocabularySize, paddingId, kind, labels },
    ...{ dropout: rate, maxLength, task: name, metrics, threshold },
  };
}

/** @throws RATError `ERR_RAT_CONFIG` if the model has fewer layers than are to be frozen. */
function nativeOptimizer(settings: TrainerSettingsInUse, config: ModelConfig): NativeOptimizerOptions {
  const { optimizer: type, weightDecay, clipNorm, layerDecay, freeze = 0 } = settings;
  if (typeof freeze === "number") checkLayers("freeze", freeze, config);
  const frozenDepths = freeze === "embeddings" ? 1 : freeze === 0 ? 0 : freeze + 1;
  return { type, weightDecay, clipNorm, layerDecay, frozenDepths };
}

/** @throws RATError `ERR_RAT_CONFIG` if the model has fewer layers. */
function checkLayers(option: "freeze" | "reinitLayers", wanted: number, config: ModelConfig): void {
  const layers = config.encoder?.shape.layers ?? config.sizes.layers;
  if (wanted <= layers) return;
  throw configError(
    option,
    `Expected at most ${layers} for ${option} but received ${wanted}: the model has no more layers`,
  );
}

async function tokenizerOf(path: string | undefined): Promise<Tokenizer> {
  if (path !== undefined) return loadTokenizer(path);
  invalidArgument("tokenizer", "a tokenizer for a new model (see trainTokenizer)", undefined);
}

function configOfFolder(
  folder: ModelFolder,
  task: Task<Dataset>,
  tokenizer: Tokenizer,
  path: string,
  {
    maxLength,
    resetHead,
    threshold = folder.config.threshold,
  }: { maxLength: number; resetHead: boolean; threshold: number | undefined },
): ModelConfig {
  checkVocabulary(folder.config, tokenizer, path);
  const { encoder } = folder.config;
  if (encoder && maxLength > longestInput(encoder.shape)) {
    throw configError(
      "maxLength",
      `Expected at most ${longestInput(encoder.shape)} for maxLength but received ${maxLength}: the model in ${path} has no more positions`,
    );
  }
  return {
    ...folder.config,
    kind: task.kind,
    labels: resetHead || !folder.hasHead ? task.labels : labelsOfFolder(folder.config, task, path),
    maxLength,
    task: task.name,
    metrics: task.metrics,
    threshold,
  };
}
