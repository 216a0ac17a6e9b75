/**
 * The configuration readers, which are TypeScript and so out of libFuzzer's reach, on damaged and made-up files: they return
 * something or throw a RATError whose message is no longer than a person reads, and never anything else.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfigFile } from "#dist/cli/config-file.js";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { RATError } from "#dist/errors.js";
import { parseModelConfig } from "#dist/models/config.js";
import { findWeights } from "#dist/models/weights.js";
import { inspectTokenizerFile } from "#dist/tokenizers/tokenizer-file.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rat-config-fuzz-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const RUNS = { numRuns: 1_500, seed: 2022 };

const common = {
  pad_token_id: 0,
  problem_type: "single_label_classification",
  num_labels: 2,
  id2label: { 0: "a", 1: "b" },
};
const files: Record<string, object> = {
  textcnn: {
    ...common,
    model_type: "textcnn",
    vocab_size: 9,
    embedding_size: 3,
    hidden_size: 2,
    window_sizes: [1, 2],
    dropout: 0.5,
    max_length: 9,
  },
  bilstm: {
    ...common,
    model_type: "bilstm",
    vocab_size: 9,
    embedding_size: 3,
    hidden_size: 2,
    num_layers: 1,
    dropout: 0.5,
    max_length: 9,
  },
  bert: {
    ...common,
    model_type: "bert",
    vocab_size: 9,
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 5,
  },
  albert: {
    ...common,
    model_type: "albert",
    vocab_size: 9,
    embedding_size: 2,
    hidden_size: 4,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 5,
  },
  distilbert: {
    model_type: "distilbert",
    vocab_size: 9,
    dim: 4,
    n_layers: 1,
    n_heads: 2,
    hidden_dim: 5,
    r_at: { task: "x", metrics: [], max_length: 4 },
  },
  run: {
    task: "custom",
    model: "textcnn",
    data: ".",
    epochs: 3,
    epsilon: [0.5, 1],
    dropout: 0.3,
    regularizer: "r-at",
    labels: ["a", "b"],
  },
  tokenizer: {
    model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" },
    normalizer: { type: "Sequence", normalizers: [] },
    post_processor: null,
  },
  index: { metadata: {}, weight_map: { a: "model-00001-of-00001.safetensors" } },
};

/** One of the files with a value, somewhere, in place of another. */
const altered = (name: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 3 }), fc.boolean()).map(([turn, value, remove]) => {
    const json = structuredClone(files[name]) as Record<string, unknown>;
    const keys = Object.keys(json);
    const key = keys[turn % keys.length] ?? "";
    if (remove) delete json[key];
    else json[key] = value;
    return JSON.stringify(json);
  });

/** The text of one of the files with some characters changed. */
const damaged = (name: string): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]":,\\0-9e.u\u0000\u{1F600}')), {
      minLength: 1,
      maxLength: 4,
    })
    .map((edits) => {
      const characters = [...JSON.stringify(files[name])];
      for (const [at, character] of edits) characters[at % characters.length] = character;
      return characters.join("");
    });

const texts = (name: string) =>
  fc.oneof(
    fc.constant(JSON.stringify(files[name])),
    altered(name),
    damaged(name),
    fc.json({ maxDepth: 4 }),
    fc.string(),
  );

function expectRATError(error: unknown): void {
  expect(error).toBeInstanceOf(RATError);
  expect((error as RATError).message.length).toBeLessThan(4_000);
}

describe.each(["textcnn", "bilstm", "bert", "albert", "distilbert"])("config.json of a %s", (name) => {
  test("is read or refused", () => {
    let read = 0;
    fc.assert(
      fc.property(texts(name), (text) => {
        try {
          const config = parseModelConfig(text, "config.json");
          expect(config.vocabularySize).toBeGreaterThan(0);
          expect(config.paddingId).toBeLessThan(config.vocabularySize);
          read++;
        } catch (error) {
          expectRATError(error);
        }
      }),
      RUNS,
    );
    expect(read).toBeGreaterThan(10);
  });
});

test("a run's configuration is read or refused", () => {
  fc.assert(
    fc.property(altered("run"), (text) => {
      try {
        resolveRunConfig(JSON.parse(text));
      } catch (error) {
        expectRATError(error);
      }
    }),
    RUNS,
  );
});

test("a configuration file is read or refused", async () => {
  const file = join(folder, "run.yaml");
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(damaged("run"), fc.string(), fc.stringMatching(/^([a-d]: [&*!|>-]?[a-d]?\n){1,5}$/)),
      async (text) => {
        writeFileSync(file, text);
        try {
          await readConfigFile(file);
        } catch (error) {
          // A UsageError is what the command line exits with 2 for.
          expect((error as Error).message).toContain("run.yaml");
          expect(error).toMatchObject({ code: "ERR_RAT_CONFIG" });
        }
      },
    ),
    { ...RUNS, numRuns: 600 },
  );
});

test("a tokenizer.json is read or refused", () => {
  fc.assert(
    fc.property(texts("tokenizer"), (text) => {
      try {
        inspectTokenizerFile(text);
      } catch (error) {
        expectRATError(error);
      }
    }),
    RUNS,
  );
});

test("an index of weights is read or refused, and never leads out of its folder", async () => {
  const index = join(folder, "model.safetensors.index.json");
  const names = fc.oneof(
    fc.string(),
    fc.constantFrom("..", ".", "../x", "/etc/passwd", "a/b", "a\\b", "\u0000"),
  );
  const maps = fc
    .dictionary(fc.string(), names, { minKeys: 1, maxKeys: 3 })
    .map((weight_map) => JSON.stringify({ weight_map }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(maps, texts("index")), async (text) => {
      writeFileSync(index, text);
      try {
        for (const path of await findWeights(folder)) expect(path.startsWith(`${folder}/`)).toBe(true);
      } catch (error) {
        expectRATError(error);
      }
    }),
    { ...RUNS, numRuns: 600 },
  );
});
