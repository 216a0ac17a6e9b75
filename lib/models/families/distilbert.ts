/** DistilBERT (Sanh et al., 2019): BERT without token types and pooler, with dropout in fewer places. */
import { z } from "zod";
import { parseOptions } from "../../config/parse.js";
import { type EncoderFamily, range, value } from "./family.js";

const schema = z.object({
  vocab_size: value.size,
  dim: value.size,
  n_layers: value.layers,
  n_heads: value.size,
  hidden_dim: value.size,
  activation: value.activation.default("gelu"),
  dropout: value.rate.default(0.1),
  attention_dropout: value.rate.default(0.1),
  seq_classif_dropout: value.rate.default(0.2),
  max_position_embeddings: value.size.default(512),
  initializer_range: value.positive.default(0.02),
  pad_token_id: value.paddingId,
});

export const distilbert: EncoderFamily = {
  modelType: "distilbert",
  architecture: "DistilBertForSequenceClassification",
  basePrefix: "distilbert.",
  parse(json, file) {
    const config = parseOptions(schema, json, file);
    return {
      vocabularySize: config.vocab_size,
      embeddingSize: config.dim,
      hiddenSize: config.dim,
      layers: config.n_layers,
      paddingId: config.pad_token_id ?? 0,
      native: {
        heads: config.n_heads,
        intermediateSize: config.hidden_dim,
        maxPositions: config.max_position_embeddings,
        positionOffset: 0,
        tokenTypes: 0,
        layerNormEps: 1e-12,
        activation: config.activation,
        head: "pre-classifier",
        hiddenDropout: config.dropout,
        attentionDropout: config.attention_dropout,
        classifierDropout: config.seq_classif_dropout,
        attentionOutputDropout: false,
        feedForwardDropout: true,
        initializerRange: config.initializer_range,
        layerPrefixes: range(config.n_layers).map((layer) => `distilbert.transformer.layer.${layer}.`),
        layerOrder: range(config.n_layers),
        names: {
          wordEmbeddings: "distilbert.embeddings.word_embeddings",
          positionEmbeddings: "distilbert.embeddings.position_embeddings",
          embeddingNorm: "distilbert.embeddings.LayerNorm",
          query: "attention.q_lin",
          key: "attention.k_lin",
          value: "attention.v_lin",
          attentionOutput: "attention.out_lin",
          attentionNorm: "sa_layer_norm",
          intermediate: "ffn.lin1",
          output: "ffn.lin2",
          outputNorm: "output_layer_norm",
          dense: "pre_classifier",
          classifier: "classifier",
        },
      },
    };
  },
};
