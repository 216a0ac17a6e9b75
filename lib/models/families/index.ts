/** The families of Transformer encoders that can be fine-tuned, by the `model_type` of their `config.json`. */
import { albert } from "./albert.js";
import { bert } from "./bert.js";
import { distilbert } from "./distilbert.js";
import { electra } from "./electra.js";
import type { EncoderFamily } from "./family.js";
import { camembert, roberta, xlmRoberta } from "./roberta.js";

export type { EncoderFamily, EncoderShape } from "./family.js";

export const ENCODER_FAMILIES: ReadonlyMap<string, EncoderFamily> = new Map(
  [albert, bert, camembert, distilbert, electra, roberta, xlmRoberta].map((family) => [
    family.modelType,
    family,
  ]),
);
