/**
 * The two shapes of a configuration, made of the same records: flat, as flags and configuration files have it, and
 * nested, as the TypeScript API takes it.
 */
import { z } from "zod";
import { REGULARIZERS, type RegularizerDefinition } from "../regularizers/index.js";
import { OPTION_NAMES, OPTIONS, type OptionName, type Options, type Owner, windows } from "./options.js";

type FlatShape = { [Name in OptionName]: Options[Name]["flat"] };

/**
 * A run as flags or a configuration file describe it: keys are the flags in camel case. Defaults that hold for every
 * run are filled in here; those that depend on the regularizer or the model by `resolveRunConfig`.
 */
export const runConfigSchema = z.strictObject(
  Object.fromEntries(OPTION_NAMES.map((name) => [name, OPTIONS[name].flat])) as FlatShape,
);

/** What a caller writes: everything but `task` and `model` may be left out. */
export type RunConfig = z.input<typeof runConfigSchema>;
/** A name of {@link RunConfig}. */
export type RunConfigKey = keyof RunConfig;

type FlatShapeOf<O extends Owner> = {
  [Name in OptionName as Options[Name]["owner"] extends O ? Name : never]: Options[Name]["flat"];
};

/** Which task, and where its data are: what the commands that do not train take of a run. */
export const taskConfigSchema = z.strictObject({
  task: OPTIONS.task.flat,
  ...(Object.fromEntries(
    OPTION_NAMES.filter((name) => OPTIONS[name].owner === "task").map((name) => [name, OPTIONS[name].flat]),
  ) as FlatShapeOf<"task">),
});

type OwnedShape<O extends Owner> = {
  [Name in OptionName as Options[Name]["owner"] extends O ? Name : never]: z.ZodOptional<
    Options[Name]["schema"]
  >;
};

/** The options of one owner, none of which must be given. */
function shapeOf<O extends Owner>(owner: O): OwnedShape<O> {
  const own = OPTION_NAMES.filter((name) => OPTIONS[name].owner === owner);
  return Object.fromEntries(own.map((name) => [name, OPTIONS[name].schema.optional()])) as OwnedShape<O>;
}

type RegularizerMember<D extends RegularizerDefinition> = z.ZodObject<
  { type: z.ZodLiteral<D["type"]> } & {
    [Field in D["fields"][number]]: z.ZodOptional<Options[Field]["schema"]>;
  },
  z.core.$strict
>;
type RegularizerMembers<All extends readonly unknown[]> = {
  -readonly [I in keyof All]: All[I] extends RegularizerDefinition ? RegularizerMember<All[I]> : never;
};

/** R-AT and its relatives, each with the fields that it reads. */
export const regularizerSchema = z.discriminatedUnion(
  "type",
  REGULARIZERS.map(({ type, fields }) =>
    z.strictObject({
      type: z.literal(type),
      ...Object.fromEntries(fields.map((field) => [field, OPTIONS[field].schema.optional()])),
    }),
  ) as unknown as RegularizerMembers<typeof REGULARIZERS>,
);

/** Regularizers, told apart by `type`; what each does stands in its file under `lib/regularizers/`. */
export type Regularizer = z.input<typeof regularizerSchema>;

const recurrentSizes = {
  embeddingSize: OPTIONS.embeddingSize.flat,
  hiddenSize: OPTIONS.hiddenSize.flat,
  layers: OPTIONS.layers.flat,
};

/** A new model, or the folder of a trained one. */
export const modelSchema = z.union([
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("bilstm"), ...recurrentSizes }),
    z.strictObject({ type: z.literal("texthan"), ...recurrentSizes }),
    z.strictObject({
      type: z.literal("textcnn"),
      embeddingSize: OPTIONS.embeddingSize.flat,
      hiddenSize: OPTIONS.hiddenSize.flat,
      windows: windows.optional(),
    }),
  ]),
  z.strictObject({ path: z.string().min(1) }),
]);

/**
 * `{ type }` with sizes: a new model (defaults: 300-wide embeddings; bilstm 2 layers and texthan 1 layer of 128 units a
 * direction; textcnn 256 filters of each width 2, 3, 4). `{ path }`: the folder of a trained one, which training goes on from.
 */
export type ModelOptions = z.input<typeof modelSchema>;

const { optimizer, ...optimizerNumbers } = shapeOf("optimizer");

/** The part of the trainer's options that is plain data. */
export const trainerSettingsSchema = z.strictObject({
  model: modelSchema,
  regularizer: regularizerSchema.optional(),
  optimizer: z.strictObject({ type: optimizer, ...optimizerNumbers }).optional(),
  ...shapeOf("trainer"),
});
export type TrainerSettings = z.input<typeof trainerSettingsSchema>;

/** The part of `fit`'s options that is plain data. */
export const fitSettingsSchema = z.strictObject(shapeOf("fit"));
export type FitSettings = z.input<typeof fitSettingsSchema>;

/** How a model is loaded for use. */
export const classifierSettingsSchema = z.strictObject({
  device: OPTIONS.device.schema.optional(),
  precision: OPTIONS.precision.schema.optional(),
  threads: OPTIONS.threads.schema.optional(),
  threshold: OPTIONS.threshold.schema.optional(),
});
export type ClassifierSettings = z.input<typeof classifierSettingsSchema>;
