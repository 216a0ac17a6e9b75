import { define } from "./definition.js";

export const fgm = define({
  type: "fgm",
  fields: ["epsilon", "scope", "spareSpecialTokens"],
  forwards: { always: 1 },
  passes: () => 2,
  defaults: { scope: "matrix" },
  summary: "adds the loss under one perturbation of norm `epsilon` (the paper's AT)",
  citation: "Miyato et al., Adversarial Training Methods for Semi-Supervised Text Classification, ICLR 2017",
});
