/** `r-at train tickets.csv`: everything that a file alone does not say, guessed and said. */
import { TASK_NAMES } from "../config/fields.js";
import { parseOptions } from "../config/parse.js";
import { type RunConfig, runConfigSchema } from "../config/schema.js";
import { refusalIsUsage, UsageError } from "./failure.js";
import { asUsage } from "./flags.js";
import { note } from "./output.js";

/** Share of the rows that is test where nothing else is. */
const TEST_SHARE = 0.1;

/** What a run on one file is unless flags or a configuration say otherwise: its data, and a TextCNN. */
export async function configOfFile(
  path: string,
  given: Partial<RunConfig>,
  signal: AbortSignal,
): Promise<Partial<RunConfig>> {
  const data = await dataOfFile(path, given, signal);
  const model = given.model ?? "textcnn";
  if (given.model === undefined)
    note(`model: ${model}, trained from nothing (--model takes a pretrained folder, or one of the hub)`);
  return { ...data, model };
}

/**
 * The data of a file: a custom task whose columns are guessed, a tenth of the rows as dev and one as test.
 *
 * @throws UsageError when a column cannot be guessed, or the file is named twice.
 */
export async function dataOfFile(
  path: string,
  given: Partial<RunConfig>,
  signal: AbortSignal,
): Promise<Partial<RunConfig>> {
  if (given.train !== undefined || given.data !== undefined)
    throw new UsageError("Expected either a file, or --data or --train, but received both");
  if (given.task !== undefined && given.task !== "custom")
    throw new UsageError(
      `A file alone is a custom task; name the files of ${given.task} with --data or --train`,
    );
  if (TASK_NAMES.some((name) => name === path))
    throw new UsageError(`Expected a file but received a task; use --task ${path} --data FOLDER`);
  // Before the file is read.
  asUsage(() => parseOptions(runConfigSchema.partial(), given, "the command line"));
  const { guessColumns } = await import("../datasets/guess-columns.js");
  const { textColumn, pairColumn, labelColumn, delimiter, skipBadRows } = given;
  const isIndexed = [textColumn, pairColumn, labelColumn].some(
    (column) => column !== undefined && /^\d+$/.test(column),
  );
  const columns = isIndexed
    ? {}
    : await refusalIsUsage(
        guessColumns(path, {
          ...{ textColumn, pairColumn, labelColumn, delimiter, signal },
          // They are told of when the file is read.
          ...(skipBadRows && { onBadRow: () => undefined }),
        }),
      );
  const held = given.test === undefined && given.testShare === undefined ? { testShare: TEST_SHARE } : {};
  for (const line of describe({ ...columns, ...held })) note(line);
  return { task: "custom", train: path, ...held, ...columns };
}

function describe(chosen: Partial<RunConfig>): string[] {
  const { textColumn, pairColumn, labelColumn, testShare } = chosen;
  const columns = [
    ["text", textColumn],
    ["pair", pairColumn],
    ["label", labelColumn],
  ].filter(([, name]) => name !== undefined);
  return [
    ...(columns.length > 0
      ? [
          `columns: ${columns.map(([what, name]) => `${what} = ${name}`).join(", ")} (--text-column, --label-column)`,
        ]
      : []),
    ...(testShare === undefined
      ? []
      : ["a tenth of the rows is held out as test, a tenth of the others as dev (--test, --dev)"]),
  ];
}
