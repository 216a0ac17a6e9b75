/** What cuts a text into words before the tokenizer sees it: nothing, or jieba for Chinese. */
import { createRequire } from "node:module";

/** `default`: the tokenizer's own rules (Chinese by characters). `jieba`: Chinese by words. */
export type Segmenter = "default" | "jieba";

export const SEGMENTERS: readonly Segmenter[] = ["default", "jieba"];

/**
 * The function that puts spaces between the words of a text. Loading jieba's dictionary takes 150 ms, so this is called
 * in worker threads only.
 */
export function createSegmenter(segmenter: Segmenter): (text: string) => string {
  if (segmenter === "default") return (text) => text;
  const require = createRequire(import.meta.url);
  const { Jieba } = require("@node-rs/jieba") as typeof import("@node-rs/jieba");
  const { dict } = require("@node-rs/jieba/dict.js") as typeof import("@node-rs/jieba/dict.js");
  const jieba = Jieba.withDict(dict);
  // With its hidden Markov model for words outside the dictionary, as jieba.cut in Python does by default.
  return (text) => jieba.cut(text, true).join(" ");
}
