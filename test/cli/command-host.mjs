// Runs commands of the command line one after the other in one process, for tests that look at what a command says and does: most
// of a short command's time is the start of Node and LibTorch. What ends a process, or comes from outside of it (signals,
// environment, pipes), is for `start` of cli.ts.
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const [main] = process.argv.slice(2);
const { runCli } = await import(new URL("program.js", pathToFileURL(main)));
const here = process.cwd();

process.on("message", async ({ args, input, cwd }) => {
  const written = { stdout: "", stderr: "" };
  for (const name of /** @type {const} */ (["stdout", "stderr"])) {
    process[name].write = (chunk, encoding, done = encoding) => {
      written[name] += String(chunk);
      if (typeof done === "function") process.nextTick(done);
      return true;
    };
  }
  Object.defineProperty(process, "stdin", { value: Readable.from([Buffer.from(input)]), configurable: true });
  process.argv = [process.execPath, main, ...args];
  process.chdir(cwd ?? here);
  const code = await runCli(args);
  process.exitCode = undefined;
  for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
  process.chdir(here);
  process.send({ code, ...written });
});
process.on("disconnect", () => process.exit());
process.send("ready");
