/** What a result depends on besides the code: the machine, versions, the commit, and what else the machine was doing. */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import type { NativeBuildInfo } from "#dist/native/binding.js";
import type { Python } from "./python.js";

const ROOT = join(import.meta.dirname, "..");

export interface Host {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly cpuCapability: string;
  readonly gpu: string | null;
  readonly driver: string | null;
}

export function describeHost(build: NativeBuildInfo): Host {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryBytes: totalmem(),
    cpuCapability: build.cpuCapability,
    gpu: build.cudaDevices[0]?.name ?? null,
    driver: nvidia("driver_version")[0] ?? null,
  };
}

export function describeVersions(build: NativeBuildInfo, python: Python | undefined) {
  return {
    node: process.versions.node,
    libtorch: build.libtorchVersion,
    torch: python?.torch ?? null,
    transformers: python?.transformers ?? null,
  };
}

/** With `+changes` where the tree is not that of the commit; null outside a repository. */
export function describeCommit(): string | null {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+changes");
  } catch {
    return null;
  }
}

/** One value for each GPU; empty without nvidia-smi. */
function nvidia(query: string): string[] {
  try {
    const args = [`--query-gpu=${query}`, "--format=csv,noheader"];
    return execFileSync("nvidia-smi", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000,
    })
      .trim()
      .split("\n");
  } catch {
    return [];
  }
}

/** Why times that are taken now could not be trusted. */
export function doubtsAbout(busy: number): string[] {
  const doubts: string[] = [];
  const load = loadavg()[0] ?? 0;
  if (load > busy + 0.7) doubts.push(`other processes run: the load is ${load.toFixed(1)}`);
  const throttled = nvidia("clocks_event_reasons.active").filter((value) => limits(value));
  if (throttled.length > 0) doubts.push("the GPU is held back by its power or thermal limit");
  return doubts;
}

/** Bits of nvidia-smi's reasons that slow a GPU down: power cap, hardware slowdown, thermal slowdown, power brake. */
const LIMITS = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;
export const limits = (reasons: string): boolean => (Number(reasons) & LIMITS) !== 0;
