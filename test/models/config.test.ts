import { describe, expect, it } from "vitest";
import { formatModelConfig, type ModelConfig, nativeModel, parseModelConfig } from "#dist/models/config.js";
import { modelSizes } from "#dist/models/sizes.js";
import { expectRATError } from "../trainer/toy.js";

const config = (changes: Partial<ModelConfig> = {}): ModelConfig => ({
  sizes: modelSizes({ type: "textcnn" }),
  vocabularySize: 100,
  paddingId: 0,
  kind: "classification",
  labels: ["bad", "good"],
  dropout: 0.5,
  maxLength: 400,
  task: "imdb",
  metrics: ["accuracy"],
  ...changes,
});

it("has the keys that other tools know", () => {
  expect(JSON.parse(formatModelConfig(config()))).toEqual({
    model_type: "textcnn",
    vocab_size: 100,
    embedding_size: 300,
    hidden_size: 256,
    window_sizes: [2, 3, 4],
    pad_token_id: 0,
    problem_type: "single_label_classification",
    num_labels: 2,
    id2label: { 0: "bad", 1: "good" },
    label2id: { bad: 0, good: 1 },
    dropout: 0.5,
    max_length: 400,
    task: "imdb",
    metrics: ["accuracy"],
  });
});

it("has the sizes of the contract", () => {
  expect(modelSizes({ type: "bilstm" })).toMatchObject({ embeddingSize: 300, hiddenSize: 128, layers: 2 });
  expect(modelSizes({ type: "texthan" })).toMatchObject({ embeddingSize: 300, hiddenSize: 128, layers: 1 });
  expect(modelSizes({ type: "textcnn" })).toMatchObject({ hiddenSize: 256, windows: [2, 3, 4] });
});

it.each([
  config(),
  config({ sizes: modelSizes({ type: "bilstm", hiddenSize: 7, layers: 3 }) }),
  config({ sizes: modelSizes({ type: "texthan", embeddingSize: 9 }), labels: ["__proto__", "b", "10", "9"] }),
  config({ kind: "regression", labels: [], metrics: ["pearson", "spearman"], dropout: 0 }),
])("round trip %#", (original) => {
  expect(parseModelConfig(formatModelConfig(original), "config.json")).toEqual(original);
});

it("ignores what other tools add", () => {
  const text = formatModelConfig(config()).replace(
    "{",
    '{"transformers_version": "5.0", "architectures": [],',
  );
  expect(parseModelConfig(text, "config.json")).toEqual(config());
});

it("a regression has one output", () => {
  expect(nativeModel(config({ kind: "regression", labels: [] }), 0.1)).toMatchObject({
    outputs: 1,
    embeddingStd: 0.1,
  });
  expect(nativeModel(config(), 0.1).outputs).toBe(2);
});

describe("misuse", () => {
  const with_ = (changes: Record<string, unknown>) =>
    JSON.stringify({ ...JSON.parse(formatModelConfig(config())), ...changes });
  const cases: [string, string, RegExp][] = [
    ["no JSON", "{", /config\.json: it is not JSON/],
    ["no object", "[]", /not supported/],
    ["null", "null", /not supported/],
    [
      "an architecture for later",
      with_({ model_type: "gpt2" }),
      /"gpt2" is not supported; supported: albert, bert, camembert, distilbert, electra, roberta, xlm-roberta, bilstm/,
    ],
    ["no sizes", with_({ hidden_size: undefined }), /hidden_size is missing/],
    ["no windows", with_({ window_sizes: [] }), /window_sizes/],
    ["a size of nothing", with_({ embedding_size: 0 }), /embedding_size/],
    ["an endless size", with_({ hidden_size: 1e9 }), /hidden_size/],
    ["a name too few", with_({ num_labels: 3 }), /classes 0 to 2/],
    ["a name too many", with_({ num_labels: 1 }), /classes 0 to 0/],
    ["names with a gap", with_({ id2label: { 0: "a", 2: "b" } }), /classes 0 to 1/],
    ["the same name twice", with_({ id2label: { 0: "a", 1: "a" } }), /same name/],
    ["a regression of two", with_({ problem_type: "regression" }), /num_labels 1/],
    ["an unknown problem", with_({ problem_type: "ranking" }), /single_label_classification/],
    ["padding outside", with_({ pad_token_id: 100 }), /pad_token_id 100/],
    ["dropout of 1", with_({ dropout: 1 }), /dropout/],
  ];
  it.each(cases)("bad call - %s", async (_, text, message) => {
    const error = await expectRATError(
      () => parseModelConfig(text, "config.json"),
      "ERR_RAT_MODEL_MISMATCH",
      message,
    );
    expect(error.details?.file).toBe("config.json");
  });
});
