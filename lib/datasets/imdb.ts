/**
 * IMDB, the Large Movie Review Dataset (Maas et al., 2011): the `aclImdb` folder as it is published, or CSV files with a
 * text and a label column.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { formatError, pathError } from "./data-error.js";
import { HELD_OUT, type SplitPlan, type TaskDefinition } from "./definition.js";
import type { RawExample } from "./layout.js";
import { type ReadOptions, readBlocks } from "./text-file.js";

const OFFICIAL: SplitPlan = {
  train: ["train/", "train.csv"],
  dev: { files: [], heldOut: HELD_OUT },
  test: { files: ["test/", "test.csv"], hub: "test", required: true },
};

export const imdb: TaskDefinition = {
  name: "imdb",
  description: "Movie reviews, negative or positive (Maas et al., 2011)",
  kind: "classification",
  labels: ["negative", "positive"],
  spellings: { 0: "negative", 1: "positive", neg: "negative", pos: "positive" },
  metrics: ["accuracy"],
  syntax: "csv",
  layouts: [{ header: true, text: [["text", "review"]], label: ["label", "sentiment"] }],
  folders: ["imdb", "aclImdb", join("imdb", "aclImdb")],
  official: OFFICIAL,
  paper: { ...OFFICIAL, dev: { files: [], heldOut: 0.2 } },
  paperNote: "20,000 / 5,000 / 25,000: a stratified fifth of train is dev (assumed)",
  readFolder: readReviewFolder,
};

/** Files read at once: enough to hide the latency of 25,000 small files, few enough for any limit on open ones. */
const PARALLEL_FILES = 32;

/**
 * The reviews of `pos/` and `neg/` in the order of their ids, positive and negative in turn: any head of the rows is
 * balanced.
 */
async function* readReviewFolder(folder: string, options: ReadOptions): AsyncGenerator<RawExample> {
  const [positive, negative] = await Promise.all([listReviews(folder, "pos"), listReviews(folder, "neg")]);
  const reviews: ReviewFile[] = [];
  for (let i = 0; i < Math.max(positive.length, negative.length); i++) {
    for (const review of [positive[i], negative[i]]) if (review) reviews.push(review);
  }
  for (let start = 0; start < reviews.length; start += PARALLEL_FILES) {
    const window = reviews.slice(start, start + PARALLEL_FILES);
    yield* await Promise.all(window.map((review) => readReview(review, options)));
  }
}

interface ReviewFile {
  readonly path: string;
  readonly id: number;
  readonly label: "pos" | "neg";
}

/** The files `<id>_<rating>.txt` of one class by id; other files are not reviews. */
async function listReviews(folder: string, label: "pos" | "neg"): Promise<ReviewFile[]> {
  const directory = join(folder, label);
  const names = await readdir(directory).catch((error: unknown) => {
    throw pathError(error, directory);
  });
  return names
    .filter((name) => name.endsWith(".txt"))
    .map((name) => {
      const id = /^(\d+)_\d+\.txt$/.exec(name)?.[1];
      const path = join(directory, name);
      if (id === undefined) {
        throw formatError(
          { file: path, line: 1 },
          "reviews are named <id>_<rating>.txt; move other files away",
        );
      }
      return { path, id: Number(id), label };
    })
    .sort((a, b) => a.id - b.id || (a.path < b.path ? -1 : 1));
}

async function readReview({ path, label }: ReviewFile, options: ReadOptions): Promise<RawExample> {
  let text = "";
  for await (const block of readBlocks(path, options)) text += block.bytes.toString("utf8");
  return { text, label, file: path, line: 1 };
}
