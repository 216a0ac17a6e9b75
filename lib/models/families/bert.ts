/** BERT (Devlin et al., 2019), and what its relatives with the same layers and other heads share with it. */
import { z } from "zod";
import { parseOptions } from "../../config/parse.js";
import { type EncoderFamily, type EncoderShape, range, value } from "./family.js";

const schema = z.object({
  vocab_size: value.size,
  embedding_size: value.size.nullish(),
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

/** What tells a relative of BERT from the others. */
export interface BertRelative {
  /** In front of the tensors' names, `bert.`. */
  readonly prefix: string;
  /** What it is where the file does not say. */
  readonly paddingId: number;
  readonly head: EncoderShape["native"]["head"];
  readonly names: Readonly<Record<"dense" | "classifier", string>>;
  /** Position of a text's first token. */
  readonly positionOffset: (paddingId: number) => number;
  /** Name of the projection from embeddings of another width, where the family has one. */
  readonly projection?: string;
}

/** @throws RATError `ERR_RAT_CONFIG` for a key that is missing or impossible. */
export function parseBert(
  json: unknown,
  file: string,
  { prefix, paddingId, projection, ...family }: BertRelative,
): EncoderShape {
  const config = parseOptions(schema, json, file);
  const padding = config.pad_token_id ?? paddingId;
  const embeddingSize = projection === undefined ? undefined : config.embedding_size;
  const isProjected =
    projection !== undefined && (embeddingSize ?? config.hidden_size) !== config.hidden_size;
  return {
    vocabularySize: config.vocab_size,
    embeddingSize: embeddingSize ?? config.hidden_size,
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
        ...(isProjected && { projection: `${prefix}${projection}` }),
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
    parseBert(json, file, {
      prefix: "bert.",
      paddingId: 0,
      head: "pooler",
      names: { dense: "bert.pooler.dense", classifier: "classifier" },
      positionOffset: () => 0,
    }),
};
