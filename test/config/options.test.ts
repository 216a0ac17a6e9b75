/** The records that everything else is made from. */
import { expect, it } from "vitest";
import { withDefaults } from "#dist/config/defaults.js";
import { isIdentity, OPTION_NAMES, optionRecord } from "#dist/config/options.js";
import { fitSettingsSchema, runConfigSchema, trainerSettingsSchema } from "#dist/config/schema.js";

it("a run is another with every option but those that change nothing of its course", () => {
  const exempt = OPTION_NAMES.filter((name) => !isIdentity(name));
  // What data and vocabulary come to is compared itself.
  const ofTraining = exempt.filter(
    (name) => !["task", "tokenizer", "run"].includes(optionRecord(name).owner),
  );
  expect(ofTraining).toEqual([
    ...[
      "resetHead",
      "reinitLayers",
      "vectors",
      "embeddingStd",
      "epochs",
      "maxSteps",
      "device",
      "recompute",
      "threads",
      "logEvery",
    ],
    ...[
      "diagnostics",
      "checkpointEvery",
      "keepCheckpoints",
      "output",
      "resume",
      "overwrite",
      "allowResumeElsewhere",
    ],
  ]);
});

it("every option has a description, a kind of flag, and stands in one heading's place", () => {
  const groups = OPTION_NAMES.map((name) => optionRecord(name).group);
  expect(groups.filter((group, i) => group !== groups[i - 1])).toEqual([...new Set(groups)]);
  for (const name of OPTION_NAMES) {
    const { description, kind } = optionRecord(name).schema.meta() ?? {};
    expect(description, name).toMatch(/^\S.{5,}/);
    expect(kind, name).toBeDefined();
  }
});

it("the nested options are the flat ones", () => {
  const flat = Object.keys(runConfigSchema.shape);
  const nested = [...Object.keys(trainerSettingsSchema.shape), ...Object.keys(fitSettingsSchema.shape)];
  for (const name of nested) expect(flat).toContain(name);
  expect(new Set(nested).size).toBe(nested.length);
});

it("defaults fit their own schemas, and what was given wins", () => {
  for (const kind of ["fromScratch", "fineTuning"] as const) {
    const filled = withDefaults(["trainer", "optimizer", "fit", "regularizer"], { seed: 7 }, kind);
    expect(filled.seed).toBe(7);
    for (const [name, value] of Object.entries(filled))
      if (value !== undefined)
        expect(
          optionRecord(name as (typeof OPTION_NAMES)[number]).schema.safeParse(value).success,
          name,
        ).toBe(true);
  }
});
