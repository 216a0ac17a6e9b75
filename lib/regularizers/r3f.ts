import { define } from "./definition.js";

export const r3f = define({
  type: "r3f",
  fields: ["epsilon", "klWeight", "consistency", "klReduction", "noise", "spareSpecialTokens"],
  forwards: { always: 1 },
  passes: () => 2,
  defaults: { epsilon: 1e-5 },
  summary:
    "the clean loss and the divergence from a forward under random noise, each number of it within (`uniform`) or with a standard deviation of (`normal`) `epsilon`",
  citation:
    "Aghajanyan et al., Better Fine-Tuning by Reducing Representational Collapse, ICLR 2021, equation 5",
});
