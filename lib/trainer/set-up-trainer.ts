/** From the options of `RATTrainer.create` to a model on its device: reads a folder if there is one, checks that all fits. */

import type { z } from "zod";
import { type ModelKind, modelDefault, withDefaults } from "../config/defaults.js";
import { checkModelOptions, checkNoEncoderOptions } from "../config/model-options.js";
import { parseOptions } from "../config/parse.js";
import { nativeRegularizer, type ResolvedRegularizer, resolveRegularizer } from "../config/regularizer.js";
import { trainerSettingsSchema } from "../config/schema.js";
import type { Dataset, Task } from "../datasets/types.js";
import { configError, fromNative, invalidArgument, throwIfAborted } from "../errors.js";
import { fetchModel } from "../hub/fetch-model.js";
import { announce, chooseDevice, choosePrecision, chooseThreads } from "../inference/device.js";
import { labelsOfFolder } from "../inference/labels.js";
import { checkVocabulary, createNative } from "../inference/native-model.js";
import { type Logger, QUIET } from "../logger.js";
import { type ModelConfig, nativeModel } from "../models/config.js";
import { longestInput } from "../models/encoder-config.js";
import { type ModelFolder, readModelFolder } from "../models/folder.js";
import { type ModelSizes, modelSizes } from "../models/sizes.js";
import { loadNative, type NativeOptimizerOptions, type NativeTrainer, native } from "../native/binding.js";
import type { TrainerParts, TrainerSettingsInUse } from "../run/parts.js";
import { loadTokenizer } from "../tokenizers/load.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { checkTask } from "./check-task.js";
import { setInitialWeights } from "./initial-weights.js";
import type { TrainerOptions } from "./options.js";
import { checkTargetOptions } from "./task-options.js";

/** Carries out `RATTrainer.create`; see there for what it throws. */
export async function setUpTrainer(options: TrainerOptions): Promise<TrainerParts> {
  if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
  const { task: givenTask, tokenizer: givenTokenizer, logger, signal, ...plain } = options;
  const settings = parseOptions(trainerSettingsSchema, plain, "RATTrainer.create");
  const task = checkTask(givenTask);
  throwIfAborted(signal);
  checkBeforeReading(settings, task);
  await loadNative();
  const source = await openSource(settings.model, givenTokenizer, signal);
  try {
    const plan = planModel(settings, task, source);
    const place = choosePlace(settings, logger);
    const { device, threads, build } = place;
    const precision = choosePrecision(settings.precision, device, plan.config.encoder !== undefined, build);
    const inUse: TrainerSettingsInUse = { ...plan.settings, device, threads, precision };
    const model = await createModel({ ...plan, settings: inUse }, source, { logger, signal });
    (logger ?? QUIET).info(`${place.description}, ${inUse.precision}`);
    const { tokenizer, ownsTokenizer, name, folder } = source;
    return {
      ...{ model, task, tokenizer, ownsTokenizer, settings: inUse },
      ...{ config: plan.config, regularizer: plan.regularizer, modelKind: plan.modelKind },
      ...{ isNew: folder === undefined, modelName: name, build: place.build, logger: logger ?? QUIET },
    };
  } catch (error) {
    if (source.ownsTokenizer) await source.tokenizer.dispose();
    throw error;
  }
}

type Settings = z.output<typeof trainerSettingsSchema>;

/** What is wrong with options and task alone. @throws RATError `ERR_RAT_CONFIG`. */
function checkBeforeReading(settings: Settings, task: Task<Dataset>): void {
  checkTargetOptions(settings, task);
  resolveRegularizer(settings.regularizer, settings.dropout);
  const { resetHead = false, reinitLayers = 0, vectors } = settings;
  checkModelOptions({ isNew: "type" in settings.model, resetHead, reinitLayers, vectors });
}

/** Where a model and its tokenizer come from: sizes of a new one, or a folder. */
type ModelSource = {
  /** What the user calls it. */
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly ownsTokenizer: boolean;
} & (
  | { readonly sizes: ModelSizes; readonly folder?: never }
  | { readonly folder: ModelFolder; readonly path: string }
);

/** @throws RATError for a folder that is missing or none, or a new model without a tokenizer. */
async function openSource(
  model: Settings["model"],
  given: Tokenizer | undefined,
  signal: AbortSignal | undefined,
): Promise<ModelSource> {
  if ("type" in model) {
    const tokenizer =
      given ?? invalidArgument("tokenizer", "a tokenizer for a new model (see trainTokenizer)", undefined);
    return { name: model.type, sizes: modelSizes(model), tokenizer, ownsTokenizer: false };
  }
  const path = await fetchModel(model.path, { signal });
  const folder = await readModelFolder(path);
  const tokenizer = given ?? (await loadTokenizer(path));
  return { name: model.path, folder, path, tokenizer, ownsTokenizer: given === undefined };
}

/** A model before it is made. */
interface ModelPlan {
  readonly config: ModelConfig;
  readonly regularizer: ResolvedRegularizer;
  readonly modelKind: ModelKind;
  readonly settings: Omit<TrainerSettingsInUse, "threads" | "precision">;
}

/** @throws RATError `ERR_RAT_CONFIG` or `ERR_RAT_MODEL_MISMATCH` for what does not fit together. */
function planModel(settings: Settings, task: Task<Dataset>, source: ModelSource): ModelPlan {
  const { folder, tokenizer } = source;
  const modelKind: ModelKind = folder?.config.encoder ? "fineTuning" : "fromScratch";
  const epsilon = modelDefault("epsilon", modelKind);
  const regularizer = resolveRegularizer(settings.regularizer, settings.dropout, epsilon);
  const filled = fillIn(settings, folder, modelKind);
  const config = source.folder
    ? configOfFolder(source.folder, task, tokenizer, source.path, filled)
    : configOfNew(source.sizes, task, tokenizer, filled);
  if (filled.reinitLayers > 0) {
    if (!config.encoder) throw configError("reinitLayers", "reinitLayers is for encoders");
    checkLayers("reinitLayers", filled.reinitLayers, config);
  }
  if (filled.classifierDropout !== undefined && (!config.encoder || filled.dropout !== null)) {
    const why = config.encoder ? "dropout sets it already" : `a ${config.sizes.type} has one rate, dropout`;
    throw configError("classifierDropout", `classifierDropout goes with an encoder's own rates; ${why}`);
  }
  if (!config.encoder) checkNoEncoderOptions(config.sizes.type, settings);
  return { config, regularizer, modelKind, settings: filled };
}

/** On what to compute, and the line that says so. */
function choosePlace({ device: wanted = "auto", threads: given }: Settings, logger: Logger | undefined) {
  const { buildInfo, liveTrainers } = native();
  const build = buildInfo();
  const { device, warning } = chooseDevice(wanted, build);
  announce(warning, logger);
  const live = liveTrainers();
  const threads = chooseThreads(given, build.hardwareThreads, live);
  const sharing = live === 0 ? "" : ` (${live} other trainer${live === 1 ? "" : "s"} live)`;
  const off = build.disabledSavings.length > 0 ? `, without ${build.disabledSavings.join(", ")}` : "";
  return {
    ...{ build, device, threads },
    description: `Device ${device}, ${threads} of ${build.hardwareThreads} threads${sharing}${off}`,
  };
}

/** The native model with its first weights. */
async function createModel(
  { config, regularizer, settings }: ModelPlan & { readonly settings: TrainerSettingsInUse },
  { folder, tokenizer }: ModelSource,
  { logger, signal }: Pick<TrainerOptions, "logger" | "signal">,
): Promise<NativeTrainer> {
  const { dropout, embeddingStd, labelSmoothing, temperature, reinitLayers, resetHead, vectors } = settings;
  const { seed, device, precision, threads, recompute, attentionRng } = settings;
  const { encoder, ...sizes } = nativeModel(config, embeddingStd, reinitLayers);
  const { classifierDropout = encoder?.classifierDropout ?? 0 } = settings;
  const model = await createNative({
    model: encoder
      ? {
          ...sizes,
          encoder: {
            ...{ ...encoder, classifierDropout, recomputes: recompute },
            takesTorchAttention: attentionRng === "torch",
          },
        }
      : sizes,
    kind: config.kind,
    regularizer: {
      ...nativeRegularizer(regularizer, dropout, tokenizer.specialIds),
      ...{ labelSmoothing, temperature },
    },
    optimizer: nativeOptimizer(settings, config),
    ...{ seed, device, precision, threads },
  });
  try {
    await setInitialWeights(model, {
      ...{ config, tokenizer, folder, resetHead, reinitLayers, vectors, signal, logger },
    });
    throwIfAborted(signal);
    return model;
  } catch (error) {
    await model.dispose();
    throw fromNative(error);
  }
}

/** The options that were not given: the folder's, else those of the kind of model. */
function fillIn(
  { model: _, regularizer: __, optimizer = {}, ...ofTrainer }: Settings,
  folder: ModelFolder | undefined,
  modelKind: ModelKind,
): Omit<TrainerSettingsInUse, "threads" | "precision"> {
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

function configOfFolder(
  folder: ModelFolder,
  task: Task<Dataset>,
  tokenizer: Tokenizer,
  path: string,
  {
    maxLength,
    resetHead,
    threshold = folder.config.threshold,
  }: Pick<TrainerSettingsInUse, "maxLength" | "resetHead" | "threshold">,
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
