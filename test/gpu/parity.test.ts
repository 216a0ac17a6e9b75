/** Ten steps of every model and method beside plain PyTorch and transformers, on a GPU. Needs a CUDA build and a device. */
import { describe, test } from "vitest";
import { native } from "#dist/native/binding.js";
import { encoderCases, expectEncoderParity } from "../support/encoders.js";
import { expectParity, parityCases } from "../support/parity.js";

const { cudaBuild, cudaDevices } = native().buildInfo();
if (cudaDevices.length === 0)
  console.warn(
    `gpu: SKIPPED: ${cudaBuild ? "no CUDA device can be used" : "the addon was built for the CPU"}; see: npx r-at doctor`,
  );

describe.runIf(cudaDevices.length > 0).each(["fp32", "fp64"] as const)(
  "parity with PyTorch on CUDA in %s",
  (precision) => {
    test.each(parityCases)("%s", (_, c) => expectParity(c, "cuda:0", precision));
    test.each(encoderCases)("%s", (_, c) => expectEncoderParity(c, "cuda:0", precision));
  },
);
