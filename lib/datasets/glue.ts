/**
 * Tasks of the GLUE benchmark (Wang et al., 2018): TSV without quoting, test labels not public. Labels have the names
 * and the order that Hugging Face gives them.
 */
import type { SplitPlan, TaskDefinition } from "./definition.js";

const OFFICIAL: SplitPlan = { train: ["train.tsv"], dev: { files: ["dev.tsv"] }, test: null };

type GlueTask = Pick<
  TaskDefinition,
  "name" | "description" | "kind" | "labels" | "spellings" | "metrics" | "layouts"
>;

/** `folder` is the name of the task's folder in the official archive. */
function glueTask(task: GlueTask, folder: string): TaskDefinition {
  return {
    ...task,
    syntax: "tsv",
    folders: [task.name, folder],
    official: OFFICIAL,
    paper: OFFICIAL,
    paperNote: "the official files",
  };
}

export const cola = glueTask(
  {
    name: "cola",
    description: "Whether an English sentence is acceptable (GLUE)",
    kind: "classification",
    labels: ["unacceptable", "acceptable"],
    spellings: { 0: "unacceptable", 1: "acceptable" },
    metrics: ["matthews", "accuracy"],
    layouts: [
      { header: true, text: [["sentence"]], label: ["label"] },
      // Source, label, the author's original mark, sentence.
      { header: false, columns: 4, label: 1, text: [3] },
    ],
  },
  "CoLA",
);

export const stsb = glueTask(
  {
    name: "stsb",
    description: "Similarity of two sentences, 0 to 5 (GLUE)",
    kind: "regression",
    labels: [],
    metrics: ["pearson", "spearman"],
    layouts: [{ header: true, text: [["sentence1"]], pair: ["sentence2"], label: ["score"] }],
  },
  "STS-B",
);
