// npm run test:browser: pages in headless Chromium, the one that RAT_CHROMIUM names or `chromium` of the PATH. Where there is
// none it says so and ends with "SKIPPED" and exit 0. Arguments go to vitest.
import { spawnSync } from "node:child_process";

const { RAT_CHROMIUM = "chromium" } = process.env;
if (spawnSync(RAT_CHROMIUM, ["--version"], { stdio: "ignore" }).status !== 0) {
  console.log(
    "test-browser: SKIPPED: there is no chromium on the PATH (apt-get install chromium), and RAT_CHROMIUM names none",
  );
  process.exit(0);
}
const { status } = spawnSync("npx", ["vitest", "run", "--project", "browser", ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exit(status ?? 1);
