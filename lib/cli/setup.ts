/** `r-at setup`: finds or fetches LibTorch and builds the native addon, exactly as `npm install` does. */
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { cacheFolder, sizeOf } from "../../native/setup/cache.mjs";
import { RATError, throwIfAborted } from "../errors.js";
import { print } from "./output.js";

const installer = fileURLToPath(new URL("../../native/install.mjs", import.meta.url));

/** Adds the command. It takes no `--json`: what it prints is the output of the build. */
export function defineSetup(program: Command, signal: AbortSignal): void {
  program
    .command("setup")
    .description("find or fetch LibTorch and build the native addon")
    .option("--remove", "delete the cache folder, where a fetched LibTorch lies, and build nothing")
    .action(async (flags: { remove?: boolean }) => {
      if (flags.remove) return removeCache();
      process.exitCode = await runInstaller(signal);
      throwIfAborted(signal);
    });
}

/** Models and data sets of the hub are elsewhere, in the cache that Python shares. */
async function removeCache(): Promise<void> {
  const folder = cacheFolder();
  const bytes = sizeOf(folder);
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const details = { file: folder };
    throw new RATError("ERR_RAT_PATH", `${folder} cannot be deleted: ${reason}`, { cause, details });
  }
  await print(
    bytes === 0
      ? `There is nothing in ${folder}`
      : `Deleted ${folder}, ${(bytes / 1e9).toFixed(1)} GB; r-at setup fetches what it needs again`,
  );
}

/** The installer's exit code, passed on as it is; a signal reaches it through the process group as well. */
function runInstaller(signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [installer, "--force"], { stdio: "inherit" });
    signal.addEventListener("abort", () => child.kill(), { once: true });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
