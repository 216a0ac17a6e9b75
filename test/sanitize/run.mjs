// npm run test:asan: builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer into build-asan/ and runs a part
// of the suite on it (project `asan` in vitest.config.ts). Node and LibTorch themselves are not instrumented, so leaks are
// not looked for (test:stress does), and what is found is in this project's code or handed to it. Arguments go to vitest.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../native/setup/run.mjs";
import { buildVariant, ROOT } from "../support/addon-variant.mjs";

const { tools } = await buildVariant(
  "build-asan",
  { RAT_SANITIZE: "ON" },
  { again: "npm run test:asan", kind: "sanitized" },
);

// The sanitizers must be in the process before Node is.
const { stdout } = await run(tools.compiler.path, ["-print-file-name=libasan.so"]);
const asan = stdout.trim();
if (!existsSync(asan)) throw new Error(`${tools.compiler.path} has no libasan.so; install GCC's sanitizers`);
const { status, signal } = spawnSync(
  process.execPath,
  [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--project", "asan", ...process.argv.slice(2)],
  {
    cwd: ROOT,
    stdio: "inherit",
    env: {
      ...process.env,
      RAT_ADDON_BUILD: "build-asan",
      LD_PRELOAD: asan,
      ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:detect_odr_violation=0",
      UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
    },
  },
);
process.exitCode = signal ? 1 : status;
