#!/usr/bin/env node
/** The `r-at` command. Only what must happen before and after everything else stands here. */
import { toFailure } from "./failure.js";
import { guardStreams } from "./output.js";
import { fail, runCli } from "./program.js";

guardStreams();
// What nobody awaited, and so nobody reported. A bug of ours, but the user should not meet a bare stack.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => void fail(toFailure(error)).finally(() => process.exit(1)));
}

// An explicit exit: the result is out, and nothing that is left (a pool, a worker) may keep the command from ending.
process.exit(await runCli(process.argv.slice(2)));
