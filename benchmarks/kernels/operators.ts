/**
 * Each operator under its own name, at the shapes of the models that use it, as a fraction of what the machine can do: of its
 * matrix rate where products are the work, of its copy bandwidth where moving memory is.
 */
import type { NativeOperatorShape } from "#dist/native/binding.js";
import { type Rates, withOperators } from "../rates.js";
import { median } from "../statistics.js";

interface OperatorCase {
  readonly operator: string;
  readonly where: string;
  readonly shape: NativeOperatorShape;
  readonly precisions: readonly ("fp32" | "bf16")[];
}

const shape = (length: number, width: number, outputs: number, heads = 12): NativeOperatorShape => ({
  ...{ sequences: 32, length, width, outputs, heads },
});
const BOTH = ["fp32", "bf16"] as const;
const FP32 = ["fp32"] as const;

export const operatorCases: readonly OperatorCase[] = [
  { operator: "linear", where: "minilm, feed-forward", shape: shape(32, 384, 1536), precisions: BOTH },
  { operator: "linear", where: "bert-base, feed-forward", shape: shape(32, 768, 3072), precisions: BOTH },
  { operator: "linear_gelu", where: "minilm, feed-forward", shape: shape(32, 384, 1536), precisions: BOTH },
  { operator: "attention", where: "minilm, 12 tokens", shape: shape(12, 384, 384), precisions: BOTH },
  { operator: "attention", where: "minilm, 128 tokens", shape: shape(128, 384, 384), precisions: BOTH },
  { operator: "dropout", where: "minilm, hidden states", shape: shape(32, 384, 384), precisions: FP32 },
  { operator: "add_norm", where: "minilm, hidden states", shape: shape(32, 384, 384), precisions: FP32 },
  { operator: "embedding_norm", where: "minilm", shape: shape(32, 384, 384), precisions: FP32 },
  { operator: "conv_max_pool", where: "textcnn", shape: shape(64, 300, 256), precisions: FP32 },
  { operator: "lstm", where: "bilstm, first layer", shape: shape(16, 300, 128), precisions: FP32 },
  { operator: "gru", where: "texthan", shape: shape(16, 300, 128), precisions: FP32 },
  { operator: "attention_pool", where: "texthan", shape: shape(64, 256, 256), precisions: FP32 },
  { operator: "losses", where: "119 classes, two forwards", shape: shape(1, 1, 119), precisions: FP32 },
];

export interface OperatorResult {
  readonly operator: string;
  readonly where: string;
  readonly precision: string;
  readonly forwardMs: number;
  /** Null where there is none. */
  readonly backwardMs: number | null;
  /** Of the machine's matrix rate, or of its copy bandwidth. */
  readonly fraction: number;
  readonly of: "matrix rate" | "copy bandwidth";
}

/** Repetitions of an operator: as many as fit into a second. */
const MOST = 20;
const MILLISECONDS = 1000;

export async function measureOperators(
  where: { device: string; threads: number },
  rates: Rates,
): Promise<OperatorResult[]> {
  const results: OperatorResult[] = [];
  for (const { operator, where: place, shape: sizes, precisions } of operatorCases)
    for (const precision of precisions) {
      const times = await withOperators({ ...where, precision }, async (trainer) => {
        const { forwardMs, backwardMs } = await trainer.timeOperator(operator, sizes, 1);
        const once = (forwardMs[0] ?? 0) + (backwardMs[0] ?? 0);
        return trainer.timeOperator(operator, sizes, Math.min(MOST, Math.ceil(MILLISECONDS / once)));
      });
      const forwardMs = median([...times.forwardMs]);
      const backwardMs = times.backwardMs.length > 0 ? median([...times.backwardMs]) : null;
      const seconds = (forwardMs + (backwardMs ?? 0)) / 1000;
      const ofProducts = times.flop > 0;
      const best = ofProducts ? rates.flopPerSecond[precision] : rates.bytesPerSecond;
      results.push({
        ...{ operator, where: place, precision, forwardMs, backwardMs },
        fraction: (ofProducts ? times.flop : times.bytes) / seconds / best,
        of: ofProducts ? "matrix rate" : "copy bandwidth",
      });
    }
  return results;
}
