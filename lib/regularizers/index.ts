/** The regularizers: a new one is a file here, one in `native/objective/regularizers/`, and a line in each list. */
import { fgm } from "./fgm.js";
import { none } from "./none.js";
import { rAt } from "./r-at.js";
import { rDrop } from "./r-drop.js";

export type { RegularizerDefinition, RegularizerField } from "./definition.js";

export const REGULARIZERS = [none, fgm, rDrop, rAt] as const;

export type RegularizerType = (typeof REGULARIZERS)[number]["type"];
export const REGULARIZER_TYPES = REGULARIZERS.map(({ type }) => type) as [
  RegularizerType,
  ...RegularizerType[],
];

export function regularizerOf(type: RegularizerType): (typeof REGULARIZERS)[number] {
  const found = REGULARIZERS.find((definition) => definition.type === type);
  if (found === undefined) throw new TypeError(`there is no regularizer ${type}`);
  return found;
}
