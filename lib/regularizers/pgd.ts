import { define } from "./definition.js";

export const pgd = define({
  type: "pgd",
  fields: ["epsilon", "ascentSteps", "stepSize", "ascentInit", "scope", "spareSpecialTokens"],
  forwards: { always: 1 },
  defaults: { ascentSteps: 3, ascentInit: "zero", scope: "example" },
  summary:
    "adds the loss at the end of `ascentSteps` steps of size `stepSize` up the loss, kept within the ball of radius `epsilon`",
  citation: "Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018",
});
