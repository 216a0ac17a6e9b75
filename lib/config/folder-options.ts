/** Rules among the options about a run's folder, the same for a command line and for `fit`. */
import { configError } from "../errors.js";
import type { FitSettings } from "./schema.js";

/**
 * @throws RATError `ERR_RAT_CONFIG` for `resume` and `overwrite` together, and for an option that means nothing without
 *   `output`.
 */
export function checkFolderOptions(
  options: Pick<FitSettings, "output" | "resume" | "overwrite" | "checkpointEvery">,
): void {
  if (options.resume && options.overwrite) {
    throw configError(
      "resume",
      "`resume` and `overwrite` exclude each other: go on from the run, or replace it",
    );
  }
  const homeless = (["resume", "overwrite", "checkpointEvery"] as const).find((name) => options[name]);
  if (homeless && options.output === undefined)
    throw configError("output", `\`${homeless}\` needs \`output\`, the run's folder`);
}
