/** What `r-at experiment compare FILE` reads: any models, tasks, methods and seeds. */
import { z } from "zod";
import { parseOptions } from "../config/parse.js";
import { runConfigSchema } from "../config/schema.js";
import { type ExperimentOptions, planMatrix } from "./definitions.js";
import { type ExperimentPlan, firstSeeds } from "./plan.js";

const names = z.array(z.string().min(1)).min(1);

const compareSchema = z.strictObject({
  title: z.string().min(1).default("Comparison"),
  /** As `--model` takes them, or `name=folder`. */
  models: names,
  tasks: names,
  /** As `--methods` takes them. */
  methods: names,
  /** Options of every run, in camel case: `data`, `epochs`, `train` and the columns of a file of one's own. */
  options: runConfigSchema
    .partial()
    .omit({ seed: true, model: true, task: true, output: true, checkpointEvery: true })
    .default({}),
  seeds: z.union([z.int().min(1), z.array(z.int().min(0)).min(1)]).optional(),
});

/**
 * @param options What the command line says stands above the file.
 * @throws RATError `ERR_RAT_CONFIG`.
 */
export function planCompare(
  file: Readonly<Record<string, unknown>>,
  options: Omit<ExperimentOptions, "seeds"> & { readonly seeds?: readonly number[] | undefined },
): ExperimentPlan {
  const {
    title,
    models,
    tasks,
    methods,
    options: ofFile,
    seeds = 3,
  } = parseOptions(compareSchema, file, "the comparison");
  const { data, ...given } = ofFile;
  return planMatrix(
    "compare",
    // Defaults of the schema are no overrides: only what the file names.
    { title, models, tasks, methods, options: pick(given, Object(Object(file).options)) },
    {
      ...options,
      data: options.data ?? data,
      seeds: options.seeds ?? (typeof seeds === "number" ? firstSeeds(seeds) : seeds),
    },
  );
}

function pick<T extends object>(values: T, named: object): Partial<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => Object.hasOwn(named, name)),
  ) as Partial<T>;
}
