/** Ten steps of every model and method beside plain PyTorch and transformers, on a GPU. */
import { describe, test } from "vitest";
import { encoderCases, encoderModels, expectBf16, expectEncoderParity } from "../support/encoders.js";
import { describeOnGpu, sample } from "../support/gpu.js";
import { expectParity, parityCases } from "../support/parity.js";

describeOnGpu("beside PyTorch on CUDA", () => {
  describe.each(["fp32", "fp64"] as const)("in %s", (precision) => {
    test.each(sample(parityCases, 7))("%s", (_, c) => expectParity(c, "cuda:0", precision));
    test.each(sample(encoderCases, 5))("%s", (_, c) => expectEncoderParity(c, "cuda:0", precision));
  });
  test.each(encoderModels)("in bf16: %s", (_, model) => expectBf16(model, "cuda:0"));
});
