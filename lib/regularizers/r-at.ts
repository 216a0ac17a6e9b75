import { define } from "./definition.js";

export const rAt = define({
  type: "r-at",
  fields: ["epsilon", "klWeight", "forwards", "consistency", "klReduction", "scope", "spareSpecialTokens"],
  forwards: { default: 2 },
  passes: ({ forwards }) => 1 + forwards,
  defaults: { scope: "matrix" },
  summary:
    "the clean loss, the mean loss of `forwards` perturbed forwards with dropout masks of their own, and the divergence between these times `klWeight`",
  citation:
    "Ni, Li and Kao, R-AT: Regularized Adversarial Training for Natural Language Understanding, Findings of EMNLP 2022",
});
