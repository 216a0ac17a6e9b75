// Whether an NVIDIA driver runs here, and which GPUs it sees.
import { existsSync, readFileSync } from "node:fs";
import { run } from "./run.mjs";

const KERNEL_MODULE = "/proc/driver/nvidia/version";

/** @returns {Promise<import("./probe.d.mts").Driver | undefined>} undefined without a driver */
export async function probeDriver(env = process.env) {
  const query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
  const { code, stdout } = await run("nvidia-smi", query, { env, timeoutMs: 30_000 });
  if (code === 0 && stdout.trim()) {
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(",").map((field) => field.trim()));
    return {
      version: rows[0]?.[2] ?? "unknown",
      gpus: rows.map(([name, mebibytes]) => ({ name: name ?? "", memoryBytes: Number(mebibytes) * 2 ** 20 })),
    };
  }
  // A container may have the driver but not the tool.
  if (!existsSync(KERNEL_MODULE)) return undefined;
  return {
    version: /\s(\d+\.\d+[.\d]*)\s/.exec(readFileSync(KERNEL_MODULE, "utf8"))?.[1] ?? "unknown",
    gpus: [],
  };
}
