/**
 * What α means where. Repositories differ in how the divergence of two forwards becomes one number, and in what it stands
 * beside; a weight means something only together with both.
 */
import { invalidArgument } from "../errors.js";

/** Sizes that some conventions depend on. */
export interface AlphaSizes {
  /** Examples of a step, B. */
  readonly batchSize: number;
  /** Number of classes, C. */
  readonly classes: number;
}

interface Convention {
  readonly summary: string;
  /** What a weight of 1 is as a weight of ½ [KL + KL], mean over the batch, beside a mean cross-entropy. */
  readonly unit: (sizes: AlphaSizes) => number;
}

/** By name; the first three are those of `--kl-reduction`. */
export const ALPHA_CONVENTIONS = {
  "batch-mean": {
    summary: "R-AT's equations 7 and 9: mean over the batch of ½ [KL + KL], beside mean losses",
    unit: () => 1,
  },
  sum: { summary: "summed over the batch", unit: ({ batchSize }) => batchSize },
  "element-mean": {
    summary: "mean over batch and classes, as KLDivLoss(reduction='mean')",
    unit: ({ classes }) => 1 / classes,
  },
  "r-at-code": {
    summary: "R-AT's released code: ½ [KL + KL] summed over the batch",
    unit: ({ batchSize }) => batchSize,
  },
  "r-drop-paper": {
    summary:
      "R-Drop's equation 4: α/2 · [KL + KL] beside the sum of both cross-entropies, which is twice their mean",
    unit: () => 1 / 2,
  },
  "r-drop-code": {
    summary:
      "R-Drop's released code: ½ [KL + KL] summed over the batch, beside the mean of both cross-entropies",
    unit: ({ batchSize }) => batchSize,
  },
  r3f: { summary: "R3F's λ · [KL + KL], mean over the batch", unit: () => 2 },
  smart: { summary: "SMART's λ · [KL + KL], mean over the batch", unit: () => 2 },
} as const satisfies Record<string, Convention>;

export type AlphaConvention = keyof typeof ALPHA_CONVENTIONS;

/**
 * The weight that in `to` is what `alpha` is in `from`.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for an unknown convention, or a size that is none.
 */
export function convertAlpha(
  alpha: number,
  { from, to, ...sizes }: AlphaSizes & { readonly from: AlphaConvention; readonly to: AlphaConvention },
): number {
  if (!(Number.isFinite(alpha) && alpha >= 0))
    invalidArgument("alpha", "a finite number of at least 0", alpha);
  for (const [name, size] of Object.entries(sizes))
    if (!Number.isSafeInteger(size) || size < 1) invalidArgument(name, "a whole number above 0", size);
  return (alpha * unitOf("from", from, sizes)) / unitOf("to", to, sizes);
}

function unitOf(argument: string, name: AlphaConvention, sizes: AlphaSizes): number {
  if (!Object.hasOwn(ALPHA_CONVENTIONS, name))
    invalidArgument(argument, `one of ${Object.keys(ALPHA_CONVENTIONS).join(", ")}`, name);
  return ALPHA_CONVENTIONS[name].unit(sizes);
}
