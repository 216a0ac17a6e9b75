/** Tokenizers from folders: our own, those of other models, and damaged ones. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import { expectError } from "../support/expect-error.js";

let root: string;
let folders = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "rat-tokenizer-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = join(root, String(folders++));
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

const special = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
const addedToken = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** A small tokenizer in the manner of BERT: WordPiece, [CLS] and [SEP] around, segments 0 and 1. */
const BERT = {
  version: "1.0",
  truncation: { direction: "Right", max_length: 3, strategy: "LongestFirst", stride: 0 },
  padding: {
    strategy: { Fixed: 16 },
    direction: "Right",
    pad_to_multiple_of: null,
    pad_id: 3,
    pad_type_id: 0,
    pad_token: "[PAD]",
  },
  added_tokens: [
    addedToken(0, "[CLS]"),
    addedToken(1, "[SEP]"),
    addedToken(2, "[UNK]"),
    addedToken(3, "[PAD]"),
  ],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)],
    pair: [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [0], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [1], tokens: ["[SEP]"] },
    },
  },
  decoder: null,
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "[PAD]": 3, film: 4, "##s": 5, great: 6, a: 7 },
  },
};

/** The plainest tokenizer there is: words between spaces, no post-processor. */
const PLAIN = {
  version: "1.0",
  added_tokens: [] as object[],
  normalizer: null as object | null,
  pre_tokenizer: { type: "WhitespaceSplit" } as object,
  post_processor: null as object | null,
  model: { type: "WordLevel", vocab: { "<unk>": 0, "<pad>": 1, a: 2, b: 3 } as object, unk_token: "<unk>" },
};

describe("a tokenizer that was trained and saved", () => {
  it.each(["default", "jieba"] as const)("comes back the same (%s)", async (segmenter) => {
    await using trained = await trainTokenizer([{ text: "a great film 清华大学 北京" }], { segmenter });
    await using loaded = await loadTokenizer(await folderWith(trained.files()));
    expect(loaded.files()).toEqual(trained.files());
    expect(loaded.vocabularySize).toBe(trained.vocabularySize);
    expect(loaded.paddingId).toBe(0);
    for (const text of ["a film", "来到北京清华大学", "", "[PAD]"]) {
      expect(loaded.encode(text)).toEqual(trained.encode(text));
      expect(loaded.encode(text, "great")).toEqual(trained.encode(text, "great"));
    }
  });
});

describe("the tokenizer of another model", () => {
  it("runs its own post-processor and neither truncates nor pads by itself", async () => {
    await using bert = await loadTokenizer(await folderWith({ "tokenizer.json": JSON.stringify(BERT) }));
    expect(bert.encode("Great films, a film")).toEqual({
      ids: [0, 6, 4, 5, 2, 7, 4, 1],
      typeIds: [0, 0, 0, 0, 0, 0, 0, 0],
    });
    expect(bert.encode("a film", "films")).toEqual({
      ids: [0, 7, 4, 1, 4, 5, 1],
      typeIds: [0, 0, 0, 0, 1, 1, 1],
    });
    expect(bert.encode("").ids).toEqual([0, 1]);
    expect(bert).toMatchObject({ vocabularySize: 8, paddingId: 3 });
  });

  it("truncates beside its special tokens, and returns the segments", async () => {
    await using bert = await loadTokenizer(await folderWith({ "tokenizer.json": JSON.stringify(BERT) }));
    const texts = [{ text: "a a a a a a" }, { text: "a a", pair: "film film film film" }, { text: "a a" }];
    const packed = await bert.encodeAll(texts, { maxLength: 6 });
    expect(Array.from(packed.starts)).toEqual([0, 6, 12, 16]);
    expect(Array.from(packed.tokens)).toEqual([0, 7, 7, 7, 7, 1, 0, 7, 1, 4, 4, 1, 0, 7, 7, 1]);
    expect(Array.from(packed.tokenTypes ?? [])).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]);
    expect(packed.truncated).toBe(2);
  });

  it("marks the second text where there is no post-processor, as the library does", async () => {
    await using plain = await loadTokenizer(await folderWith({ "tokenizer.json": JSON.stringify(PLAIN) }));
    expect(plain.encode("a b", "a")).toEqual({ ids: [2, 3, 2], typeIds: [0, 0, 1] });
    expect(plain.encode("").ids).toEqual([0]);
  });

  it.each<[what: string, config: string | undefined, id: number]>([
    ["<pad> of the vocabulary", undefined, 1],
    ["pad_token of the configuration", '{"pad_token":"b"}', 3],
    ["pad_token as an object", '{"pad_token":{"content":"a"}}', 2],
    ["<pad> if pad_token is not in the vocabulary", '{"pad_token":"[PAD]"}', 1],
  ])("pads with %s", async (_, config, id) => {
    const files = {
      "tokenizer.json": JSON.stringify(PLAIN),
      ...(config && { "tokenizer_config.json": config }),
    };
    await using tokenizer = await loadTokenizer(await folderWith(files));
    expect(tokenizer.paddingId).toBe(id);
  });

  it("pads with 0 where the vocabulary has no padding, and counts ids with gaps", async () => {
    const model = { ...PLAIN.model, vocab: { "<unk>": 0, a: 9 } };
    const json = JSON.stringify({ ...PLAIN, model });
    await using tokenizer = await loadTokenizer(await folderWith({ "tokenizer.json": json }));
    expect(tokenizer).toMatchObject({ paddingId: 0, vocabularySize: 10 });
  });
});

describe("loadTokenizer", () => {
  it("bad call - a folder that does not exist", async () => {
    await expectError(() => loadTokenizer(join(root, "nowhere")), "ERR_RAT_PATH", /does not exist/);
  });

  it("bad call - a file instead of a folder", async () => {
    const file = join(await folderWith({ "tokenizer.json": "{}" }), "tokenizer.json");
    await expectError(() => loadTokenizer(file), "ERR_RAT_PATH", /not a folder/);
  });

  it("bad call - a folder without a tokenizer", async () => {
    await expectError(async () => loadTokenizer(await folderWith({})), "ERR_RAT_PATH", /no tokenizer\.json/);
  });

  it("bad call - a folder with only a vocab.txt that is none", async () => {
    const folder = await folderWith({ "vocab.txt": "[PAD]\n" });
    await expectError(() => loadTokenizer(folder), "ERR_RAT_TOKENIZER_INVALID", /vocab\.txt has no \[UNK\]/);
  });

  it.each([undefined, "", 5])("bad call - %s for the folder", async (folder) => {
    await expectError(() => loadTokenizer(folder as string), "ERR_RAT_INVALID_ARG", /a path for folder/);
  });

  const template = (single: object[], tokens: object) => ({
    post_processor: { type: "TemplateProcessing", single, pair: [], special_tokens: tokens },
  });
  it.each<[what: string, json: string | Uint8Array, words: RegExp]>([
    ["an empty file", "", /JSON/],
    ["half a file", JSON.stringify(BERT).slice(0, 200), /JSON/],
    ["bytes that are no UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), /UTF-8/],
    ["an object without a model", "{}", /no model/],
    ["a list", "[]", /no model/],
    ["a model of another kind", JSON.stringify({ ...PLAIN, model: { type: "Oracle" } }), /ModelUntagged/],
    ["an empty vocabulary", JSON.stringify({ ...PLAIN, model: { ...PLAIN.model, vocab: {} } }), /empty/],
    ["a negative id", JSON.stringify({ ...PLAIN, model: { ...PLAIN.model, vocab: { "<unk>": -1 } } }), /-1/],
    [
      "an id that would need gigabytes",
      JSON.stringify({ ...PLAIN, model: { ...PLAIN.model, vocab: { "<unk>": 4_000_000_000 } } }),
      /too large/,
    ],
    [
      "a vocabulary without its unknown token",
      JSON.stringify({ ...PLAIN, model: { ...PLAIN.model, vocab: { b: 0 } } }),
      /unk/i,
    ],
    [
      "a template with a token that is not defined",
      JSON.stringify({ ...PLAIN, ...template([special("[X]", 0)], {}) }),
      /special_tokens/,
    ],
    [
      "a template that adds an id outside the vocabulary",
      JSON.stringify({
        ...PLAIN,
        ...template([special("[X]", 0)], { "[X]": { id: "[X]", ids: [77], tokens: ["[X]"] } }),
      }),
      /77/,
    ],
    [
      "a damaged character map",
      JSON.stringify({ ...PLAIN, normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }),
      /charsmap/,
    ],
    [
      "a damaged character map inside a sequence",
      JSON.stringify({
        ...PLAIN,
        normalizer: { type: "Sequence", normalizers: [{ type: "Precompiled", precompiled_charsmap: null }] },
      }),
      /charsmap/,
    ],
    [
      "a pattern that is no regular expression",
      JSON.stringify({
        ...PLAIN,
        pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated", invert: false },
      }),
      /parenthesis/,
    ],
  ])("bad call - %s", async (_, json, words) => {
    const folder = await folderWith({ "tokenizer.json": json });
    await expectError(() => loadTokenizer(folder), "ERR_RAT_TOKENIZER_INVALID", words);
  });

  it.each<[what: string, config: string, words: RegExp]>([
    ["that is no JSON", "{", /not JSON/],
    ["that is a list", "[]", /not a JSON object/],
    ["with an unknown segmenter", '{"segmenter":"mecab"}', /"mecab".*default, jieba/],
  ])("bad call - a configuration %s", async (_, config, words) => {
    const folder = await folderWith({
      "tokenizer.json": JSON.stringify(PLAIN),
      "tokenizer_config.json": config,
    });
    await expectError(() => loadTokenizer(folder), "ERR_RAT_TOKENIZER_INVALID", words);
  });
});
