/** Which device and how many threads a trainer gets, and what to tell the user about it. */
import { configError, RATError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { NativeBuildInfo, Precision } from "../native/binding.js";

/** A choice with what should be said about it. */
export interface DeviceChoice {
  /** `cpu` or `cuda:N`; `cuda-sim:N` where the device is simulated. */
  readonly device: string;
  /** Set when the choice is not what it seems to be. */
  readonly warning?: string;
}

/**
 * Turns `auto`, `cpu`, `cuda` or `cuda:N` into a device: `auto` takes the first GPU where there is one.
 *
 * @throws RATError `ERR_RAT_DEVICE` when a GPU is asked for that is not there.
 */
export function chooseDevice(requested: string, build: NativeBuildInfo): DeviceChoice {
  const gpus = build.cudaDevices.length;
  if (requested === "cpu") return { device: "cpu" };
  if (requested === "auto") {
    if (gpus > 0) return gpu(0, build);
    if (!build.cudaBuild) return { device: "cpu" };
    return {
      device: "cpu",
      warning:
        "THE CPU IS USED ALTHOUGH THIS BUILD HAS CUDA: no usable GPU was found. `npx r-at doctor` says why; device cpu silences this",
    };
  }
  const [type, index = 0] = requested.split(":");
  if (type === SIMULATED && !build.simulated)
    throw unusable(requested, "it is simulated, in the tests of r-at alone");
  if (!build.cudaBuild) throw unusable(requested, "this build of r-at has no CUDA");
  if (Number(index) >= gpus)
    throw unusable(requested, `this machine has ${gpus} usable GPU${gpus === 1 ? "" : "s"}`);
  return gpu(Number(index), build);
}

function unusable(requested: string, why: string): RATError {
  return new RATError(
    "ERR_RAT_DEVICE",
    `Device ${requested} cannot be used: ${why}. Use device cpu or auto, or see npx r-at doctor`,
  );
}

const SIMULATED = "cuda-sim";

function gpu(index: number, { simulated }: NativeBuildInfo): DeviceChoice {
  if (!simulated) return { device: `cuda:${index}` };
  const device = `${SIMULATED}:${index}`;
  return {
    device,
    warning: `THE DEVICE ${device} IS SIMULATED ON THE CPU, for the tests of r-at: its times mean nothing`,
  };
}

/**
 * Keeps what was measured on a simulated device out of benchmarks and reports.
 *
 * @param device - As a summary names it.
 * @throws RATError `ERR_RAT_DEVICE`.
 */
export function requireRealDevice(device: string): void {
  if (!device.startsWith(SIMULATED)) return;
  throw new RATError(
    "ERR_RAT_DEVICE",
    `${device} is simulated on the CPU: nothing that was measured on it can be reported`,
  );
}

/** Compute capability from which on a GPU has bf16 and TF32: Ampere. */
const AMPERE = 8;

/**
 * Turns a precision that may not be given into one that the device has: by default encoders on a GPU take bf16.
 *
 * @throws RATError `ERR_RAT_CONFIG` for `tf32` where there is none.
 */
export function choosePrecision(
  requested: Precision | undefined,
  device: string,
  isEncoder: boolean,
  { cudaDevices }: NativeBuildInfo,
): Precision {
  const [, index] = device.split(":");
  const capability = index === undefined ? undefined : cudaDevices[Number(index)]?.capability;
  const isAmpere = Number(capability ?? 0) >= AMPERE;
  if (requested === undefined) return isAmpere && isEncoder ? "bf16" : "fp32";
  if (requested !== "tf32" || isAmpere) return requested;
  const why = capability === undefined ? `on ${device}` : `on a GPU of compute capability ${capability}`;
  throw configError("precision", `tf32 is not there ${why}; use fp32`);
}

/** Says what must be heard, if there is anything: without a logger as a warning of the process, never not at all. */
export function announce(warning: string | undefined, logger: Logger | undefined): void {
  if (warning === undefined) return;
  if (logger) logger.warn(warning);
  else process.emitWarning(warning, "RATWarning");
}

/**
 * Compute threads of a new trainer. Every trainer has a team of its own, and two teams on the same cores slow each other
 * down, so the default divides the cores among the live trainers.
 */
export function chooseThreads(requested: number | undefined, cores: number, liveTrainers: number): number {
  return requested ?? Math.max(1, Math.floor(cores / (liveTrainers + 1)));
}
