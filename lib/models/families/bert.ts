/** BERT (Devlin et al., 2019), and RoBERTa (Liu et al., 2019), which is BERT with other positions and another head. */
import { z } from "zod";
import { parseOptions } from "../../config/parse.js";
import { type EncoderFamily, type EncoderShape, range, value } from "./family.js";

const schema = z.object({
  vocab_size: value.size,
  hidden_size: value.size,
  num_hidden_layers: value.layers,
  num_attention_heads: value.size,
  intermediate_size: value.size,
  hidden_act: value.activation.default("gelu"),
  hidden_dropout_prob: value.rate.default(0.1),
  attention_probs_dropout_prob: value.rate.default(0.1),
  classifier_dropout: value.rate.nullish(),
  max_position_embeddings: value.size.default(512),
  type_vocab_size: value.tokenTypes.default(2),
  layer_norm_eps: value.positive.default(1e-12),
  initializer_range: value.positive.default(0.02),
  pad_token_id: value.paddingId,
  position_embedding_type: value.positions,
});

/** Names of a layer's tensors, the same in both. */
const LAYER_NAMES = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  attentionOutput: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  intermediate: "intermediate.dense",
  output: "output.dense",
  outputNorm: "output.LayerNorm",
};

/** @param paddingId - What it is where the file does not say. */
function parse(
  json: unknown,
  file: string,
  prefix: string,
  paddingId: number,
  family: {
    readonly head: "pooler" | "dense";
    readonly names: Readonly<Record<"dense" | "classifier", string>>;
    readonly positionOffset: (paddingId: number) => number;
  },
): EncoderShape {
  const config = parseOptions(schema, json, file);
  const padding = config.pad_token_id ?? paddingId;
  return {
    vocabularySize: config.vocab_size,
    embeddingSize: config.hidden_size,
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    paddingId: padding,
    native: {
      heads: config.num_attention_heads,
      intermediateSize: config.intermediate_size,
      maxPositions: config.max_position_embeddings,
      positionOffset: family.positionOffset(padding),
      tokenTypes: config.type_vocab_size,
      layerNormEps: config.layer_norm_eps,
      activation: config.hidden_act,
      head: family.head,
      hiddenDropout: config.hidden_dropout_prob,
      attentionDropout: config.attention_probs_dropout_prob,
      classifierDropout: config.classifier_dropout ?? config.hidden_dropout_prob,
      attentionOutputDropout: true,
      feedForwardDropout: true,
      initializerRange: config.initializer_range,
      layerPrefixes: range(config.num_hidden_layers).map((layer) => `${prefix}encoder.layer.${layer}.`),
      layerOrder: range(config.num_hidden_layers),
      names: {
        wordEmbeddings: `${prefix}embeddings.word_embeddings`,
        positionEmbeddings: `${prefix}embeddings.position_embeddings`,
        tokenTypeEmbeddings: `${prefix}embeddings.token_type_embeddings`,
        embeddingNorm: `${prefix}embeddings.LayerNorm`,
        ...LAYER_NAMES,
        ...family.names,
      },
    },
  };
}

export const bert: EncoderFamily = {
  modelType: "bert",
  architecture: "BertForSequenceClassification",
  basePrefix: "bert.",
  parse: (json, file) =>
    parse(json, file, "bert.", 0, {
      head: "pooler",
      names: { dense: "bert.pooler.dense", classifier: "classifier" },
      positionOffset: () => 0,
    }),
};

/** Positions count from the padding id + 1: the position embeddings have a padding row of their own. */
export const roberta: EncoderFamily = {
  modelType: "roberta",
  architecture: "RobertaForSequenceClassification",
  basePrefix: "roberta.",
  parse: (json, file) =>
    parse(json, file, "roberta.", 1, {
      head: "dense",
      names: { dense: "classifier.dense", classifier: "classifier.out_proj" },
      positionOffset: (paddingId) => paddingId + 1,
    }),
};
