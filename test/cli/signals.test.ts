/** SIGINT and SIGTERM in mid-training: a checkpoint, the exit code, and a run that goes on as if nothing had happened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseOnlyLine, type Running, run, start, temporaryFolder, toyRun, writeToyTask } from "./cli.js";

let folder: string;
let clean: () => Promise<void>;
beforeAll(async () => {
  ({ folder, clean } = await temporaryFolder());
  await writeToyTask(folder, 512);
});
afterAll(() => clean());

/** Long enough that a signal arrives in its middle on any machine; `maxSteps` of the resumed run ends it soon. */
const longRun = (output: string, ...more: string[]) =>
  start(toyRun(folder, output, ["--max-steps", "1000000", "--eval-every", "20", ...more]));

/** Resolves when the first evaluation has been reported, so that training is under way. */
async function underWay({ child }: Running): Promise<void> {
  let text = "";
  while (!/ dev: /.test(text)) {
    const [chunk] = (await once(child.stderr, "data")) as [Buffer];
    text += String(chunk);
  }
}

describe.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s in mid-training", (signal, exitCode) => {
  it(`exits with ${exitCode}, one object on stdout and a checkpoint`, async () => {
    const output = join(folder, signal);
    const running = longRun(output, "--json");
    await underWay(running);
    running.child.kill(signal);
    const { code, stdout, stderr } = await running.outcome;
    expect(code).toBe(exitCode);
    expect(parseOnlyLine(stdout)).toEqual({
      error: { code: "ERR_RAT_ABORTED", message: expect.any(String) },
    });
    expect(stderr).toContain(signal);
    // The folder's name has a blank.
    expect(stderr).toContain(
      `To go on from the last checkpoint: r-at train --config '${join(output, "config.json")}' --resume`,
    );
    expect(await readdir(join(output, "checkpoints"))).toEqual([expect.stringMatching(/^step-\d+$/)]);
    expect(await readdir(output)).not.toContain("summary.json");
  });

  it("goes on with --resume to the very weights of a run that was never stopped", async () => {
    const output = join(folder, signal);
    const [checkpoint = ""] = await readdir(join(output, "checkpoints"));
    const steps = String(Number(checkpoint.replace("step-", "")) + 7);
    const course = ["--max-steps", steps, "--eval-every", "20", "--json"];
    const whole = join(folder, `${signal}-whole`);
    const resumed = await run(toyRun(folder, output, [...course, "--resume"]));
    const uninterrupted = await run(toyRun(folder, whole, course));
    expect([resumed.code, uninterrupted.code]).toEqual([0, 0]);
    expect(parseOnlyLine(resumed.stdout)).toMatchObject({ steps: Number(steps) });
    expect(await readFile(join(output, "log.jsonl"), "utf8")).toBe(
      await readFile(join(whole, "log.jsonl"), "utf8"),
    );
    const weights = (path: string) => readFile(join(path, "model", "model.safetensors"));
    expect((await weights(output)).equals(await weights(whole))).toBe(true);
  });
});

describe("a second signal", () => {
  it("that is the echo of the first does not cost the checkpoint", async () => {
    const running = longRun(join(folder, "echo"));
    await underWay(running);
    running.child.kill("SIGINT");
    running.child.kill("SIGINT"); // npm and npx pass on what the terminal has sent already
    expect((await running.outcome).code).toBe(130);
    expect(await readdir(join(folder, "echo", "checkpoints"))).toHaveLength(1);
  });

  it("ends at once what does not heed the first", async () => {
    const signals = new URL("../../dist/cli/signals.js", import.meta.url);
    const script = `import { Signals } from ${JSON.stringify(signals.href)};
      const signals = new Signals((signal) => console.log(signal, signals.exitCode));
      signals.signal.addEventListener("abort", () => console.log("aborted"));
      setInterval(() => {}, 1000);
      console.log("ready");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
    const closed = once(child, "close");
    expect(String(await once(child.stdout, "data"))).toBe("ready\n");
    child.kill("SIGINT");
    expect(String(await once(child.stdout, "data"))).toMatch(/^SIGINT 130\n/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(child.exitCode).toBeNull();
    child.kill("SIGTERM");
    expect(await closed).toEqual([143, null]);
  });
});

describe("a signal", () => {
  it("ends predict while it waits for its input", async () => {
    const { child, outcome } = start(["predict", "--model", join(folder, "SIGINT", "model")]);
    const answered = once(child.stdout, "data");
    child.stdin.write("a great, superb film\n");
    await answered;
    child.kill("SIGTERM");
    const { code, stderr } = await outcome;
    expect(code).toBe(143);
    expect(stderr).toMatch(/^ERR_RAT_ABORTED: /m);
  });
});
