/** Reports; single metrics stand in their own files, and `lib/targets/` knows which kind of target has which. */
export { type ClassPredictions, confusionMatrix } from "./confusion.js";
export type { ClassScores } from "./f1.js";
export {
  type ClassificationReport,
  classificationReport,
  type LabelledScores,
  labelSetReport,
  type ReportInput,
} from "./report.js";
