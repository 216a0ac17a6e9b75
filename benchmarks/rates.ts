/** What the machine can do at best, by operators of LibTorch alone: what utilisation is measured against. */
import type { NativeModelOptions, NativeTrainer, NativeTrainerOptions } from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";
import { benchmarkModel } from "./workloads/models.js";

/** Operations a second of a matrix product of 2,048 rows, by precision, and bytes a second of a copy. */
export interface Rates {
  readonly flopPerSecond: Readonly<Record<"fp32" | "bf16", number>>;
  readonly bytesPerSecond: number;
}

const PRODUCT = { sequences: 64, length: 32, width: 2048, outputs: 2048, heads: 1 };
/** 256 MB: past every cache. */
const COPY = { sequences: 1024, length: 64, width: 1024, outputs: 1, heads: 1 };

/** The fastest of several, so that a disturbance does not make everything else look better. */
export async function measureRates(device: string, threads: number): Promise<Rates> {
  const best = async (precision: "fp32" | "bf16", operator: string, shape: typeof PRODUCT) =>
    withOperators({ device, threads, precision }, async (trainer) => {
      const { forwardMs: once } = await trainer.timeOperator(operator, shape, 1);
      const repetitions = Math.max(1, Math.min(12, Math.round(1500 / (once[0] ?? 1))));
      const { forwardMs, flop, bytes } = await trainer.timeOperator(operator, shape, repetitions);
      return (flop + bytes) / (Math.min(...forwardMs) / 1000);
    });
  return {
    flopPerSecond: {
      fp32: await best("fp32", "matmul", PRODUCT),
      bf16: await best("bf16", "matmul", PRODUCT),
    },
    bytesPerSecond: await best("fp32", "copy", COPY),
  };
}

type Where = Pick<NativeTrainerOptions, "device" | "threads" | "precision">;

/** A trainer for its operators alone. */
export async function withOperators<T>(
  where: Where,
  use: (trainer: NativeTrainer) => Promise<T>,
): Promise<T> {
  return withModel(benchmarkModel("bert-tiny").options, where, use);
}

/** A native model that is not trained, disposed of afterwards. */
export async function withModel<T>(
  model: NativeModelOptions,
  where: Where,
  use: (trainer: NativeTrainer) => Promise<T>,
): Promise<T> {
  const trainer = new (native().Trainer)({
    model,
    kind: "classification",
    regularizer: {
      ...{ type: "none", forwards: 1, epsilon: [0], klWeight: 0, klReduction: "batch-mean" },
      ...{ cleanDropout: 0, forwardDropout: [0] },
    },
    optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 },
    seed: 1,
    ...where,
  });
  try {
    return await use(trainer);
  } finally {
    await trainer.dispose();
  }
}
