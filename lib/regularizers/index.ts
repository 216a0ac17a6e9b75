/** The regularizers: a new one is a file here, one in `native/objective/regularizers/`, and a line in each list. */
import { fgm } from "./fgm.js";
import { freelb } from "./freelb.js";
import { none } from "./none.js";
import { pgd } from "./pgd.js";
import { rAt } from "./r-at.js";
import { rDrop } from "./r-drop.js";
import { r3f } from "./r3f.js";
import { smart } from "./smart.js";

export { REGULARIZER_FIELDS, type RegularizerDefinition, type RegularizerField } from "./definition.js";

export const REGULARIZERS = [none, fgm, pgd, freelb, rDrop, rAt, r3f, smart] as const;

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
