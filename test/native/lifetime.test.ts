/** However a process, a worker or a trainer ends in mid-step: no crash, no hang, and nobody waits for a whole run. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** `kill` is sent as soon as the child says that it is training. */
function child(mode: string, kill?: NodeJS.Signals): Promise<Ending> {
  return new Promise((resolve) => {
    const args = ["--expose-gc", join(import.meta.dirname, "lifetime-child.mjs"), mode];
    const process_ = spawn(process.execPath, args, { timeout: 50_000, killSignal: "SIGKILL" });
    const ending: Ending = { code: null, signal: null, stdout: "", stderr: "" };
    process_.stdout.on("data", (data: Buffer) => {
      ending.stdout += data;
      if (kill) process_.kill(kill);
    });
    process_.stderr.on("data", (data: Buffer) => {
      ending.stderr += data;
    });
    process_.on("close", (code, signal) => resolve({ ...ending, code, signal }));
  });
}

describe("a process with a step under way", () => {
  test("ends with the code given to process.exit()", async () => {
    for (let i = 0; i < 3; i++)
      expect(await child("exit")).toMatchObject({ code: 7, signal: null, stderr: "" });
  });

  test("ends with that code, too, while its trainer is being disposed of", async () => {
    for (let i = 0; i < 2; i++)
      expect(await child("exit while disposing")).toMatchObject({ code: 7, signal: null, stderr: "" });
  });

  test("ends with code 1 after an uncaught exception", async () => {
    const ending = await child("throw");
    expect(ending).toMatchObject({ code: 1, signal: null });
    expect(ending.stderr).toContain("thrown while a step runs");
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends by %s, which the library leaves alone", async (signal) => {
    expect(await child("signal", signal)).toMatchObject({ code: null, signal });
  });

  test("stays until a promise that somebody waits for is settled, and then ends", async () => {
    expect(await child("unawaited end")).toMatchObject({ code: 0, stdout: "step done\n", stderr: "" });
  });

  test("is not kept alive by an idle trainer", async () => {
    expect(await child("idle")).toMatchObject({ code: 0, stdout: "step done\n", stderr: "" });
  });
});

describe("a trainer with a step under way", () => {
  test("can be disposed of: queued steps are aborted, later calls refused", async () => {
    const ending = await child("dispose in mid-step");
    expect(ending).toMatchObject({ code: 0, stderr: "" });
    expect(ending.stdout).toBe("ERR_RAT_ABORTED ERR_RAT_DISPOSED 0\n");
  });

  test("is not collected before its steps are done, and is afterwards", async () => {
    expect(await child("garbage in mid-step")).toMatchObject({
      code: 0,
      stdout: "live 0\n",
      stderr: "",
    });
  });

  test("leaves the event loop alone", async () => {
    // The best of three: the machine that runs this may be busy with something else.
    const gaps: number[] = [];
    for (let i = 0; i < 3 && !gaps.some((gap) => gap < 50); i++)
      gaps.push(Number((await child("event loop")).stdout));
    expect(Math.min(...gaps)).toBeLessThan(50);
  });
});

describe("worker threads", () => {
  test("can be terminated in mid-step, again and again", async () => {
    expect(await child("terminate workers")).toMatchObject({ code: 0, stdout: "terminated\n", stderr: "" });
  });

  test("can exit in mid-step", async () => {
    expect(await child("exit in a worker")).toMatchObject({ code: 0, stdout: "worker 3\n", stderr: "" });
  });

  test("train side by side and get the same losses", async () => {
    expect(await child("workers side by side")).toMatchObject({
      code: 0,
      stdout: "same losses\n",
      stderr: "",
    });
  });
});
