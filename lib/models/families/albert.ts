/** ALBERT (Lan et al., 2020): narrow embeddings with a projection, and layers that share their weights in groups. */
import { z } from "zod";
import { parseOptions } from "../../config/parse.js";
import { type EncoderFamily, range, value } from "./family.js";

const schema = z.object({
  vocab_size: value.size,
  embedding_size: value.size,
  hidden_size: value.size,
  num_hidden_layers: value.layers,
  num_hidden_groups: value.layers.default(1),
  inner_group_num: value.layers.default(1),
  num_attention_heads: value.size,
  intermediate_size: value.size,
  hidden_act: value.activation.default("gelu_new"),
  hidden_dropout_prob: value.rate.default(0),
  attention_probs_dropout_prob: value.rate.default(0),
  classifier_dropout_prob: value.rate.default(0.1),
  max_position_embeddings: value.size.default(512),
  type_vocab_size: value.tokenTypes.default(2),
  layer_norm_eps: value.positive.default(1e-12),
  initializer_range: value.positive.default(0.02),
  pad_token_id: value.paddingId,
  position_embedding_type: value.positions,
});

export const albert: EncoderFamily = {
  modelType: "albert",
  architecture: "AlbertForSequenceClassification",
  basePrefix: "albert.",
  parse(json, file) {
    const config = parseOptions(schema, json, file);
    const { num_hidden_layers: layers, num_hidden_groups: groups, inner_group_num: inner } = config;
    // The group of a layer as transformers computes it; each runs all of its inner layers.
    const order = range(layers).flatMap((layer) => {
      const group = Math.trunc(layer / (layers / groups));
      return range(inner).map((index) => group * inner + index);
    });
    return {
      vocabularySize: config.vocab_size,
      embeddingSize: config.embedding_size,
      hiddenSize: config.hidden_size,
      layers: order.length,
      paddingId: config.pad_token_id ?? 0,
      native: {
        heads: config.num_attention_heads,
        intermediateSize: config.intermediate_size,
        maxPositions: config.max_position_embeddings,
        positionOffset: 0,
        tokenTypes: config.type_vocab_size,
        layerNormEps: config.layer_norm_eps,
        activation: config.hidden_act,
        head: "pooler",
        hiddenDropout: config.hidden_dropout_prob,
        attentionDropout: config.attention_probs_dropout_prob,
        classifierDropout: config.classifier_dropout_prob,
        attentionOutputDropout: true,
        feedForwardDropout: false,
        initializerRange: config.initializer_range,
        layerPrefixes: range(groups).flatMap((group) =>
          range(inner).map((index) => `albert.encoder.albert_layer_groups.${group}.albert_layers.${index}.`),
        ),
        layerOrder: order,
        names: {
          wordEmbeddings: "albert.embeddings.word_embeddings",
          positionEmbeddings: "albert.embeddings.position_embeddings",
          tokenTypeEmbeddings: "albert.embeddings.token_type_embeddings",
          embeddingNorm: "albert.embeddings.LayerNorm",
          projection: "albert.encoder.embedding_hidden_mapping_in",
          query: "attention.query",
          key: "attention.key",
          value: "attention.value",
          attentionOutput: "attention.dense",
          attentionNorm: "attention.LayerNorm",
          intermediate: "ffn",
          output: "ffn_output",
          outputNorm: "full_layer_layer_norm",
          dense: "albert.pooler",
          classifier: "classifier",
        },
      },
    };
  },
};
