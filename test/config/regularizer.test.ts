import { expect, it } from "vitest";
import { parseOptions } from "#dist/config/parse.js";
import { nativeRegularizer, refuseStrayFields, resolveRegularizer } from "#dist/config/regularizer.js";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { fitSettingsSchema, trainerSettingsSchema } from "#dist/config/schema.js";
import { fitOptions, trainerOptions } from "#dist/pipeline/options.js";
import { REGULARIZER_TYPES } from "#dist/regularizers/index.js";

it("a number holds for every forward, and the clean pass has the first rate", () => {
  const regularizer = resolveRegularizer({ type: "r-at", epsilon: [1, 2, 3], forwards: 3 }, [0.1, 0.2, 0.3]);
  expect(nativeRegularizer(regularizer, [0.1, 0.2, 0.3])).toEqual({
    type: "r-at",
    forwards: 3,
    epsilon: [1, 2, 3],
    klWeight: 0.5,
    consistency: "bi-kl",
    klReduction: "batch-mean",
    scope: "matrix",
    cleanDropout: 0.1,
    forwardDropout: [0.1, 0.2, 0.3],
  });
  expect(nativeRegularizer(resolveRegularizer(undefined, undefined, 1), 0.5)).toMatchObject({
    forwards: 2,
    epsilon: [1, 1],
    forwardDropout: [0.5, 0.5],
  });
});

it.each(REGULARIZER_TYPES)("the flat form of %s becomes options that the API takes", (regularizer) => {
  const config = resolveRunConfig({
    task: "imdb",
    data: "d",
    model: "textcnn",
    regularizer,
    windows: 3,
    output: "o",
  });
  const settings = parseOptions(trainerSettingsSchema, trainerOptions(config), "trainer");
  expect(settings).toMatchObject({
    model: { type: "textcnn", windows: [3] },
    regularizer: { type: regularizer },
  });
  const { config: _, ...fit } = fitOptions(config);
  expect(parseOptions(fitSettingsSchema, fit, "fit")).toMatchObject({
    epochs: 3,
    output: "o",
    resume: false,
  });
});

it("a model that is no architecture is a folder", () => {
  const config = resolveRunConfig({ task: "imdb", data: "d", model: "runs/x/model" });
  expect(trainerOptions(config).model).toEqual({ path: "runs/x/model" });
});

it("each regularizer has its own defaults, and what it does not read is left out", () => {
  const of = (regularizer: string, more = {}) =>
    resolveRunConfig({ task: "imdb", data: "d", model: "textcnn", regularizer, ...more });
  expect(of("freelb")).toMatchObject({
    ...{ epsilon: 1, ascentSteps: 3, stepSize: 1, ascentInit: "uniform", scope: "example", sameMasks: false },
  });
  expect(of("freelb", { epsilon: 0.4 })).toMatchObject({ epsilon: 0.4, stepSize: 0.4 });
  expect(of("pgd", { scope: "matrix" })).toMatchObject({ ascentInit: "zero", scope: "matrix" });
  expect(of("r3f")).toMatchObject({ epsilon: 1e-5, noise: "uniform", klWeight: 0.5 });
  expect(of("smart")).toMatchObject({ ascentSteps: 1, scope: "example" });
  expect(of("r-drop", { scope: "example" })).not.toHaveProperty("scope");
  // An encoder's folder decides on epsilon, and so on the size of a step.
  const folder = of("freelb", { model: "bert/" });
  for (const name of ["epsilon", "stepSize"]) expect(folder).not.toHaveProperty(name);
});

it.each([
  ["r-at", { ascentSteps: 3 }, /ascentSteps is for pgd, freelb, smart; r-at does not read it/],
  ["r-drop", { scope: "matrix" }, /scope is for fgm, pgd, freelb, r-at, smart/],
  ["pgd", { sameMasks: true }, /sameMasks is for freelb/],
] as const)("bad call - a flag that %s does not read", (type, given, message) => {
  expect(() => refuseStrayFields(type, given)).toThrow(message);
  expect(() => refuseStrayFields("freelb", { ascentSteps: 3, sameMasks: true })).not.toThrow();
});
