/** A trained model in use. */
import { parseOptions } from "../config/parse.js";
import { type ClassifierSettings, classifierSettingsSchema } from "../config/schema.js";
import type { Dataset, Example, Task } from "../datasets/types.js";
import { fromNative, invalidArgument, throwIfAborted } from "../errors.js";
import { fetchModel } from "../hub/fetch-model.js";
import { loadFolderWeights } from "../inference/load-weights.js";
import { checkVocabulary, createNative } from "../inference/native-model.js";
import type { Logger } from "../logger.js";
import { type ModelConfig, nativeModel } from "../models/config.js";
import { readModelFolder } from "../models/folder.js";
import { loadNative, type NativeTrainer } from "../native/binding.js";
import type { Prediction } from "../targets/definition.js";
import type { TaskKind } from "../targets/index.js";
import { loadTokenizer } from "../tokenizers/load.js";
import type { Tokenizer } from "../tokenizers/types.js";
import { announce, chooseDevice, choosePrecision, chooseThreads } from "./device.js";
import { encodeDataset } from "./encoded-dataset.js";
import { type EvaluationResult, evaluateDataset } from "./evaluate.js";
import { labelsOfFolder } from "./labels.js";
import { Operations } from "./operation.js";
import { PredictQueue } from "./predict-queue.js";
import { checkInputs, predictChecked, type TextInput } from "./predictions.js";

export type {
  ClassPrediction,
  LabelSetPrediction,
  Prediction,
  ScorePrediction,
} from "../targets/definition.js";
export type { TextInput } from "./predictions.js";

/** How to load a model. */
export interface ClassifierOptions extends ClassifierSettings {
  /** Default: quiet. */
  readonly logger?: Logger | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * How calls of `predict` that overlap are put together: at most `maxTexts` texts at once (512), and what the first call waits
   * for others, in milliseconds (0: the rest of the turn of the event loop). More waiting makes larger batches and later answers.
   */
  readonly batching?:
    | { readonly maxTexts?: number | undefined; readonly maxWaitMs?: number | undefined }
    | undefined;
}

interface ClassifierFacts {
  readonly path: string;
  readonly device: string;
  readonly batching: ClassifierOptions["batching"];
}

/** @throws RATError `ERR_RAT_INVALID_ARG` for a bound that is none. */
function checkBatching(batching: ClassifierOptions["batching"]): void {
  if (batching === undefined) return;
  if (typeof batching !== "object" || batching === null) invalidArgument("batching", "an object", batching);
  const { maxTexts = 1, maxWaitMs = 0 } = batching;
  if (!Number.isSafeInteger(maxTexts) || maxTexts < 1)
    invalidArgument("batching.maxTexts", "a whole number above 0", maxTexts);
  if (!(maxWaitMs >= 0 && maxWaitMs <= 60_000))
    invalidArgument("batching.maxWaitMs", "milliseconds from 0 to 60000", maxWaitMs);
}

/** How to predict. */
export interface PredictOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A model folder, loaded. Calls may overlap; each is answered in the order of its inputs. */
export class Classifier implements AsyncDisposable {
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  readonly #path: string;
  readonly #model: NativeTrainer;
  readonly #config: ModelConfig;
  readonly #tokenizer: Tokenizer;
  readonly #operations = new Operations("classifier");
  readonly #queue: PredictQueue<Prediction>;
  #disposal: Promise<void> | undefined;

  private constructor(
    model: NativeTrainer,
    config: ModelConfig,
    tokenizer: Tokenizer,
    { path, device, batching }: ClassifierFacts,
  ) {
    this.#path = path;
    this.device = device;
    const { kind, labels, maxLength, threshold } = config;
    const predictor = { model, tokenizer, kind, labels, maxLength, threshold };
    this.#queue = new PredictQueue((texts, signal) => predictChecked(predictor, texts, signal), {
      maxTexts: batching?.maxTexts ?? 512,
      maxWaitMs: batching?.maxWaitMs ?? 0,
    });
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
    const { signal, logger, batching, ...plain } = options;
    checkBatching(batching);
    const settings = parseOptions(classifierSettingsSchema, plain, "Classifier.load");
    throwIfAborted(signal);
    const { buildInfo, liveTrainers } = await loadNative();
    const folder = await fetchModel(model, { signal });
    const content = await readModelFolder(folder);
    const tokenizer = await loadTokenizer(folder);
    let native: NativeTrainer | undefined;
    try {
      const config = { ...content.config, threshold: settings.threshold ?? content.config.threshold };
      checkVocabulary(config, tokenizer, folder);
      const build = buildInfo();
      const choice = chooseDevice(settings.device ?? "auto", build);
      announce(choice.warning, logger);
      native = await createNative({
        model: nativeModel(config, 1),
        kind: config.kind,
        seed: 0,
        device: choice.device,
        // What a model says does not depend on where it is asked.
        precision: choosePrecision(settings.precision ?? "fp32", choice.device, true, build),
        threads: chooseThreads(settings.threads, build.hardwareThreads, liveTrainers()),
      });
      await loadFolderWeights(native, content, { resetHead: false, newHead: false, logger });
      throwIfAborted(signal);
      return new Classifier(native, config, tokenizer, { path: folder, device: choice.device, batching });
    } catch (error) {
      await Promise.all([native?.dispose(), tokenizer.dispose()]);
      throw fromNative(error);
    }
  }

  /** Class names; empty for regression. */
  get labels(): readonly string[] {
    return this.#config.labels;
  }

  /** Most tokens of a text; longer ones are cut. */
  get maxLength(): number {
    return this.#config.maxLength;
  }

  /** Whether predictions have a `label`, a `score` or `labels`. */
  get kind(): TaskKind {
    return this.#config.kind;
  }

  /**
   * Classifies (or scores) texts. Texts of like length are computed together; results are in input order. The event loop
   * stays free however many there are. Calls that overlap are computed together, in their order (`batching` of `load`): each
   * gets its own answers or its own error. What a text is computed together with changes its probabilities by rounding alone.
   *
   * @throws RATError `ERR_RAT_INVALID_ARG` for an input that is no text; `ERR_RAT_ABORTED`; `ERR_RAT_DISPOSED`.
   */
  predict(texts: string | readonly TextInput[], options: PredictOptions = {}): Promise<Prediction[]> {
    return this.#operations.perform(options, async ({ signal }) =>
      this.#queue.predict(await checkInputs(texts, signal), signal),
    );
  }

  /** Computes one text, so that the first one that somebody waits for is as quick as the next. */
  async warmUp(options: PredictOptions = {}): Promise<void> {
    await this.predict("warm", options);
  }

  /**
   * Loss and metrics on examples. The model may have the task's labels in an order of its own.
   *
   * @param task - What the labels are and which metrics to compute: the task of `loadTask`, or these parts of one.
   * @throws RATError `ERR_RAT_MODEL_MISMATCH` when the model is for other labels; `ERR_RAT_LABEL`, `ERR_RAT_DATA_FORMAT` or
   *   `ERR_RAT_INVALID_ARG` for the examples; `ERR_RAT_ABORTED`; `ERR_RAT_DISPOSED`.
   */
  evaluate(
    examples: Dataset | readonly Example[],
    task: Pick<Task, "name" | "kind" | "labels" | "metrics" | "f1Average">,
    options: PredictOptions = {},
  ): Promise<EvaluationResult> {
    const { kind, maxLength, threshold } = this.#config;
    return this.#operations.perform(options, async ({ signal }) => {
      const labels = labelsOfFolder(this.#config, task, this.#path);
      const encoding = { kind, labels, tokenizer: this.#tokenizer, maxLength, name: "examples", signal };
      const encoded = await encodeDataset(examples, encoding);
      const { metrics, f1Average } = task;
      return evaluateDataset(this.#model, encoded, { kind, labels, metrics, f1Average, threshold }, signal);
    });
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
    await this.#operations.end();
    await Promise.all([this.#model.dispose(), this.#tokenizer.dispose()]);
  }
}
