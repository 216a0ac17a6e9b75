/** The worker thread behind a tokenizer: failures, crashes, and what keeps a process alive. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { WorkerClient } from "#dist/worker/client.js";
import { expectError } from "../support/expect-error.js";

interface TestCalls {
  echo: { input: unknown; output: { input: unknown } };
  fail: { input: null; output: object };
  exit: { input: null; output: object };
  crash: { input: null; output: object };
  wait: { input: number; output: { waited: number } };
}

const WORKER = new URL("./fixtures/test-worker.mjs", import.meta.url);
const PACKAGE = new URL("../../", import.meta.url);

const clients: { dispose(): Promise<void> }[] = [];

function start(data: { failsToOpen?: boolean } = {}): WorkerClient<object, TestCalls> {
  const client = new WorkerClient<object, TestCalls>(WORKER, data, "test");
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
});

describe("WorkerClient", () => {
  it("answers calls, synchronous ones too", async () => {
    const client = start();
    expect(client.callSync("echo", "first")).toEqual({ input: "first" });
    expect(await client.call("echo", "second")).toEqual({ input: "second" });
    expect(client.callSync("echo", "third")).toEqual({ input: "third" });
  });

  it("answers a synchronous call before those that wait", async () => {
    const client = start();
    const order: string[] = [];
    const busy = client.call("wait", 50).then(() => order.push("busy"));
    const waiting = client.call("wait", 50).then(() => order.push("waiting"));
    client.callSync("echo", null);
    order.push("synchronous");
    await Promise.all([busy, waiting]);
    expect(order).toEqual(["synchronous", "busy", "waiting"]);
  });

  it("fails every call with what opening failed with", async () => {
    const client = start({ failsToOpen: true });
    await expectError(() => client.call("echo", 1), "ERR_RAT_TOKENIZER_INVALID", /cannot open/);
    await expectError(() => client.callSync("echo", 1), "ERR_RAT_TOKENIZER_INVALID", /cannot open/);
  });

  it("passes an unforeseen error on as internal, and goes on", async () => {
    const client = start();
    await expectError(() => client.call("fail", null), "ERR_RAT_INTERNAL", /a bug/);
    await expectError(() => client.callSync("fail", null), "ERR_RAT_INTERNAL", /a bug/);
    expect(client.callSync("echo", 1)).toEqual({ input: 1 });
  });

  it.each(["exit", "crash"] as const)("rejects what is pending when the worker dies (%s)", async (how) => {
    const client = start();
    const dying = expectError(() => client.call(how, null), "ERR_RAT_INTERNAL", /worker thread/);
    const queued = expectError(() => client.call("echo", 1), "ERR_RAT_INTERNAL", /worker thread/);
    await Promise.all([dying, queued]);
    expect(await client.call("echo", "restarted")).toEqual({ input: "restarted" });
  });

  it.each(["exit", "crash"] as const)("does not hang in a synchronous call (%s)", async (how) => {
    const client = start();
    await expectError(() => client.callSync(how, null), "ERR_RAT_INTERNAL", /ended unexpectedly/);
    expect(client.callSync("echo", "restarted")).toEqual({ input: "restarted" });
  });

  it("bad call - after dispose, and what was pending", async () => {
    const client = start();
    const pending = expectError(() => client.call("wait", 30), "ERR_RAT_DISPOSED", /test has been disposed/);
    await client.dispose();
    await pending;
    await expectError(() => client.call("echo", 1), "ERR_RAT_DISPOSED", /disposed/);
    await expectError(() => client.callSync("echo", 1), "ERR_RAT_DISPOSED", /disposed/);
  });

  it("is disposed without ever having started", async () => {
    const client = start();
    await client.dispose();
    await expectError(() => client.call("echo", 1), "ERR_RAT_DISPOSED", /disposed/);
  });
});

describe("a process with a tokenizer", () => {
  const run = async (program: string) => {
    const source = `import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
      const texts = Array.from({ length: 2000 }, (_, i) => ({ text: "a word or two ".repeat(i % 50 + 1) }));
      const tokenizer = await trainTokenizer(texts);
      ${program}`;
    const args = ["--input-type=module", "--eval", source];
    return promisify(execFile)(process.execPath, args, { cwd: PACKAGE, timeout: 30_000 }).then(
      ({ stdout }) => ({ code: 0, stdout: stdout.trim() }),
      ({ code, stdout }: { code: number | null; stdout: string }) => ({ code, stdout: stdout.trim() }),
    );
  };

  it("ends by itself while the tokenizer is idle", async () => {
    expect(await run(`tokenizer.encode("a"); console.log("idle");`)).toEqual({ code: 0, stdout: "idle" });
  });

  it("lives until a pending encodeAll is done", async () => {
    const program = `tokenizer.encodeAll(texts, { maxLength: 100 }).then((all) => console.log(all.starts.length));`;
    expect(await run(program)).toEqual({ code: 0, stdout: "2001" });
  });

  it("exits with the code asked for in the middle of encoding", async () => {
    const program = `void tokenizer.encodeAll(texts, { maxLength: 100 }); setTimeout(() => process.exit(7), 3);`;
    expect(await run(program)).toEqual({ code: 7, stdout: "" });
  });
});
