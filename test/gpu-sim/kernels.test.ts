/** Our kernels on the simulated device beside the CPU's, under sanitizers and in any order of blocks and threads. */
import { describe, expect, test } from "vitest";
import { kernelsTest, runProgram } from "./programs.js";

describe.each(["address", "thread"] as const)("under the %s sanitizer", (sanitizer) => {
  test("the emulation of the kernel language does what CUDA does, and refuses what CUDA does not define", async () => {
    const { code, output } = await runProgram(sanitizer, "emulation_test");
    expect(output).toContain("emulation: all well");
    expect(code).toBe(0);
  });

  test("every kernel gives what the CPU gives", async () => {
    // A fiber for each CUDA thread makes TSan slow.
    const { code, output } = await kernelsTest(sanitizer, { quick: sanitizer === "thread" });
    expect(output).toMatch(/^[1-9]\d* checks, 0 failed, bits [0-9a-f]{16}$/m);
    expect(code).toBe(0);
  });
});

test("the order of blocks and threads changes no bit", async () => {
  const bits = [];
  for (const order of ["", "reverse", "shuffle"]) {
    const { output } = await kernelsTest("address", { quick: true, order });
    bits.push(/bits (\w+)/.exec(output)?.[1]);
  }
  expect(bits[0]).toBeDefined();
  expect(bits).toEqual([bits[0], bits[0], bits[0]]);
});
