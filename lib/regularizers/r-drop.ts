import { define } from "./definition.js";

export const rDrop = define({
  type: "r-drop",
  fields: ["klWeight", "consistency", "klReduction"],
  forwards: { always: 2 },
  passes: ({ forwards }) => forwards,
  summary: "two clean forwards and the divergence between them times `klWeight`",
  citation: "Liang et al., R-Drop: Regularized Dropout for Neural Networks, NeurIPS 2021",
});
