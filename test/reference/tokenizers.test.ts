/**
 * Tokenizers of vocabulary files beside those that transformers makes of the same files: ids, segments and truncation on
 * real text. The published vocabularies lie beside the repository, if at all; small SentencePiece models are trained here.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readExamples } from "#dist/datasets/read-examples.js";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { loadBrown } from "../../benchmarks/quickstart/brown.js";
import { hasModule, python } from "./python.js";

const shared = join(import.meta.dirname, "../../../shared");
const published = join(shared, "tokenizers");
if (!existsSync(published)) console.warn(`${published} is absent: published vocabularies are not compared`);
const hasSentencePiece = hasModule("sentencepiece, google.protobuf");
if (!hasSentencePiece) console.warn("the Python has no sentencepiece: SentencePiece models are not compared");

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "rat-tokenizers-"));
});
afterAll(() => rmSync(root, { recursive: true }));

type Row = readonly [text: string, pair: string | null];

/** Texts and pairs of the real tasks, else of the Brown Corpus; with what breaks tokenizers. */
async function realRows(count: number): Promise<Row[]> {
  const strange: Row[] = [
    "",
    " ",
    "  a  b ",
    "\t\n",
    "naïve CAFÉ ﬁ ½ Ⅻ",
    "我们 are 一样",
    "🙂 zero\u200Bwidth",
    "a\u0301\u0000b",
    "[CLS] [MASK] <s>",
    "``x'' (y) - z.",
    "x".repeat(300),
    "İstanbul ß ſ",
  ].flatMap((text): Row[] => [
    [text, null],
    [text, "b"],
    ["a", text],
  ]);
  const rows: Row[] = [];
  const files = [
    ["mrpc", "mrpc/dev.tsv"],
    ["rte", "rte/dev.tsv"],
    ["stsb", "stsb/dev.tsv"],
    ["cola", "cola/dev.tsv"],
    ["sst2", "sst2/train.tsv.gz"],
    ["tnews", "tnews/dev.json.gz"],
  ] as const;
  for (const [task, file] of files) {
    const path = join(shared, "data", file);
    if (!existsSync(path)) continue;
    const examples = await readExamples(path, { task, labelMode: "ignored" });
    for (const { text, pair } of examples.slice(0, count / files.length + 500))
      rows.push([text, pair ?? null]);
  }
  if (rows.length < count) for (const { text } of loadBrown(count).train) rows.push([text, null]);
  return [...strange, ...rows.slice(0, count)];
}

/** Compares a folder's tokenizer with transformers' of the same folder. */
async function expectSame(
  folder: string,
  family: string,
  settings: object,
  rows: readonly Row[],
): Promise<void> {
  if (Object.keys(settings).length > 0)
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(settings));
  await using tokenizer = await loadTokenizer(folder);
  // Few texts are longer than 128 tokens; the strange ones and the first thousands will do for other limits.
  const cases = [128, null, 16].map((maxLength, i) => ({
    texts: i === 0 ? rows : rows.slice(0, 2_500),
    maxLength,
  }));
  const input = [{ folder, family, settings }, ...cases].map((line) => JSON.stringify(line)).join("\n");
  const answers = python("encode_texts.py", [], `${input}\n`).trim().split("\n");
  for (const [i, { texts: given, maxLength }] of cases.entries()) {
    const expected = JSON.parse(answers[i] ?? "{}") as { ids: number[][]; typeIds: number[][] };
    const texts = given.map(([text, pair]) => (pair === null ? { text } : { text, pair }));
    const packed = await tokenizer.encodeAll(texts, { maxLength: maxLength ?? 100_000 });
    const different = given.flatMap((row, at) => {
      const [from, to] = [packed.starts[at] ?? 0, packed.starts[at + 1] ?? 0];
      const ids = [...packed.tokens.subarray(from, to)];
      const types = packed.tokenTypes ? [...packed.tokenTypes.subarray(from, to)] : ids.map(() => 0);
      const isSame = ids.join() === expected.ids[at]?.join() && types.join() === expected.typeIds[at]?.join();
      return isSame ? [] : [{ row, ids, expected: expected.ids[at], types, typeIds: expected.typeIds[at] }];
    });
    expect(different.slice(0, 3)).toEqual([]);
  }
}

describe.runIf(existsSync(published))("published vocabularies", { timeout: 600_000 }, () => {
  test.for<[string, string, object]>([
    ["bert-base-uncased", "bert", {}],
    ["bert-base-cased", "bert", { do_lower_case: false }],
    ["bert-base-chinese", "bert", {}],
    ["roberta-base", "roberta", {}],
    ["albert-base-v2", "albert", {}],
  ])("%s", async ([name, family, settings], { skip }) => {
    skip(name.startsWith("albert") && !hasSentencePiece, "the Python reads no SentencePiece models");
    const folder = join(root, name);
    cpSync(join(published, name), folder, { recursive: true });
    await expectSame(folder, family, settings, await realRows(10_000));
  });
});

describe("vocabularies with other settings", { timeout: 300_000 }, () => {
  test.each<[object]>([
    [{ do_lower_case: true, strip_accents: false }],
    [{ do_lower_case: false, strip_accents: true, tokenize_chinese_chars: false }],
  ])("WordPiece with %o", async (settings) => {
    const folder = join(root, `wordpiece-${JSON.stringify(settings).length}`);
    mkdirSync(folder);
    const rows = await realRows(500);
    const characters = [...new Set(rows.flatMap(([text]) => [...text]))].filter((each) => each.trim() !== "");
    const words = [...characters, ...characters.map((each) => `##${each}`), "the", "##s", "of"];
    writeFileSync(
      join(folder, "vocab.txt"),
      [...["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], ...words].join("\n"),
    );
    await expectSame(folder, "bert", settings, rows);
  });
});

describe.runIf(hasSentencePiece)("SentencePiece models", { timeout: 300_000 }, () => {
  test.each<[string, string, string, object]>([
    ["albert", "spiece.model", "albert", {}],
    ["albert", "spiece.model", "albert", { do_lower_case: false, keep_accents: true }],
    ["xlm-roberta", "sentencepiece.bpe.model", "plain", {}],
    ["camembert", "sentencepiece.bpe.model", "plain", {}],
  ])("%s, %s of %s with %o", async (family, file, kind, settings) => {
    const folder = join(root, `${family}-${JSON.stringify(settings).length}`);
    mkdirSync(folder);
    const text = loadBrown(1_000).train.map((example) => example.text);
    python("sentencepiece_model.py", [join(folder, file), kind], text.join("\n"));
    writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: family }));
    await expectSame(folder, family, settings, await realRows(2_000));
    expect(readFileSync(join(folder, file)).length).toBeGreaterThan(10_000);
  });
});
