/** Every method of a step, with dropout, and what changes its arithmetic: scope, starts, several ε, the reduction of the KL. */
import type { NativeRegularizerOptions } from "#dist/native/binding.js";

const RATE = 0.3;

const two = { forwards: 2, klWeight: 0.7, cleanDropout: RATE, forwardDropout: [RATE, 0.5] } as const;
const climb = {
  ...{ epsilon: [1], ascentSteps: 3, stepSize: 0.5 },
  ...{ cleanDropout: RATE, forwardDropout: [0.5] },
} as const;
export const methods: Record<string, Partial<NativeRegularizerOptions>> = {
  none: { type: "none", cleanDropout: RATE },
  fgm: { type: "fgm", epsilon: [2], cleanDropout: RATE, forwardDropout: [0.5] },
  "r-drop": { ...two, type: "r-drop" },
  "r-at": { ...two, type: "r-at", epsilon: [1, 3] },
  "r-at of eight": {
    ...{ type: "r-at", forwards: 8, klWeight: 0.7, consistency: "js", cleanDropout: RATE },
    ...{
      epsilon: [0.1, 0.2, 0, 0.05, 0.3, 0.1, 0.01, 0.2],
      forwardDropout: [0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4],
    },
  },
  "r-at, KL summed": { ...two, type: "r-at", epsilon: [2], klReduction: "sum" },
  "r-at, KL by element": { ...two, type: "r-at", epsilon: [2], klReduction: "element-mean" },
  pgd: { ...climb, type: "pgd", scope: "example" },
  "pgd, by matrix": { ...climb, type: "pgd" },
  freelb: { ...climb, type: "freelb", scope: "example" },
  "freelb, by matrix": { ...climb, type: "freelb" },
  "freelb from noise, same masks": {
    ...{ ...climb, type: "freelb", scope: "example" },
    ...{
      epsilon: [0.3],
      stepSize: 0.2,
      ascentInit: "uniform",
      sameMasks: true,
      sparedTokens: Int32Array.of(2, 5),
    },
  },
  "pgd from noise, by matrix": {
    ...climb,
    type: "pgd",
    ascentInit: "uniform",
    sparedTokens: Int32Array.of(2, 5),
  },
  r3f: { ...climb, type: "r3f", klWeight: 0.7, epsilon: [0.3] },
  smart: { ...climb, type: "smart", klWeight: 0.7, scope: "example" },
  "smart with Bregman": {
    ...{ ...climb, type: "smart", klWeight: 0.7, scope: "example" },
    ...{ bregmanWeight: 0.8, bregmanDecay: 0.5 },
  },
  "smart, by matrix": { ...climb, type: "smart", klWeight: 0.7, consistency: "js" },
  "r-at, by example": { ...two, type: "r-at", epsilon: [0.5, 1], scope: "example" },
};
