/** Which trainings the paper's tables and figures are. */
import { describe, expect, test } from "vitest";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { planCompare } from "#dist/experiment/compare-file.js";
import { DEFINITIONS, EXPERIMENT_NAMES, planExperiment } from "#dist/experiment/definitions.js";
import { expectError } from "../support/expect-error.js";

const seeds = [1, 2];
const plan = (name: string, options = {}) => planExperiment(name, { data: "data", seeds, ...options });
const distinct = (values: readonly string[]) => [...new Set(values)];

describe.each(EXPERIMENT_NAMES)("%s", (name) => {
  test("is made of runs that can be made, each once", () => {
    const { runs, title } = plan(name);
    expect(title).toMatch(name.startsWith("table") ? /^Table \d: / : /^Figure \d: /);
    const keys = runs.map(({ group, row, column, seed }) => JSON.stringify([group, row, column, seed]));
    expect(distinct(keys)).toHaveLength(runs.length);
    for (const { config, seed } of runs) expect(resolveRunConfig(config)).toMatchObject({ seed });
  });
});

test("table 3 has the paper's methods beside honest rows, for three models on four sets", () => {
  const { runs, baselines } = plan("table3");
  expect(distinct(runs.map(({ group }) => group))).toEqual(["bilstm", "textcnn", "texthan"]);
  expect(distinct(runs.map(({ column }) => column))).toEqual(["imdb", "agnews", "tnews", "iflytek"]);
  expect(distinct(runs.map(({ row }) => row))).toEqual([
    ...["without dropout", "dropout", "AT", "R-Drop", "R-AT without KL", "R-AT"],
    ...["R-AT, BertAdam", "label smoothing", "strong baseline"],
  ]);
  expect(baselines).toEqual(["without dropout", "dropout"]);
  expect(runs).toHaveLength(3 * 4 * 9 * seeds.length);
});

test("tables 1 and 2 are of the GLUE dev sets", () => {
  for (const name of ["table1", "table2"])
    expect(distinct(plan(name).runs.map(({ config }) => String(config.test)))).toEqual(["none"]);
});

test("table 8 varies the consistency loss, table 4 the forwards", () => {
  expect(distinct(plan("table8").runs.map(({ config }) => String(config.consistency)))).toEqual([
    ...["bi-kl", "kl", "ce", "js", "mae", "mse"],
  ]);
  expect(distinct(plan("table4").runs.map(({ config }) => String(config.forwards)))).toEqual(["2", "3"]);
});

test("figures 3 and 5 are five by five, figure 2 goes by size", () => {
  for (const name of ["figure3", "figure5"]) {
    const { runs } = plan(name, { seeds: [1] });
    expect(runs).toHaveLength(25);
    expect(distinct(runs.map(({ row }) => row))).toHaveLength(5);
  }
  expect(plan("figure5", { seeds: [1] }).runs[7]?.config).toMatchObject({ epsilon: [3, 5], embeddingStd: 1 });
  expect(plan("figure2").runs[0]?.config.limitTrain).toBe(500);
});

test("what is asked for takes the place of the experiment's own, and is said", () => {
  const { runs, notes } = plan("table1", {
    models: ["bert=models/small"],
    tasks: ["rte"],
    methods: ["dropout", "r-at:js"],
    overrides: { maxSteps: 10, threads: 1 },
  });
  expect(runs.map(({ group, config }) => [group, config.model, config.consistency, config.maxSteps])).toEqual(
    [
      ["bert", "models/small", undefined, 10],
      ["bert", "models/small", undefined, 10],
      ["bert", "models/small", "js", 10],
      ["bert", "models/small", "js", 10],
    ],
  );
  expect(notes).toContain("Every run has maxSteps 10.");
});

test("a row stays what it is called, whatever is asked of every run", () => {
  const { runs } = plan("table3", {
    ...{ models: ["textcnn"], tasks: ["agnews"], seeds: [1] },
    overrides: { dropout: 0.3, klWeight: 2 },
  });
  const of = (row: string) => runs.find((run) => run.row === row)?.config;
  expect(of("without dropout")).toMatchObject({ dropout: 0 });
  expect(of("dropout")).toMatchObject({ dropout: 0.3 });
  expect(of("R-AT without KL")).toMatchObject({ dropout: 0.3, klWeight: 0 });
  expect(of("R-AT")).toMatchObject({ klWeight: 2 });
});

test("a comparison comes from a file, and the command line stands above it", () => {
  const file = {
    ...{ models: ["textcnn"], tasks: ["custom"], methods: ["dropout", "freelb"], seeds: [4, 5] },
    options: { train: "mine.csv", epochs: 2 },
  };
  const { runs, title } = planCompare(file, {});
  expect(title).toBe("Comparison");
  expect(runs.map(({ seed, config }) => [seed, config.train, config.epochs])).toEqual([
    ...[4, 5, 4, 5].map((seed) => [seed, "mine.csv", 2]),
  ]);
  // Defaults of what the file leaves out are the run's own: no option that a method does not take.
  expect(runs[0]?.config.klWeight).toBeUndefined();
  const changed = planCompare(file, { seeds: [1], methods: ["pgd"], overrides: { epochs: 1 } });
  expect(changed.runs.map(({ row, config }) => [row, config.epochs])).toEqual([["pgd", 1]]);
});

test("what does not exist is named", async () => {
  await expectError(() => plan("table9"), "ERR_RAT_CONFIG", /table9.*table1/);
  await expectError(() => plan("table3", { methods: ["r-drap"] }), "ERR_RAT_CONFIG", /r-drap.*r-drop/);
  const file = { models: ["textcnn"], tasks: ["rte"], methods: ["at"], optionen: {} };
  await expectError(() => planCompare(file, {}), "ERR_RAT_CONFIG", /optionen/);
  expect(Object.keys(DEFINITIONS)).toHaveLength(8);
});
