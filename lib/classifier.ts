/** A trained model in use. */
import { parseOptions } from "./config/parse.js";
import { type ClassifierSettings, classifierSettingsSchema } from "./config/schema.js";
import type { TaskKind } from "./datasets/types.js";
import { abortedError, fromNative, invalidArgument, RATError, throwIfAborted } from "./errors.js";
import { fetchModel } from "./hub/fetch-model.js";
import { type ModelConfig, nativeModel } from "./models/config.js";
import { readModelFolder } from "./models/folder.js";
import { loadNative, type NativeTrainer } from "./native/binding.js";
import { loadTokenizer } from "./tokenizers/load.js";
import type { Tokenizer } from "./tokenizers/types.js";
import { Operation } from "./trainer/abort.js";
import { announce, chooseDevice, chooseThreads } from "./trainer/device.js";
import { loadFolderWeights } from "./trainer/initial-weights.js";
import type { Logger } from "./trainer/options.js";
import { type Prediction, predictTexts, type TextInput } from "./trainer/predictions.js";
import { checkVocabulary, createNative } from "./trainer/setup.js";

export type { ClassPrediction, Prediction, ScorePrediction, TextInput } from "./trainer/predictions.js";

/** How to load a model. */
export interface ClassifierOptions extends ClassifierSettings {
  /** Default: quiet. */
  readonly logger?: Logger | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How to predict. */
export interface PredictOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A model folder, loaded. Calls may overlap; each is answered in the order of its inputs. */
export class Classifier implements AsyncDisposable {
  readonly #model: NativeTrainer;
  readonly #config: ModelConfig;
  readonly #tokenizer: Tokenizer;
  readonly #operations = new Map<Operation, Promise<unknown>>();
  #disposal: Promise<void> | undefined;

  private constructor(model: NativeTrainer, config: ModelConfig, tokenizer: Tokenizer) {
    this.#model = model;
    this.#config = config;
    this.#tokenizer = tokenizer;
  }

  /**
   * Loads a model folder, or the model `owner/name` of the Hugging Face hub ({@link fetchModel}). Defaults: device `auto`, all cores shared among what is live.
   *
   * @throws RATError `ERR_RAT_PATH` when the folder or a file is missing; `ERR_RAT_MODEL_MISMATCH`,
   *   `ERR_RAT_SAFETENSORS_INVALID`, `ERR_RAT_UNSAFE_FORMAT` or `ERR_RAT_TOKENIZER_INVALID` for what is in it;
   *   `ERR_RAT_CONFIG` for an option; `ERR_RAT_DEVICE`; `ERR_RAT_NATIVE_LOAD`; `ERR_RAT_ABORTED`.
   */
  static async load(model: string, options: ClassifierOptions = {}): Promise<Classifier> {
    if (typeof model !== "string" || model === "") invalidArgument("model", "a path", model);
    if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
    const { signal, logger, ...plain } = options;
    const settings = parseOptions(classifierSettingsSchema, plain, "Classifier.load");
    throwIfAborted(signal);
    const { buildInfo, liveTrainers } = await loadNative();
    const folder = await fetchModel(model, { signal });
    const content = await readModelFolder(folder);
    const tokenizer = await loadTokenizer(folder);
    let native: NativeTrainer | undefined;
    try {
      const { config } = content;
      checkVocabulary(config, tokenizer, folder);
      const build = buildInfo();
      const choice = chooseDevice(settings.device ?? "auto", build);
      announce(choice.warning, logger);
      native = await createNative({
        model: nativeModel(config, 1),
        kind: config.kind,
        objective: PLAIN_OBJECTIVE,
        optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 },
        seed: 0,
        device: choice.device,
        precision: settings.precision ?? "fp32",
        threads: chooseThreads(settings.threads, build.hardwareThreads, liveTrainers()),
      });
      await loadFolderWeights(native, content, { resetHead: false, newHead: false, logger });
      throwIfAborted(signal);
      return new Classifier(native, config, tokenizer);
    } catch (error) {
      await Promise.all([native?.dispose(), tokenizer.dispose()]);
      throw fromNative(error);
    }
  }

  /** Class names; empty for regression. */
  get labels(): readonly string[] {
    return this.#config.labels;
  }

  /** Whether predictions have a `label` or a `score`. */
  get kind(): TaskKind {
    return this.#config.kind;
  }

  /**
   * Classifies (or scores) texts. Texts of like length are computed together; results are in input order. The event loop
   * stays free however many there are.
   *
   * @throws RATError `ERR_RAT_INVALID_ARG` for an input that is no text; `ERR_RAT_ABORTED`; `ERR_RAT_DISPOSED`.
   */
  async predict(texts: string | readonly TextInput[], options: PredictOptions = {}): Promise<Prediction[]> {
    if (this.#disposal) throw new RATError("ERR_RAT_DISPOSED", "The classifier has been disposed of");
    const operation = new Operation(options);
    const result = this.#predict(texts, operation);
    this.#operations.set(operation, result);
    try {
      return await result;
    } finally {
      this.#operations.delete(operation);
      operation.end();
    }
  }

  async #predict(texts: string | readonly TextInput[], operation: Operation): Promise<Prediction[]> {
    const { kind, labels, maxLength } = this.#config;
    const predictor = { model: this.#model, tokenizer: this.#tokenizer, kind, labels, maxLength };
    operation.throwIfAborted();
    try {
      return await predictTexts(predictor, texts, operation.signal);
    } catch (error) {
      const known = fromNative(error);
      throw known.code === "ERR_RAT_ABORTED" ? abortedError(operation.signal) : known;
    }
  }

  /** Aborts what is in progress, waits for it, and frees the model. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    const reason = new RATError("ERR_RAT_DISPOSED", "The classifier was disposed of");
    for (const operation of this.#operations.keys()) operation.abort(reason);
    await Promise.allSettled(this.#operations.values());
    await Promise.all([this.#model.dispose(), this.#tokenizer.dispose()]);
  }
}

/** Nothing is trained here. */
const PLAIN_OBJECTIVE = {
  type: "none",
  forwards: 1,
  epsilon: [0],
  klWeight: 0,
  klReduction: "batch-mean",
  cleanDropout: 0,
  forwardDropout: [0],
} as const;
