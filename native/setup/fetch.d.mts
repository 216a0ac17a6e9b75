import type { Driver, LibTorch, Python, Toolchain } from "./probe.d.mts";

/** One way to get a wheel: what it is, its GB to fetch and on disk, and pip's arguments. */
export interface WheelPlan {
  readonly what: string;
  readonly size: readonly [number, number];
  readonly args: readonly string[];
}

export function wheelPlans(machine: { cuda: boolean; pythonVersion: string; platform?: string }): WheelPlan[];
export function fetchLibTorch(context: {
  env: NodeJS.ProcessEnv;
  python: Python | undefined;
  driver: Driver | undefined;
  tools: Toolchain;
  again: string;
  say: (message: string) => void;
}): Promise<{ from: string; libtorch: LibTorch }>;
