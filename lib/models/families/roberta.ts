/**
 * RoBERTa (Liu et al., 2019): BERT with a head of its own, and positions that count from the padding id + 1, since the
 * position embeddings have a padding row too. CamemBERT (Martin et al., 2020) and XLM-R (Conneau et al., 2020) are the same
 * model, trained on other texts.
 */
import { parseBert } from "./bert.js";
import type { EncoderFamily } from "./family.js";

function robertaFamily(modelType: string, architecture: string): EncoderFamily {
  return {
    ...{ modelType, architecture, basePrefix: "roberta." },
    parse: (json, file) =>
      parseBert(json, file, {
        prefix: "roberta.",
        paddingId: 1,
        head: "dense",
        names: { dense: "classifier.dense", classifier: "classifier.out_proj" },
        positionOffset: (paddingId) => paddingId + 1,
      }),
  };
}

export const roberta = robertaFamily("roberta", "RobertaForSequenceClassification");
export const camembert = robertaFamily("camembert", "CamembertForSequenceClassification");
export const xlmRoberta = robertaFamily("xlm-roberta", "XLMRobertaForSequenceClassification");
