/** Names of presets; `presets.ts` has their options. */
export const PRESET_NAMES = ["paper", "released-code", "strong-baseline", "roberta-large", "table7"] as const;
export type PresetName = (typeof PRESET_NAMES)[number];
