/** What a run's model says of the texts that it is judged by: calibration, and the mistakes that it was surest of. */
import { join } from "node:path";
import type { ResolvedRunConfig } from "../config/resolve.js";
import { loadTask } from "../datasets/load-task.js";
import { exists } from "../files/atomic-folder.js";
import { Classifier } from "../inference/classifier.js";
import { type Calibration, calibrationOf, confidentMistakes } from "../metrics/calibration.js";
import { taskOptions } from "../pipeline/options.js";

export interface WrongText {
  readonly text: string;
  readonly predicted: string;
  readonly reference: string;
  readonly confidence: number;
}

export interface PredictionsRecord {
  readonly split: "dev" | "test";
  readonly calibration: Calibration;
  readonly mistakes: readonly WrongText[];
}

/** Longer texts are cut. */
const SHOWN = 400;

/**
 * Runs the model of a run's folder over its test rows, else its dev rows.
 *
 * @returns Null for what is no classification, and where the folder has no model.
 * @throws RATError what `loadTask` and `Classifier.load` throw: the data are no longer where they were, for one.
 */
export async function readPredictions(
  path: string,
  config: ResolvedRunConfig,
  signal?: AbortSignal,
): Promise<PredictionsRecord | null> {
  const folder = join(path, "model");
  if (!(await exists(folder))) return null;
  const task = await loadTask(config.task, { ...taskOptions(config), signal });
  const split = task.test ? "test" : "dev";
  const examples = task[split];
  if (task.kind !== "classification" || !examples) return null;
  await using classifier = await Classifier.load(folder, { device: "auto", signal });
  const { probabilities, references, labels } = await classifier.evaluate(examples, task, { signal });
  if (probabilities === null) return null;
  const mistakes = confidentMistakes(probabilities, references).map(
    ({ row, predicted, reference, confidence }) => {
      const { text = "", pair } = examples[row] ?? {};
      const whole = pair === undefined ? text : `${text} ⏎ ${pair}`;
      return {
        text: whole.length > SHOWN ? `${whole.slice(0, SHOWN)} …` : whole,
        ...{ predicted: labels[predicted] ?? "", reference: labels[reference] ?? "", confidence },
      };
    },
  );
  return { split, calibration: calibrationOf(probabilities, references), mistakes };
}
