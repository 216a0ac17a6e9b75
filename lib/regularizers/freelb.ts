import { define } from "./definition.js";

export const freelb = define({
  type: "freelb",
  fields: ["epsilon", "ascentSteps", "stepSize", "ascentInit", "scope", "sameMasks", "spareSpecialTokens"],
  forwards: { always: 1 },
  passes: ({ ascentSteps }) => ascentSteps,
  defaults: { ascentSteps: 3, ascentInit: "uniform", scope: "example" },
  summary: "the mean loss along an ascent of `ascentSteps` steps, every one of which also trains",
  citation:
    "Zhu et al., FreeLB: Enhanced Adversarial Training for Natural Language Understanding, ICLR 2020, Algorithm 1",
});
