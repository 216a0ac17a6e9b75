/** Reads a run's configuration from a YAML or JSON file (JSON is YAML, so one parser reads both). */
import { readFile } from "node:fs/promises";
import { withoutProvenance } from "../config/resolve.js";
import { RATError } from "../errors.js";
import { UsageError } from "./failure.js";

/**
 * The mapping in `path`, unchecked.
 *
 * @throws RATError `ERR_RAT_PATH` when the file cannot be read.
 * @throws UsageError `ERR_RAT_CONFIG` with the line when it is not YAML or JSON, or not a mapping.
 */
export async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const message = `The configuration ${path} cannot be read: ${(cause as Error).message}`;
    throw new RATError("ERR_RAT_PATH", message, { cause, details: { file: path } });
  }
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { prettyErrors: true });
  const error = document.errors[0];
  if (error) {
    const line = error.linePos?.[0].line ?? 1;
    const problem = error.message.split("\n")[0]?.replace(/ at line \d+, column \d+:?$/, "");
    throw new UsageError(`${path}:${line}: not valid YAML or JSON: ${problem}`, "ERR_RAT_CONFIG", error);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    const message = `${path}: not usable: ${(cause as Error).message}; write the values out, without aliases`;
    throw new UsageError(message, "ERR_RAT_CONFIG", cause);
  }
  if (value === null && text.trim() === "") return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const message = `${path}: expected a mapping of option names to values, as "epochs: 3"`;
    throw new UsageError(message, "ERR_RAT_CONFIG");
  }
  return withoutProvenance(value as Record<string, unknown>);
}
