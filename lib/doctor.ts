/**
 * What this machine has and what the addon makes of it: the answer to "why does it not run, or not on the GPU?". Works
 * when the addon has not been built: that is when it is needed.
 */
import { availableParallelism } from "node:os";
import { sep } from "node:path";
import { type Candidate, type Machine, probeMachine, ROOT } from "../native/setup/probe.mjs";
import { readStamp } from "../native/setup/stamp.mjs";
import type { NativeBinding, NativeBuildInfo } from "./native/binding.js";
import { addonFolder, loadAddon } from "./native/load.js";
import { VERSION } from "./version.js";

/** How much a remark matters: `problem`: nothing works; `warning`: works, but not as the machine could; `hint`. */
export type AdviceLevel = "problem" | "warning" | "hint";

/** Something that would make it better, with the command or variable that does it. */
export interface Advice {
  readonly level: AdviceLevel;
  readonly message: string;
}

/** A program and its version; null where it was not found. */
export type FoundTool = { readonly path: string; readonly version: string } | null;

/** All of it; every field is there, null where there is nothing. */
export interface Diagnosis {
  /** Whether the package can train and predict here. */
  readonly ok: boolean;
  readonly package: { readonly version: string; readonly folder: string };
  readonly node: { readonly version: string; readonly supported: boolean; readonly platform: string };
  /** The LibTorch that set-up would build against now; null if it would have to fetch one. */
  readonly libtorch: {
    readonly version: string;
    readonly path: string;
    /** `RAT_LIBTORCH`, `LIBTORCH`, `python3 (path)` or `cache`. */
    readonly from: string;
    readonly cuda: boolean;
    /** Whether the project is tested with this version. */
    readonly tested: boolean;
  } | null;
  /** Every place that was looked at, in order, and why it was taken or passed over. */
  readonly candidates: readonly {
    readonly from: string;
    readonly path: string;
    readonly version: string;
    readonly taken: boolean;
    readonly reason: string;
  }[];
  readonly tools: Readonly<Record<"compiler" | "cmake" | "ninja" | "make" | "nvcc" | "python", FoundTool>>;
  /** The NVIDIA driver and its GPUs; null without a driver. */
  readonly driver: {
    readonly version: string;
    readonly gpus: readonly { readonly name: string; readonly memoryBytes: number }[];
  } | null;
  readonly addon: {
    readonly folder: string;
    /** The LibTorch it was built against; null if it has not been built. */
    readonly libtorch: { readonly version: string; readonly path: string } | null;
    /** When it was built, ISO 8601. */
    readonly built: string | null;
    readonly loadable: boolean;
    /** Why it cannot be loaded. */
    readonly error: string | null;
    /** What it says of itself; null if it cannot be loaded. */
    readonly info: NativeBuildInfo | null;
  };
  /** Hardware threads, and how many a trainer takes when it is the only one. */
  readonly threads: { readonly hardware: number; readonly perTrainer: number };
  readonly cache: {
    readonly folder: string;
    readonly bytes: number;
    readonly copies: readonly { readonly path: string; readonly bytes: number }[];
  };
  readonly advice: readonly Advice[];
}

/** Looks at everything. Takes about a second, most of it loading the addon and asking python3. */
export async function diagnose(): Promise<Diagnosis> {
  const machine = await probeMachine();
  const { tools, python, chosen } = machine;
  const stamp = readStamp(addonFolder());
  const loaded = tryAddon();
  const hardware = availableParallelism();
  const facts = {
    package: { version: VERSION, folder: ROOT },
    node: {
      version: process.versions.node,
      supported: isNodeSupported(process.versions.node),
      platform: `${process.platform}-${process.arch}`,
    },
    libtorch: chosen ? { ...describe(chosen), cuda: chosen.libtorch.cuda, tested: machine.tested } : null,
    candidates: machine.candidates.map((candidate) => ({
      ...describe(candidate),
      taken: candidate.taken,
      reason: candidate.reason,
    })),
    tools: {
      compiler: found(tools.compiler),
      cmake: found(tools.cmake),
      ninja: found(tools.ninja),
      make: found(tools.make),
      nvcc: found(tools.nvcc),
      python: python ? { path: python.executable, version: python.version } : null,
    },
    driver: machine.driver ?? null,
    addon: {
      folder: addonFolder(),
      libtorch: stamp ? { version: stamp.version, path: stamp.libtorch } : null,
      built: stamp?.built ?? null,
      loadable: loaded.info !== null,
      ...loaded,
    },
    threads: { hardware, perTrainer: hardware },
    cache: {
      ...machine.cache,
      bytes: machine.cache.copies.reduce((sum, copy) => sum + copy.bytes, 0),
    },
  };
  const advice = advise(machine, facts);
  return { ok: advice.every(({ level }) => level !== "problem"), ...facts, advice };
}

function tryAddon(): { info: NativeBuildInfo | null; error: string | null } {
  try {
    // Not native(): that one remembers an addon it once loaded, and this looks at what is there now.
    return { info: (loadAddon() as NativeBinding).buildInfo(), error: null };
  } catch (error) {
    return { info: null, error: error instanceof Error ? error.message : String(error) };
  }
}

/** The `engines` of package.json: `^20.19 || >=22.12`. */
function isNodeSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

function describe({ from, path, libtorch }: Candidate): { from: string; path: string; version: string } {
  return { from, path, version: libtorch.version };
}

function found(tool: { readonly path: string; readonly version: string } | undefined): FoundTool {
  return tool ? { path: tool.path, version: tool.version } : null;
}

type Facts = Omit<Diagnosis, "ok" | "advice">;

/** What is wrong or could be better, worst first. */
function advise(machine: Machine, facts: Facts): Advice[] {
  const { addon, driver, node, tools, libtorch } = facts;
  const advice: Advice[] = [];
  const add = (level: AdviceLevel, message: string) => void advice.push({ level, message });

  if (!node.supported)
    add("problem", `Node ${node.version} is not supported: use 20.19 or newer, or 22.12 or newer.`);
  if (machine.problem) add("problem", `${machine.problem.message} Run: ${machine.problem.remedy}`);
  if (addon.error !== null) {
    add("problem", sentence(addon.error));
    if (!tools.compiler)
      add("problem", "There is no C++ compiler, which set-up needs: install g++ 11 or newer.");
    if (!tools.cmake) add("problem", "There is no cmake, which set-up needs: install cmake 3.20 or newer.");
    if (!tools.ninja && !tools.make)
      add("problem", "There is neither ninja nor make, one of which set-up needs.");
    if (!libtorch && !machine.python?.pip) {
      add(
        "problem",
        "There is no LibTorch, and no python3 with pip to fetch it: install one, or set RAT_LIBTORCH.",
      );
    }
  }
  for (const message of gpuWarnings(machine, addon.info)) add("warning", message);
  if (libtorch && !libtorch.tested)
    add("warning", `LibTorch ${libtorch.version} is supported but not tested.`);

  if (addon.libtorch && libtorch && addon.libtorch.path !== libtorch.path) {
    add(
      "hint",
      `The addon uses ${addon.libtorch.path}; npx r-at setup would now build against ${libtorch.path}.`,
    );
  }
  if (!tools.ninja) add("hint", "ninja builds faster than make: install ninja-build.");
  if (addon.info && process.arch === "x64" && !addon.info.cpuCapability.startsWith("AVX")) {
    add(
      "hint",
      `LibTorch uses its ${addon.info.cpuCapability} kernels: this processor has no AVX2, or it is masked.`,
    );
  }
  const used = [addon.libtorch?.path, libtorch?.path];
  const unused = machine.cache.copies.filter(({ path }) => !used.some((one) => one?.startsWith(path + sep)));
  if (addon.loadable && unused.length > 0) {
    const bytes = unused.reduce((sum, copy) => sum + copy.bytes, 0);
    const folders = unused.map(({ path }) => `'${path}'`).join(" ");
    add("hint", `${gigabytes(bytes)} in the cache are not used: rm -r ${folders}`);
  }
  if (driver && driver.gpus.length === 0) add("hint", "nvidia-smi is missing or lists no GPU.");
  return advice;
}

/** A build that cannot use the GPU must not look like one that can. */
function gpuWarnings(machine: Machine, info: NativeBuildInfo | null): string[] {
  if (info?.simulated)
    return ["THE CUDA DEVICES ARE SIMULATED ON THE CPU, for the tests of r-at: times mean nothing."];
  const hasGpu = machine.driver !== undefined;
  if (!info) return hasGpu && machine.cuda?.warn ? [`THE GPU WOULD NOT BE USED: ${machine.cuda.reason}`] : [];
  if (info.cudaBuild && info.cudaDevices.length === 0) {
    const why = hasGpu
      ? "the driver is there, but CUDA does not start: is it older than LibTorch's CUDA, or CUDA_VISIBLE_DEVICES empty?"
      : "there is no NVIDIA driver.";
    return [`THIS IS A CUDA BUILD THAT FALLS BACK TO THE CPU: ${why}`];
  }
  if (!info.cudaBuild && hasGpu) {
    const why = machine.cuda?.cuda
      ? "run npx r-at setup to build with CUDA."
      : (machine.cuda?.reason ?? "no LibTorch.");
    return [`THE GPU IS NOT USED, this is a CPU-only build: ${why}`];
  }
  return [];
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return capital.endsWith(".") ? capital : `${capital}.`;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** The diagnosis for people: one fact a line, then what would make it better. Ends without a line break. */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const { addon, cache, driver, libtorch, node, tools } = diagnosis;
  const rows: [string, string][] = [
    ["r-at", `${diagnosis.package.version} (${diagnosis.package.folder})`],
    ["Node", `${node.version}, ${node.platform}${node.supported ? "" : " (NOT SUPPORTED)"}`],
  ];
  for (const { from, path, version, taken, reason } of diagnosis.candidates) {
    rows.push(
      ["LibTorch", `${version} from ${from}: ${taken ? "taken" : "passed over"}; ${reason}`],
      ["", path],
    );
  }
  if (libtorch) rows.push(["", `${libtorch.cuda ? "CUDA" : "CPU"} build of LibTorch`]);
  else rows.push(["LibTorch", "none that fits; set-up would fetch one"]);
  for (const [name, tool] of Object.entries(tools)) {
    rows.push([name, tool ? `${tool.version} (${tool.path})` : "not found"]);
  }
  rows.push(["driver", driver ? `NVIDIA ${driver.version}` : "no NVIDIA driver"]);
  for (const { name, memoryBytes } of driver?.gpus ?? [])
    rows.push(["GPU", `${name}, ${gigabytes(memoryBytes)}`]);
  rows.push(["addon", renderAddon(addon)]);
  rows.push([
    "threads",
    `${diagnosis.threads.hardware} hardware threads, shared out among the live trainers`,
  ]);
  rows.push(["cache", `${cache.folder}, ${gigabytes(cache.bytes)}`]);
  for (const { path, bytes } of cache.copies) rows.push(["", `${path}, ${gigabytes(bytes)}`]);

  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const marks: Record<AdviceLevel, string> = { problem: "PROBLEM", warning: "WARNING", hint: "hint" };
  for (const { level, message } of diagnosis.advice) lines.push("", `${marks[level]}: ${message}`);
  lines.push("", diagnosis.ok ? "Ready." : "Not ready.");
  return lines.join("\n");
}

function renderAddon({ info, libtorch, built }: Diagnosis["addon"]): string {
  if (!info) return "not loadable";
  const name = (device: string, index: number) => (info.simulated ? `cuda-sim:${index}` : device);
  const devices =
    info.cudaDevices.map((device, i) => `${name(device.name, i)} (${device.capability})`).join(", ") ||
    "no GPU";
  const kind = info.cudaBuild ? `CUDA build, ${devices}` : "CPU build";
  return `${kind}, LibTorch ${info.libtorchVersion}, ${info.cpuCapability}, built ${built ?? "?"} against ${libtorch?.path ?? "?"}`;
}
