import { define } from "./definition.js";

export const pgd = define({
  type: "pgd",
  fields: ["epsilon", "ascentSteps", "stepSize", "ascentInit", "scope", "spareSpecialTokens"],
  forwards: { always: 1 },
  // From zero the clean pass is the first of the ascent.
  passes: ({ ascentSteps, ascentInit }) => ascentSteps + (ascentInit === "zero" ? 1 : 2),
  defaults: { ascentSteps: 3, ascentInit: "zero", scope: "example" },
  summary:
    "adds the loss at the end of `ascentSteps` steps of size `stepSize` up the loss, kept within the ball of radius `epsilon`",
  citation: "Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018",
});
