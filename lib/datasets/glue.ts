/**
 * Tasks of the GLUE benchmark (Wang et al., 2018): TSV without quoting, test labels not public; or Parquet and JSON lines
 * as the hub has them. Labels have the names and the order that Hugging Face gives them.
 */
import type { SplitPlan, TaskDefinition } from "./definition.js";
import type { NamedLayout } from "./layout.js";

const OFFICIAL: SplitPlan = {
  train: ["train.tsv"],
  dev: { files: ["dev.tsv"], hub: "validation" },
  test: null,
};

type GlueTask = Pick<TaskDefinition, "name" | "description" | "layouts"> &
  Partial<Pick<TaskDefinition, "labels" | "metrics" | "f1Average" | "kind" | "skipsShortRows">> & {
    /** Name of the task's folder in the official archive. */
    readonly folder: string;
    readonly plan?: SplitPlan;
  };

function glueTask({ folder, plan = OFFICIAL, ...task }: GlueTask): TaskDefinition {
  const labels = task.labels ?? [];
  return {
    kind: "classification",
    metrics: ["accuracy"],
    ...task,
    labels,
    // The files spell some labels by number; the hub does so everywhere.
    spellings: Object.fromEntries(labels.map((label, index) => [String(index), label])),
    unlabelled: ["-", "-1", "-1.0"],
    syntax: "tsv",
    folders: [task.name, folder],
    official: plan,
    paper: plan,
    paperNote: "the official files",
  };
}

const ENTAILMENT = ["entailment", "not_entailment"];

/** Two texts and a label under the names that the official files and the hub give them; SetFit's copies say `text1`. */
function pairLayout(
  text: readonly string[],
  pair: readonly string[],
  label: readonly string[] = [],
): NamedLayout {
  return { header: true, text: [[...text, "text1"]], pair: [...pair, "text2"], label: [...label, "label"] };
}

export const cola = glueTask({
  name: "cola",
  folder: "CoLA",
  description: "Whether an English sentence is acceptable (GLUE)",
  labels: ["unacceptable", "acceptable"],
  metrics: ["matthews", "accuracy"],
  layouts: [
    { header: true, text: [["sentence", "text"]], label: ["label"] },
    // Source, label, the author's original mark, sentence.
    { header: false, columns: 4, label: 1, text: [3] },
  ],
});

export const sst2 = glueTask({
  name: "sst2",
  folder: "SST-2",
  description: "Whether a phrase of a film review is positive (GLUE)",
  labels: ["negative", "positive"],
  layouts: [{ header: true, text: [["sentence", "text"]], label: ["label"] }],
});

/** Microsoft's own files have train and dev in one, and the labels of test. */
export const mrpc = glueTask({
  name: "mrpc",
  folder: "MRPC",
  description: "Whether two sentences say the same (GLUE)",
  labels: ["not_equivalent", "equivalent"],
  metrics: ["accuracy", "f1"],
  f1Average: "binary",
  layouts: [
    {
      ...pairLayout(["#1 String", "sentence1"], ["#2 String", "sentence2"], ["Quality"]),
      id: ["#1 ID", "#2 ID"],
    },
  ],
  plan: {
    train: ["train.tsv", "msr_paraphrase_train.txt"],
    dev: { files: ["dev.tsv"], hub: "validation", heldOut: 0.1, ids: "dev_ids.tsv" },
    test: { files: ["msr_paraphrase_test.txt"], required: false },
  },
});

export const stsb = glueTask({
  name: "stsb",
  folder: "STS-B",
  description: "Similarity of two sentences, 0 to 5 (GLUE)",
  kind: "regression",
  metrics: ["pearson", "spearman"],
  layouts: [pairLayout(["sentence1"], ["sentence2"], ["score"])],
});

export const qqp = glueTask({
  name: "qqp",
  folder: "QQP",
  description: "Whether two questions ask the same (GLUE)",
  labels: ["not_duplicate", "duplicate"],
  metrics: ["accuracy", "f1"],
  f1Average: "binary",
  layouts: [pairLayout(["question1"], ["question2"], ["is_duplicate"])],
  skipsShortRows: true,
});

export const mnli = glueTask({
  name: "mnli",
  folder: "MNLI",
  description: "Whether a sentence follows from another, contradicts it, or neither (GLUE)",
  labels: ["entailment", "neutral", "contradiction"],
  layouts: [pairLayout(["sentence1", "premise"], ["sentence2", "hypothesis"], ["gold_label"])],
  plan: {
    train: ["train.tsv"],
    dev: { files: ["dev_matched.tsv", "dev_matched.jsonl"], hub: "validation_matched" },
    mismatched: { files: ["dev_mismatched.tsv", "dev_mismatched.jsonl"], hub: "validation_mismatched" },
    test: null,
  },
});

export const qnli = glueTask({
  name: "qnli",
  folder: "QNLI",
  description: "Whether a sentence answers a question (GLUE)",
  labels: ENTAILMENT,
  layouts: [pairLayout(["question"], ["sentence"])],
});

export const rte = glueTask({
  name: "rte",
  folder: "RTE",
  description: "Whether a sentence follows from a text (GLUE)",
  labels: ENTAILMENT,
  layouts: [pairLayout(["sentence1"], ["sentence2"])],
});

export const wnli = glueTask({
  name: "wnli",
  folder: "WNLI",
  description: "Whether a sentence with its pronoun replaced follows from the first (GLUE)",
  labels: ["not_entailment", "entailment"],
  layouts: [pairLayout(["sentence1"], ["sentence2"])],
});

/** In the order of the paper's Table 1. */
export const GLUE_TASKS = [cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli];
