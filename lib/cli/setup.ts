/** `r-at setup`: finds or fetches LibTorch and builds the addon, exactly as `npm install` does. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { throwIfAborted } from "../errors.js";

const installer = fileURLToPath(new URL("../../native/install.mjs", import.meta.url));

/** Adds the command. It takes no `--json`: what it prints is the output of the build. */
export function defineSetup(program: Command, signal: AbortSignal): void {
  program
    .command("setup")
    .description("find or fetch LibTorch and build the native addon")
    .action(async () => {
      process.exitCode = await runInstaller(signal);
      throwIfAborted(signal);
    });
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
