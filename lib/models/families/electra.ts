/** ELECTRA (Clark et al., 2020), its discriminator: BERT with a projection from narrower embeddings, and a head with GELU. */
import { parseBert } from "./bert.js";
import type { EncoderFamily } from "./family.js";

export const electra: EncoderFamily = {
  modelType: "electra",
  architecture: "ElectraForSequenceClassification",
  basePrefix: "electra.",
  parse: (json, file) =>
    parseBert(json, file, {
      prefix: "electra.",
      paddingId: 0,
      head: "dense-gelu",
      names: { dense: "classifier.dense", classifier: "classifier.out_proj" },
      positionOffset: () => 0,
      projection: "embeddings_project",
    }),
};
