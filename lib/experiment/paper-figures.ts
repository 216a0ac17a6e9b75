/**
 * Published figures that stand beside the measured ones. The package has none: whoever has the paper types the table once, as
 *
 *     textcnn:
 *       R-AT: { imdb: 90.1, agnews: 92.3 }
 */
import { z } from "zod";
import { parseOptions } from "../config/parse.js";

/** Percent, by model, method and column, as the table names them. */
export type PaperFigures = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>
>;

const schema = z.record(
  z.string(),
  z.record(z.string(), z.record(z.string(), z.number().min(-100).max(100))),
);

/** @throws RATError `ERR_RAT_CONFIG`. */
export function parsePaperFigures(raw: unknown): PaperFigures {
  return parseOptions(schema, raw, "the published figures");
}
