import { expect, it } from "vitest";
import { nativeObjective, resolveRegularizer } from "#dist/config/method.js";
import { parseOptions } from "#dist/config/parse.js";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { fitSettingsSchema, trainerSettingsSchema } from "#dist/config/schema.js";
import { fitOptions, trainerOptions } from "#dist/pipeline/options.js";

it("a number holds for every forward, and the clean pass has the first rate", () => {
  const method = resolveRegularizer({ type: "r-at", epsilon: [1, 2, 3], forwards: 3 }, [0.1, 0.2, 0.3]);
  expect(nativeObjective(method, [0.1, 0.2, 0.3])).toEqual({
    type: "r-at",
    forwards: 3,
    epsilon: [1, 2, 3],
    klWeight: 0.5,
    klReduction: "batch-mean",
    cleanDropout: 0.1,
    forwardDropout: [0.1, 0.2, 0.3],
  });
  expect(nativeObjective(resolveRegularizer(undefined, undefined, 1), 0.5)).toMatchObject({
    forwards: 2,
    epsilon: [1, 1],
    forwardDropout: [0.5, 0.5],
  });
});

it.each(["none", "fgm", "r-drop", "r-at"])(
  "the flat form of %s becomes options that the API takes",
  (regularizer) => {
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
  },
);

it("a model that is no architecture is a folder", () => {
  const config = resolveRunConfig({ task: "imdb", data: "d", model: "runs/x/model" });
  expect(trainerOptions(config).model).toEqual({ path: "runs/x/model" });
});
