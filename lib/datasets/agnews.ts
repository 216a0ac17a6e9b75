/** AG News as Zhang et al. (2015) published it: CSV without a header: class 1 to 4, title, description. */
import { HELD_OUT, type SplitPlan, type TaskDefinition } from "./definition.js";

const OFFICIAL: SplitPlan = {
  train: ["train.csv"],
  dev: { files: [], heldOut: HELD_OUT },
  test: { files: ["test.csv"], hub: "test", required: true },
};

const LABELS = ["World", "Sports", "Business", "Sci/Tech"];

export const agnews: TaskDefinition = {
  name: "agnews",
  description: "News in four topics (Zhang et al., 2015); text = title + description",
  kind: "classification",
  labels: LABELS,
  spellings: { 1: "World", 2: "Sports", 3: "Business", 4: "Sci/Tech" },
  metrics: ["accuracy"],
  syntax: "csv",
  layouts: [
    { header: false, columns: 3, label: 0, text: [1, 2] },
    { header: false, columns: 2, text: [0, 1] },
    // As the hub has it, whose classes count from 0.
    { header: true, text: [["text"]], label: ["label"], classes: LABELS },
  ],
  folders: ["agnews", "ag_news", "ag_news_csv"],
  official: OFFICIAL,
  paper: { ...OFFICIAL, dev: { files: [], heldOut: 1 / 12 } },
  paperNote: "110,000 / 10,000 / 7,600: a stratified twelfth of train is dev (assumed)",
};
