/**
 * Tests import the built package (`r-at`, `#dist/...`), so that they see what a user gets; `npm test` builds it first.
 * Projects keep apart what may be absent: nothing is skipped inside `npm test`.
 */
import { defineConfig } from "vitest/config";

const shared = {
  ...{ pool: "forks" as const, maxWorkers: 2, testTimeout: 60_000, hookTimeout: 60_000 },
  globalSetup: ["test/support/temporary-files.ts"],
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          // LibTorch is loaded once by each of both workers, not once by each of 120 files.
          isolate: false,
          // Tests also wait: for processes, clocks and disks.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["browser", "data", "gpu", "gpu-sim", "stress", "reference", "newcomer"].map(
            (name) => `test/${name}/**`,
          ),
        },
      },
      { test: { ...shared, name: "data", include: ["test/data/**/*.test.ts"], testTimeout: 1_200_000 } },
      // Alone on the machine: what it measures is time and memory.
      { test: { ...shared, maxWorkers: 1, name: "stress", include: ["test/stress/**/*.test.ts"], retry: 0 } },
      // With the sanitizers' addon, by `npm run test:asan`: every entry point, model and method, threads, lifetimes, misuse.
      {
        test: {
          ...shared,
          name: "asan",
          testTimeout: 300_000,
          include: [
            "test/native/{parity,ascent,features,methods,pairs,product,diagnostics,known-failures,micro-batches,learning,encoder-parity,properties,non-finite,philox,lifetime}.test.ts",
            "test/misuse/{bad-calls,matrix}.test.ts",
            "test/files/*.test.ts",
            "test/trainer/states.test.ts",
          ],
        },
      },
      { test: { ...shared, name: "reference", include: ["test/reference/**/*.test.ts"] } },
      {
        test: { ...shared, name: "newcomer", include: ["test/newcomer/**/*.test.ts"], testTimeout: 300_000 },
      },
      { test: { ...shared, name: "browser", include: ["test/browser/**/*.test.ts"] } },
      { test: { ...shared, name: "gpu", include: ["test/gpu/**/*.test.ts"] } },
      // With the simulated device's addon, by `npm run test:gpu-sim`.
      {
        test: { ...shared, name: "gpu-sim", include: ["test/gpu-sim/**/*.test.ts"], testTimeout: 900_000 },
      },
    ],
  },
});
