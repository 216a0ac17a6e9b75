/** Vocabularies made from text: which ids which text gets, and that the same text makes the same file. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tokenizer } from "#dist/tokenizers/types.js";
import { SPECIAL_TOKENS, trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import { expectError } from "../support/expect-error.js";

/** Words and how often each occurs, most frequent first. */
function textOf(words: readonly string[]): { text: string }[] {
  return words.map((word, index) => ({ text: `${word} `.repeat(words.length - index) }));
}

const WORDS = [
  "the",
  "film",
  "great",
  "!",
  "'",
  "don",
  "t",
  "好",
  "电",
  "影",
  "😀",
  "café",
  "ß",
  "[",
  "]",
  "-",
  "pad",
  "2024",
];

function idOf(word: string): number {
  return WORDS.indexOf(word) < 0 ? 1 : WORDS.indexOf(word) + 3;
}

async function withTokenizer<T>(made: Promise<Tokenizer>, use: (tokenizer: Tokenizer) => T): Promise<T> {
  const tokenizer = await made;
  try {
    return use(tokenizer);
  } finally {
    await tokenizer.dispose();
  }
}

describe("a vocabulary of known words", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await trainTokenizer(textOf(WORDS));
  });
  afterAll(() => tokenizer.dispose());

  it("puts special tokens first, then words by falling count", () => {
    expect(tokenizer.vocabularySize).toBe(WORDS.length + 3);
    expect(tokenizer.paddingId).toBe(0);
    expect(SPECIAL_TOKENS.map((token) => tokenizer.tokenToId(token))).toEqual([0, 1, 2]);
    expect(WORDS.map((word) => tokenizer.tokenToId(word))).toEqual(WORDS.map(idOf));
    expect(tokenizer.tokenToId("nowhere")).toBeUndefined();
    expect(tokenizer.tokenToId("constructor")).toBeUndefined();
  });

  it.each<[name: string, text: string, words: string[]]>([
    ["English", "The GREAT film", ["the", "great", "film"]],
    ["punctuation", "great!film's", ["great", "!", "film", "'", "s"]],
    ["an apostrophe", "Don't", ["don", "'", "t"]],
    ["a hyphen", "film-2024", ["film", "-", "2024"]],
    ["Chinese by characters", "好电影", ["好", "电", "影"]],
    ["unknown Chinese characters", "坏电影", ["坏", "电", "影"]],
    ["mixed text", "好film电影great", ["好", "film", "电", "影", "great"]],
    ["emoji", "film 😀", ["film", "😀"]],
    ["an emoji that sticks to a word", "film😀", ["film😀"]],
    ["accents, which are kept", "Café CAFÉ cafe", ["café", "café", "cafe"]],
    ["letters without a capital", "ß", ["ß"]],
    ["full-width punctuation", "好！电", ["好", "！", "电"]],
    ["white space of all kinds", " \t film\u00a0\u3000\r\n great ", ["film", "great"]],
    ["control characters, which vanish", "fi\u0000l\u200bm", ["film"]],
    ["what looks like padding", "[PAD]", ["[", "pad", "]"]],
    [
      "what looks like special tokens",
      "the [SEP] [UNK] film",
      ["the", "[", "sep", "]", "[", "unk", "]", "film"],
    ],
    ["a lone surrogate", "film \ud83d", ["film"]],
  ])("encodes %s", (_, text, words) => {
    const encoded = tokenizer.encode(text);
    expect(encoded.ids).toEqual(words.map(idOf));
    expect(encoded.typeIds).toEqual(words.map(() => 0));
  });

  it.each(["", " ", "\t\n\u3000", "\u0000"])("encodes %j as one unknown token", (text) => {
    expect(tokenizer.encode(text)).toEqual({ ids: [1], typeIds: [0] });
  });

  it("joins a pair by the separator, all of segment 0", () => {
    expect(tokenizer.encode("the film", "great!")).toEqual({
      ids: [idOf("the"), idOf("film"), 2, idOf("great"), idOf("!")],
      typeIds: [0, 0, 0, 0, 0],
    });
    expect(tokenizer.encode("film", "").ids).toEqual([idOf("film"), 2]);
    expect(tokenizer.encode("", "film").ids).toEqual([2, idOf("film")]);
    expect(tokenizer.encode("", "").ids).toEqual([2]);
  });

  it("never gives a special id to a text, whatever it contains", () => {
    const piece = fc.oneof(
      fc.constantFrom("[PAD]", "[SEP]", "[", "]", "PAD", "\u0000", " ", "\u200b", "film"),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const { ids } = tokenizer.encode(pieces.join(""));
        expect(ids.includes(0) || ids.includes(2)).toBe(false);
      }),
    );
  });

  it("looks tokens up in its worker, all at once", async () => {
    const tokens = [...SPECIAL_TOKENS, ...WORDS, "nowhere", "", "__proto__", "constructor"];
    const ids = tokens.map((token) => tokenizer.tokenToId(token) ?? -1);
    expect([...(await tokenizer.tokensToIds(tokens))]).toEqual(ids);
    expect(await tokenizer.tokensToIds([])).toEqual(new Int32Array());
  });

  it("bad call - tokensToIds of what is no list of tokens", async () => {
    for (const tokens of ["the", null, ["the", 3]]) {
      await expectError(() => tokenizer.tokensToIds(tokens as string[]), "ERR_RAT_INVALID_ARG", /tokens/);
    }
  });

  it("bad call - encode and tokenToId of what is not text", async () => {
    await expectError(
      () => tokenizer.encode(5 as unknown as string),
      "ERR_RAT_INVALID_ARG",
      /string for text/,
    );
    await expectError(
      () => tokenizer.encode("a", null as unknown as string),
      "ERR_RAT_INVALID_ARG",
      /string for pair/,
    );
    await expectError(() => tokenizer.tokenToId(3 as unknown as string), "ERR_RAT_INVALID_ARG", /token/);
  });
});

describe("trainTokenizer", () => {
  const vocabularyOf = (made: ReturnType<typeof trainTokenizer>) =>
    withTokenizer(made, (tokenizer): string[] => {
      const { model } = JSON.parse(tokenizer.files()["tokenizer.json"] ?? "");
      const entries = Object.entries<number>(model.vocab).sort(([, a], [, b]) => a - b);
      return entries.map(([word]) => word).slice(3);
    });

  it("breaks ties by code point", async () => {
    // UTF-16 units would put the emoji (d83d ...) before the full-width comma (ff0c).
    expect(await vocabularyOf(trainTokenizer([{ text: "b 😀 ， a 中 10 9" }]))).toEqual([
      "10",
      "9",
      "a",
      "b",
      "中",
      "，",
      "😀",
    ]);
  });

  it("makes the same file from the same text, in any order of the examples", async () => {
    const examples = textOf(WORDS);
    const json = (made: ReturnType<typeof trainTokenizer>) =>
      withTokenizer(made, (tokenizer) => tokenizer.files()["tokenizer.json"]);
    const first = await json(trainTokenizer(examples));
    expect(await json(trainTokenizer(examples))).toBe(first);
    expect(await json(trainTokenizer([...examples].reverse()))).toBe(first);
  });

  it("counts both texts of a pair, and reads async iterables", async () => {
    async function* examples() {
      yield { text: "x", pair: "y y y", label: "0" };
      yield { text: "x z", label: "1" };
    }
    expect(await vocabularyOf(trainTokenizer(examples()))).toEqual(["y", "x", "z"]);
  });

  it("keeps the most frequent words up to the size, special tokens included", async () => {
    expect(await vocabularyOf(trainTokenizer(textOf(WORDS), { vocabularySize: 6 }))).toEqual(
      WORDS.slice(0, 3),
    );
  });

  it("leaves out words seen once from 1,000 texts on", async () => {
    const texts = (n: number) => [
      { text: "rare" },
      ...Array.from({ length: n - 1 }, () => ({ text: "often" })),
    ];
    expect(await vocabularyOf(trainTokenizer(texts(999)))).toEqual(["often", "rare"]);
    expect(await vocabularyOf(trainTokenizer(texts(1_000)))).toEqual(["often"]);
    expect(await vocabularyOf(trainTokenizer(texts(1_000), { minimumCount: 1 }))).toEqual(["often", "rare"]);
  });

  it("leaves out what is rarer than minimumCount", async () => {
    expect(await vocabularyOf(trainTokenizer([{ text: "a a b" }], { minimumCount: 2 }))).toEqual(["a"]);
  });

  it("keeps capitals if asked to", async () => {
    const made = trainTokenizer([{ text: "Film [PAD] film" }], { lowercase: false });
    await withTokenizer(made, (tokenizer) => {
      expect(tokenizer.tokenToId("Film")).not.toBe(tokenizer.tokenToId("film"));
      expect(tokenizer.encode("[PAD]").ids).toEqual(["[", "PAD", "]"].map((t) => tokenizer.tokenToId(t)));
    });
  });

  it("holds words that are names of properties", async () => {
    const made = trainTokenizer([{ text: "constructor toString 7" }], { lowercase: false });
    await withTokenizer(made, (tokenizer) => {
      expect(["7", "constructor", "toString"].map((word) => tokenizer.tokenToId(word))).toEqual([3, 4, 5]);
      expect(tokenizer.encode("toString constructor 7").ids).toEqual([5, 4, 3]);
    });
  });

  it("cuts Chinese into words with jieba and says so in the files", async () => {
    const made = trainTokenizer([{ text: "我来到北京清华大学" }], { segmenter: "jieba" });
    await withTokenizer(made, (tokenizer) => {
      const id = (word: string) => tokenizer.tokenToId(word) ?? -1;
      expect(tokenizer.encode("清华大学来到北京").ids).toEqual(["清华大学", "来到", "北京"].map(id));
      expect(tokenizer.encode("[PAD] [SEP]").ids).toEqual([1, 1, 1, 1, 1, 1]);
      expect(JSON.parse(tokenizer.files()["tokenizer_config.json"] ?? "")).toEqual({ segmenter: "jieba" });
    });
  });

  it("does not block the event loop and stops when aborted", async () => {
    const controller = new AbortController();
    const examples = function* () {
      for (let i = 0; ; i++) {
        if (i === 2_000) setTimeout(() => controller.abort("enough"), 5);
        yield { text: `word${i % 1000} of an endless text` };
      }
    };
    await expect(trainTokenizer(examples(), { signal: controller.signal })).rejects.toMatchObject({
      code: "ERR_RAT_ABORTED",
      name: "AbortError",
      cause: "enough",
    });
  });

  it.each<[what: string, options: object, words: RegExp]>([
    ["a size without room for a word", { vocabularySize: 3 }, /from 4/],
    ["a size that is no whole number", { vocabularySize: 10.5 }, /whole number/],
    ["a minimum count of 0", { minimumCount: 0 }, /minimumCount/],
    ["lowercase that is no boolean", { lowercase: "yes" }, /true or false/],
    ["an unknown segmenter", { segmenter: "mecab" }, /default, jieba/],
    ["a misspelled option", { vocabSize: 100 }, /vocabularySize.*vocabSize/],
  ])("bad call - %s", async (_, options, words) => {
    await expectError(() => trainTokenizer([{ text: "a" }], options), "ERR_RAT_INVALID_ARG", words);
  });

  it("bad call - options that are no object", async () => {
    await expectError(() => trainTokenizer([], null as unknown as object), "ERR_RAT_INVALID_ARG", /options/);
  });

  it.each<[what: string, examples: unknown, words: RegExp]>([
    ["no examples", [], /at least one word/],
    ["texts without a word", [{ text: " " }, { text: "" }], /at least one word/],
    ["examples that are no iterable", { text: "a" }, /iterable/],
    ["a string for examples", "a text", /iterable/],
    ["an example that is a string", [{ text: "a" }, "b"], /texts\[1\]/],
    ["an example without a text", [{ label: "1" }], /texts\[0\]\.text/],
    ["a pair that is no string", [{ text: "a", pair: 1 }], /texts\[0\]\.pair/],
  ])("bad call - %s", async (_, examples, words) => {
    const call = () => trainTokenizer(examples as { text: string }[]);
    await expectError(call, "ERR_RAT_INVALID_ARG", words);
  });

  it("bad call - a minimum count that no word reaches", async () => {
    const call = () => trainTokenizer([{ text: "a b" }], { minimumCount: 9 });
    await expectError(call, "ERR_RAT_INVALID_ARG", /smaller minimumCount/);
  });
});
