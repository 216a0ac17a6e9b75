/**
 * TNEWS and IFLYTEK of the CLUE benchmark (Xu et al., 2020): JSON lines. Classes are named by their codes. The labels of
 * the test files are not public, so the official dev set serves as test, and dev is held out of train.
 */
import { HELD_OUT, type SplitPlan, type TaskDefinition } from "./definition.js";

const OFFICIAL: SplitPlan = {
  train: ["train.json"],
  dev: { files: [], heldOut: HELD_OUT },
  test: { files: ["dev.json"], hub: "validation", required: true },
};

/** Assumed: the usual way to report CLUE, where the best model is chosen on the dev rows that are reported. */
const PAPER: SplitPlan = { ...OFFICIAL, dev: { files: ["dev.json"], hub: "validation" } };

function clueTask(
  name: string,
  description: string,
  labels: readonly string[],
  paperNote: string,
): TaskDefinition {
  return {
    name,
    description,
    kind: "classification",
    labels,
    metrics: ["accuracy"],
    syntax: "jsonl",
    layouts: [{ header: true, text: [["sentence"]], label: ["label"] }],
    folders: [name, `${name}_public`],
    official: OFFICIAL,
    paper: PAPER,
    paperNote,
  };
}

/** 100 to 116; 105 and 111 do not exist. */
const TNEWS_CODES = [100, 101, 102, 103, 104, 106, 107, 108, 109, 110, 112, 113, 114, 115, 116];

export const tnews = clueTask(
  "tnews",
  "Chinese news titles in 15 categories (CLUE)",
  TNEWS_CODES.map(String),
  "53,360 / 10,000 / 10,000: all of train; the official dev set is dev and test at once (assumed)",
);

export const iflytek = clueTask(
  "iflytek",
  "Chinese app descriptions in 119 categories (CLUE)",
  Array.from({ length: 119 }, (_, code) => String(code)),
  "12,133 / 2,599 / 2,599: all of train; the official dev set is dev and test at once (assumed)",
);
