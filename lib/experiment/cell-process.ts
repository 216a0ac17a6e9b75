/**
 * One training of an experiment in a process of its own: what it takes of memory is its own, and a crash ends nothing else.
 * Started by run-cell.ts; the configuration comes as the first message, and what happens goes back in messages.
 */
import type { TrainSummary } from "../run/events.js";

/** What the process says. */
export type CellMessage =
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "done"; readonly summary: TrainSummary }
  | { readonly type: "failed"; readonly code: string; readonly message: string };

const stop = new AbortController();
// Whoever started it is gone, or wants it to stop; a checkpoint is written on the way out if there are any.
// Heard from the first moment on, so everything else is imported later: an orphan would train on, and hold the folder.
process.on("disconnect", () => process.exit(1));
if (!process.connected) process.exit(1);
process.on("SIGTERM", () => stop.abort());
process.on("SIGINT", () => {}); // a terminal sends it to both: the other one decides

const send = (message: CellMessage) =>
  new Promise<void>((resolve) => process.send?.(message, undefined, undefined, () => resolve()));

process.once("message", async (raw: Record<string, unknown>) => {
  const [{ resolveRunConfig }, { loadTask }, { fromNative }, { taskOptions }, { trainFromConfig }] =
    await Promise.all([
      import("../config/resolve.js"),
      import("../datasets/load-task.js"),
      import("../errors.js"),
      import("../pipeline/options.js"),
      import("../pipeline/train.js"),
    ]);
  try {
    const config = resolveRunConfig(raw);
    const { signal } = stop;
    const task = await loadTask(config.task, { ...taskOptions(config), signal });
    const warn = (message: string) => void send({ type: "warning", message });
    await trainFromConfig(
      config,
      task,
      {
        signal,
        logger: { info: () => {}, warn },
        onProgress: ({ stage, done = 0, total = 0 }) => {
          if (stage === "training") void send({ type: "progress", done, total });
        },
      },
      ({ summary }) => send({ type: "done", summary }),
    );
  } catch (error) {
    const { code, message } = fromNative(error);
    await send({ type: "failed", code, message });
  }
  process.exit(0);
});
