// Adds up what `.ci/run` recorded in a folder and prints the closing line. A part with a vitest report counts its tests;
// every other part counts as one. A part that failed counts a failure even if its report shows none: it may have ended
// before it was written, or failed outside any test.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
const total = { passed: 0, failed: 0, skipped: 0 };

const rows = readFileSync(join(folder, "parts.tsv"), "utf8").split("\n").filter(Boolean);
for (const [name, outcome] of rows.map((row) => row.split("\t"))) {
  const report = join(folder, `${name}.json`);
  if (!existsSync(report)) {
    total[outcome]++;
    continue;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, "utf8"));
  total.passed += numPassedTests;
  total.failed += numFailedTests;
  total.skipped += numPendingTests + numTodoTests;
  if (outcome === "failed" && numFailedTests === 0) total.failed++;
}

console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
