/** Tokenizers of folders without `tokenizer.json`. Beside transformers' own on real text: test/reference. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "#dist/tokenizers/load.js";
import { type Files, folderOf } from "../datasets/temp-files.js";
import { expectError } from "../support/expect-error.js";

async function encoded(files: Files, text: string, pair?: string) {
  await using tokenizer = await loadTokenizer(await folderOf(files));
  return tokenizer.encode(text, pair);
}

describe("WordPiece", () => {
  const words = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "cafe",
    "##s",
    "Cafe",
    "café",
    "我",
    "们",
    "!",
    "[MASK]",
  ];
  const vocab = `${words.join("\n")}\n`;
  const config = (settings: object) => ({
    "vocab.txt": vocab,
    "tokenizer_config.json": JSON.stringify(settings),
  });

  it("lower-cases, strips accents and cuts Chinese by default, as BERT", async () => {
    expect(await encoded({ "vocab.txt": vocab }, "Cafés 我们!")).toEqual({
      ids: [2, 4, 5, 8, 9, 10, 3],
      typeIds: [0, 0, 0, 0, 0, 0, 0],
    });
  });

  it("marks the second text of a pair", async () => {
    expect(await encoded({ "vocab.txt": vocab }, "cafe", "我")).toEqual({
      ids: [2, 4, 3, 8, 3],
      typeIds: [0, 0, 0, 1, 1],
    });
  });

  it.each<[object, string, number[]]>([
    [{ do_lower_case: false }, "Cafe", [6]],
    [{ do_lower_case: false }, "café", [7]],
    [{ strip_accents: false }, "CAFÉ", [7]],
    [{ do_lower_case: false, strip_accents: true }, "café", [4]],
    [{ tokenize_chinese_chars: false }, "我们", [1]],
  ])("follows %o", async (settings, text, ids) => {
    expect((await encoded(config(settings), text)).ids).toEqual([2, ...ids, 3]);
  });

  it("takes names of special tokens from special_tokens_map.json, and further tokens from added_tokens.json", async () => {
    const files = {
      "vocab.txt": "<u>\n<p>\n<c>\n<s>\na\n",
      "special_tokens_map.json": JSON.stringify({
        pad_token: "<p>",
        unk_token: { content: "<u>" },
        cls_token: "<c>",
        sep_token: "<s>",
      }),
      "added_tokens.json": JSON.stringify({ "[new]": 5 }),
    };
    await using tokenizer = await loadTokenizer(await folderOf(files));
    expect(tokenizer.encode("a [new] b").ids).toEqual([2, 4, 5, 0, 3]);
    expect(tokenizer.paddingId).toBe(1);
  });

  it("reads a vocabulary with CRLF, and one whose last line has no end", async () => {
    expect((await encoded({ "vocab.txt": words.join("\r\n") }, "cafe!")).ids).toEqual([2, 4, 10, 3]);
  });

  it("gives a model folder a tokenizer.json that gives the same ids", async () => {
    await using made = await loadTokenizer(await folderOf(config({ do_lower_case: false })));
    await using again = await loadTokenizer(await folderOf(made.files()));
    expect(again.encode("Cafe 我x", "café")).toEqual(made.encode("Cafe 我x", "café"));
    expect(Object.keys(made.files()).sort()).toEqual(["tokenizer.json", "tokenizer_config.json"]);
  });

  it("prefers tokenizer.json", async () => {
    await using made = await loadTokenizer(await folderOf({ "vocab.txt": vocab }));
    expect((await encoded({ ...made.files(), "vocab.txt": "x\n" }, "cafe")).ids).toEqual([2, 4, 3]);
  });

  it("bad call - a vocabulary without [CLS]", async () => {
    const folder = await folderOf({ "vocab.txt": "[PAD]\n[UNK]\n[SEP]\na\n" });
    await expectError(() => loadTokenizer(folder), "ERR_RAT_TOKENIZER_INVALID", /vocab\.txt has no \[CLS\]/);
  });

  it("bad call - a vocabulary that is not UTF-8", async () => {
    const folder = await folderOf({ "vocab.txt": Buffer.from([0xff, 0xfe, 0x0a]) });
    await expectError(() => loadTokenizer(folder), "ERR_RAT_TOKENIZER_INVALID", /UTF-8/);
  });
});

describe("byte-level BPE", () => {
  const tokens = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "ab", "Ġa", "Ġab", "<mask>"];
  const files = {
    "vocab.json": JSON.stringify(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    "merges.txt": "#version: 0.2\na b\nĠ a\nĠ ab\n",
  };

  it("puts RoBERTa's special tokens around a text and a pair, all of one segment", async () => {
    expect(await encoded(files, "ab ab")).toEqual({ ids: [0, 7, 9, 2], typeIds: [0, 0, 0, 0] });
    expect((await encoded(files, "ab", "ab")).ids).toEqual([0, 7, 2, 2, 7, 2]);
  });

  it("begins with a blank where the settings ask for it", async () => {
    const settings = { "tokenizer_config.json": JSON.stringify({ add_prefix_space: true }) };
    expect((await encoded({ ...files, ...settings }, "ab")).ids).toEqual([0, 9, 2]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["no JSON", { "vocab.json": "{" }, "not JSON"],
    ["a list", { "vocab.json": "[1]" }, "map tokens to ids"],
    ["merges of three tokens", { "merges.txt": "a b c\n" }, "merge 1"],
    [
      "no special tokens",
      { "vocab.json": '{"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġa": 4, "Ġab": 5}' },
      "no </s>",
    ],
  ])("bad call - %s", async (_, damage, message) => {
    await expectError(
      async () => loadTokenizer(await folderOf({ ...files, ...damage })),
      "ERR_RAT_TOKENIZER_INVALID",
      new RegExp(message),
    );
  });
});

describe("SentencePiece", () => {
  const CONTROL = 3;
  const UNKNOWN = 2;
  const DEFINED = 4;

  /** A `ModelProto` with these pieces. */
  function model(pieces: readonly (readonly [string, number, number?])[], type = 1): Uint8Array {
    const writer = new BinaryWriter();
    for (const [text, score, kind] of pieces) {
      writer.tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(text).tag(2, WireType.Bit32).float(score);
      if (kind !== undefined) writer.tag(3, WireType.Varint).int32(kind);
      writer.join();
    }
    writer.tag(2, WireType.LengthDelimited).fork().tag(3, WireType.Varint).int32(type).join();
    return writer.finish();
  }

  const albert = model([
    ["<pad>", 0, CONTROL],
    ["<unk>", 0, UNKNOWN],
    ["[CLS]", 0, CONTROL],
    ["[SEP]", 0, CONTROL],
    ["[MASK]", 0, CONTROL],
    ["(", 0, DEFINED],
    ["▁cafe", -1],
    ["▁", -2],
    ["s", -3],
    ['▁"', -3],
  ]);
  const plain = model([
    ["<unk>", 0, UNKNOWN],
    ["<s>", 0, CONTROL],
    ["</s>", 0, CONTROL],
    ["▁Cafe", -1],
    ["s", -2],
  ]);

  it("reads ALBERT's: lower-cased, without accents, quotes made alike", async () => {
    expect(await encoded({ "spiece.model": albert }, "Cafés", "``")).toEqual({
      ids: [2, 6, 8, 3, 9, 3],
      typeIds: [0, 0, 0, 0, 1, 1],
    });
    expect((await encoded({ "spiece.model": albert }, "cafe (")).ids).toEqual([2, 6, 5, 3]);
  });

  it("numbers pieces as XLM-RoBERTa does", async () => {
    const files = { "sentencepiece.bpe.model": plain };
    expect((await encoded(files, "Cafes", "Cafe")).ids).toEqual([0, 4, 5, 2, 2, 4, 2]);
    expect((await encoded(files, "zzz")).ids).toContain(3);
  });

  it("numbers pieces as CamemBERT does where config.json says so", async () => {
    const files = { "sentencepiece.bpe.model": plain, "config.json": '{"model_type": "camembert"}' };
    await using tokenizer = await loadTokenizer(await folderOf(files));
    const [bos, eos] = [tokenizer.tokenToId("<s>"), tokenizer.tokenToId("</s>")];
    expect(tokenizer.tokenToId("<s>NOTUSED")).toBe(0);
    expect(tokenizer.encode("Cafes").ids).toEqual([
      bos,
      tokenizer.tokenToId("▁Cafe"),
      tokenizer.tokenToId("s"),
      eos,
    ]);
  });

  it.each<[string, Uint8Array, string]>([
    ["a model that is cut short", albert.subarray(0, 40), "spiece.model"],
    ["a model of another kind", model([["a", 0]], 2), "no Unigram model"],
    ["an empty file", new Uint8Array(), "no pieces"],
    [
      "no special tokens",
      model([
        ["▁a", 0],
        ["<unk>", 0, UNKNOWN],
      ]),
      "no \\[CLS\\]",
    ],
    ["text", Buffer.from("this is no protobuf at all, but text"), "spiece.model"],
  ])("bad call - %s", async (_, bytes, message) => {
    await expectError(
      async () => loadTokenizer(await folderOf({ "spiece.model": bytes })),
      "ERR_RAT_TOKENIZER_INVALID",
      new RegExp(message),
    );
  });
});

it("bad call - a folder with no tokenizer at all", async () => {
  await expectError(
    async () => loadTokenizer(await folderOf({ "vocab.json": "{}" })),
    "ERR_RAT_PATH",
    /merges\.txt/,
  );
});
