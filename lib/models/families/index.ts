/** The families of Transformer encoders that can be fine-tuned, by the `model_type` of their `config.json`. */
import { albert } from "./albert.js";
import { bert, roberta } from "./bert.js";
import { distilbert } from "./distilbert.js";
import type { EncoderFamily } from "./family.js";

export type { EncoderFamily, EncoderShape } from "./family.js";

export const ENCODER_FAMILIES: ReadonlyMap<string, EncoderFamily> = new Map(
  [albert, bert, distilbert, roberta].map((family) => [family.modelType, family]),
);
