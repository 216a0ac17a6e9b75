import { define } from "./definition.js";

export const smart = define({
  type: "smart",
  fields: [
    ...(["epsilon", "klWeight", "consistency", "klReduction"] as const),
    ...(["ascentSteps", "stepSize", "scope", "bregmanWeight", "bregmanDecay", "spareSpecialTokens"] as const),
  ],
  forwards: { always: 1 },
  passes: ({ ascentSteps }) => 2 + 2 * ascentSteps,
  defaults: { ascentSteps: 1, scope: "example" },
  summary:
    "the clean loss and the divergence from the forward within `epsilon` that `ascentSteps` steps up that divergence find (smoothness-inducing; the label-free part is VAT); with `bregmanWeight` also the divergence from what an average of the weights says (Bregman proximal point)",
  citation:
    "Jiang et al., SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models through Principled Regularized Optimization, ACL 2020, section 3",
});
