/** TF32 is a choice of the whole process: trainers that live together must agree. What it computes no simulated device shows. */
import { expect, test } from "vitest";
import { describeOnGpu } from "../support/gpu.js";
import { examplesOf, tinyTrainer } from "../support/tiny-models.js";

const made = async (precision: "fp32" | "tf32" | "fp64", device = "cuda:0") => {
  const trainer = tinyTrainer("bert", { precision, device });
  await trainer.parameters().catch(async (error: unknown) => {
    await trainer.dispose();
    throw error;
  });
  return trainer;
};

describeOnGpu("products in TF32", () => {
  test("train, and are refused beside products in full fp32 as long as those live", async () => {
    const exact = await made("fp32");
    await expect(made("tf32")).rejects.toMatchObject({
      code: "ERR_RAT_CONFIG",
      message: expect.stringMatching(/lives that multiplies in full fp32.*dispose of it first/),
    });
    const [onCpu, inDouble] = await Promise.all([made("fp32", "cpu"), made("fp64")]);
    await exact.dispose();
    const fast = await made("tf32");
    expect((await fast.trainStep(examplesOf([1, 2, 3]), 1, 0.1)).loss).toBeGreaterThan(0);
    await expect(made("fp32")).rejects.toMatchObject({ message: expect.stringContaining("in TF32") });
    await Promise.all([fast, onCpu, inDouble].map((trainer) => trainer.dispose()));
  });

  test("are for a GPU", async () => {
    await expect(made("tf32", "cpu")).rejects.toMatchObject({ code: "ERR_RAT_CONFIG" });
  });
});
