/** From the options of `RATTrainer.create` to a model on its device: reads a folder if there is one, checks that all fits. */

import { FINE_TUNING, FROM_SCRATCH, type ModelDefaults } from "../config/defaults.js";
import {
  nativeObjective,
  type PerForward,
  type ResolvedMethod,
  resolveRegularizer,
} from "../config/method.js";
import { checkModelOptions } from "../config/model-options.js";
import { parseOptions } from "../config/parse.js";
import { trainerSettingsSchema } from "../config/schema.js";
import type { Dataset, Task } from "../datasets/types.js";
import { fromNative, invalidArgument, RATError, throwIfAborted } from "../errors.js";
import { fetchModel } from "../hub/fetch-model.js";
import { type ModelConfig, nativeModel } from "../models/config.js";
import { longestInput } from "../models/encoder-config.js";
import { type ModelFolder, readModelFolder } from "../models/folder.js";
import { modelSizes } from "../models/sizes.js";
import {
  loadNative,
  type NativeBuildInfo,
  type NativeOptimizerOptions,
  type NativeTrainer,
  type NativeTrainerOptions,
  native,
} from "../native/binding.js";
import { loadTokenizer } from "../tokenizers/load.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { announce, chooseDevice, chooseThreads } from "./device.js";
import { setInitialWeights } from "./initial-weights.js";
import type { Logger, TrainerOptions } from "./options.js";
import { checkTask, labelsOfFolder } from "./task.js";

/** All that a trainer consists of. */
export interface TrainerParts {
  readonly model: NativeTrainer;
  /** The model as its folder will describe it; `labels` is the order of the outputs. */
  readonly config: ModelConfig;
  /** What the user calls the model: its architecture, or the folder it came from. */
  readonly modelName: string;
  /** Whether a folder's model was given a new head. */
  readonly resetHead: boolean;
  /** File that the initial embeddings came from. */
  readonly vectors: string | undefined;
  readonly task: Task<Dataset>;
  readonly tokenizer: Tokenizer;
  /** Whether the trainer made the tokenizer, and so disposes of it. */
  readonly ownsTokenizer: boolean;
  readonly method: ResolvedMethod;
  /** null = the rates of the model. */
  readonly dropout: PerForward | null;
  /** Of the kind of model. */
  readonly defaults: ModelDefaults;
  readonly optimizer: NativeOptimizerOptions;
  readonly seed: number;
  readonly device: string;
  readonly precision: "fp32" | "fp64" | "bf16";
  readonly threads: number;
  readonly embeddingStd: number;
  readonly maxLength: number;
  readonly build: NativeBuildInfo;
  readonly logger: Logger;
}

const QUIET: Logger = { info: () => {}, warn: () => {} };
const DEFAULT_EMBEDDING_STD = 0.1;

/** Carries out `RATTrainer.create`; see there for what it throws. */
export async function setUpTrainer(options: TrainerOptions): Promise<TrainerParts> {
  if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
  const { task: givenTask, tokenizer: givenTokenizer, logger = QUIET, signal, ...plain } = options;
  const settings = parseOptions(trainerSettingsSchema, plain, "RATTrainer.create");
  const task = checkTask(givenTask);
  throwIfAborted(signal);
  resolveRegularizer(settings.regularizer, settings.dropout); // What is wrong with it is said before anything is read.
  const named = "path" in settings.model ? settings.model.path : undefined;
  const { resetHead = false, vectors } = settings;
  checkModelOptions({ isNew: named === undefined, resetHead, vectors });
  const { buildInfo, liveTrainers } = await loadNative();
  const path = named === undefined ? undefined : await fetchModel(named, { signal });
  const folder = path === undefined ? undefined : await readModelFolder(path);
  const tokenizer = givenTokenizer ?? (await tokenizerOf(path));
  const ownsTokenizer = givenTokenizer === undefined;
  try {
    const defaults = folder?.config.encoder ? FINE_TUNING : FROM_SCRATCH;
    const method = resolveRegularizer(settings.regularizer, settings.dropout, defaults.epsilon);
    const dropout = settings.dropout ?? (folder ? folder.config.dropout : FROM_SCRATCH.dropout);
    const maxLength = settings.maxLength ?? folder?.config.maxLength ?? FROM_SCRATCH.maxLength;
    const config: ModelConfig = folder
      ? configOfFolder(folder, task, tokenizer, path ?? "", { maxLength, resetHead })
      : {
          sizes: "type" in settings.model ? modelSizes(settings.model) : modelSizes({ type: "textcnn" }),
          vocabularySize: tokenizer.vocabularySize,
          paddingId: tokenizer.paddingId,
          kind: task.kind,
          labels: task.labels,
          dropout: typeof dropout === "object" ? (dropout?.[0] ?? 0) : dropout,
          maxLength,
          task: task.name,
          metrics: task.metrics,
        };
    const build = buildInfo();
    const choice = chooseDevice(settings.device ?? "auto", build);
    announce(choice.warning, options.logger);
    const { device } = choice;
    const live = liveTrainers();
    const threads = chooseThreads(settings.threads, build.hardwareThreads, live);
    const optimizer: NativeOptimizerOptions = {
      type: settings.optimizer?.type ?? "adamw",
      weightDecay: settings.optimizer?.weightDecay ?? defaults.weightDecay,
      clipNorm: settings.optimizer?.clipNorm ?? 1,
    };
    const seed = settings.seed ?? 1;
    const precision = settings.precision ?? "fp32";
    if (precision === "bf16" && !config.encoder) {
      throw new RATError("ERR_RAT_CONFIG", `bf16 is for encoders; train a ${config.sizes.type} in fp32`, {
        details: { option: "precision" },
      });
    }
    const embeddingStd = settings.embeddingStd ?? DEFAULT_EMBEDDING_STD;
    const model = await createNative({
      model: nativeModel(config, embeddingStd),
      kind: task.kind,
      objective: nativeObjective(method, dropout),
      ...{ optimizer, seed, device, precision, threads },
    });
    try {
      await setInitialWeights(model, {
        ...{ config, tokenizer, folder, resetHead, vectors, signal },
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
      ...{
        model,
        config,
        task,
        tokenizer,
        ownsTokenizer,
        method,
        dropout,
        defaults,
        optimizer,
        seed,
        device,
        precision,
      },
      ...{ threads, embeddingStd, maxLength, build, logger },
      modelName: named ?? config.sizes.type,
      ...{ resetHead, vectors },
    };
  } catch (error) {
    if (ownsTokenizer) await tokenizer.dispose();
    throw error;
  }
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
  { maxLength, resetHead }: { readonly maxLength: number; readonly resetHead: boolean },
): ModelConfig {
  checkVocabulary(folder.config, tokenizer, path);
  const { encoder } = folder.config;
  if (encoder && maxLength > longestInput(encoder.shape)) {
    throw new RATError(
      "ERR_RAT_CONFIG",
      `Expected at most ${longestInput(encoder.shape)} for maxLength but received ${maxLength}: the model in ${path} has no more positions`,
      { details: { option: "maxLength" } },
    );
  }
  return {
    ...folder.config,
    kind: task.kind,
    labels: resetHead || !folder.hasHead ? task.labels : labelsOfFolder(folder.config, task, path),
    maxLength,
    task: task.name,
    metrics: task.metrics,
  };
}

/** @throws RATError `ERR_RAT_MODEL_MISMATCH` when the tokenizer has ids that the embeddings lack. */
export function checkVocabulary(config: ModelConfig, tokenizer: Tokenizer, path: string): void {
  if (tokenizer.vocabularySize <= config.vocabularySize) return;
  throw new RATError(
    "ERR_RAT_MODEL_MISMATCH",
    `The tokenizer has ${tokenizer.vocabularySize} tokens, the model in ${path} has embeddings for ${config.vocabularySize}. Use the tokenizer that the model was trained with`,
    { details: { file: path } },
  );
}

/** @throws RATError (rejects) with the addon's code, `ERR_RAT_HOST_OOM` among them if the model's memory cannot be had. */
export async function createNative(options: NativeTrainerOptions): Promise<NativeTrainer> {
  const { Trainer } = native();
  let model: NativeTrainer | undefined;
  try {
    model = new Trainer(options);
    await model.parameters(); // waits until the model has been made
    return model;
  } catch (error) {
    await model?.dispose();
    throw fromNative(error);
  }
}
