/** Ten steps of every from-scratch model and method beside plain PyTorch, on the CPU. */
import { describe, test } from "vitest";
import { expectParity, parityCases } from "../support/parity.js";

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(parityCases)("%s", (_, c) => expectParity(c, "cpu", precision));
});
