/** Maps the addon and LibTorch into the process, from a thread that nobody waits for; see `preloadAddon` in `load.ts`. */
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";

try {
  createRequire(import.meta.url)(workerData as string);
} catch {
  // The main thread's own attempt says what is wrong.
}
// Stays until it is terminated: an addon that no thread holds is unmapped again.
parentPort?.on("message", () => {});
parentPort?.postMessage("loaded");
