/** Every method in every state, on the main thread, in a worker and in a process that is exiting. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

const script = join(import.meta.dirname, "matrix-child.mjs");

const all = (outcome: string) => ({ evaluate: outcome, predict: outcome, save: outcome });
const disposable = { dispose: "ok", asyncDispose: "ok" };

const expected = {
  trainers: {
    fresh: { fit: "ok", ...all("ok"), ...disposable },
    trained: { fit: "ok", ...all("ok"), ...disposable },
    busy: { fit: "ERR_RAT_BUSY", ...all("ERR_RAT_BUSY"), ...disposable },
    iterating: { fit: "ERR_RAT_BUSY", ...all("ERR_RAT_BUSY"), ...disposable },
    // What only reads may overlap.
    reading: { fit: "ERR_RAT_BUSY", ...all("ok"), ...disposable },
    aborted: { fit: "ok", ...all("ok"), ...disposable },
    failed: { fit: "ok", ...all("ok"), ...disposable },
    disposing: { fit: "ERR_RAT_DISPOSED", ...all("ERR_RAT_DISPOSED"), ...disposable },
    disposed: { fit: "ERR_RAT_DISPOSED", ...all("ERR_RAT_DISPOSED"), ...disposable },
  },
  classifiers: {
    fresh: { predict: "ok", ...disposable },
    busy: { predict: "ok", ...disposable },
    aborted: { predict: "ok", ...disposable },
    disposing: { predict: "ERR_RAT_DISPOSED", ...disposable },
    disposed: { predict: "ERR_RAT_DISPOSED", ...disposable },
  },
};

test("on the main thread", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual(expected);
});

test("in a worker", async () => {
  const worker = new Worker(script);
  const [message] = await once(worker, "message");
  expect(message).toEqual(expected);
  await worker.terminate();
});

test("while the process exits", () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, "exit"], {
    encoding: "utf8",
  });
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 7,
    signal: null,
    stdout: "called called ",
    stderr: "",
  });
});
