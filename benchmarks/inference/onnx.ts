/** The runner of inference with `onnxruntime-node`: padded batches of texts of like length, with the same tokenizer. */
import { createRequire } from "node:module";
import { loadTokenizer } from "r-at";
import { readCase, serve } from "./serve.js";

/** The little of onnxruntime-node that is used; it is no dependency of this package. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(
      path: string,
      options: { intraOpNumThreads: number },
    ): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: Float32Array }>>;
    }>;
  };
  readonly Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => unknown;
}

const BATCH = 32;
const { folder, texts, threads, onnx } = readCase();
const { InferenceSession, Tensor } = createRequire(import.meta.url)("onnxruntime-node") as OnnxRuntime;
const session = await InferenceSession.create(onnx, { intraOpNumThreads: threads });
const tokenizer = await loadTokenizer(folder);

await serve(async () => {
  const { tokens, starts } = await tokenizer.encodeAll(
    texts.map((text) => ({ text })),
    { maxLength: 128 },
  );
  const lengthOf = (row: number) => (starts[row + 1] ?? 0) - (starts[row] ?? 0);
  const order = Array.from(texts.keys()).sort((a, b) => lengthOf(a) - lengthOf(b));
  const probabilities = new Array<number>(texts.length);
  for (let first = 0; first < order.length; first += BATCH) {
    const rows = order.slice(first, first + BATCH);
    const longest = Math.max(...rows.map(lengthOf));
    const ids = new BigInt64Array(rows.length * longest);
    rows.forEach((row, i) => {
      for (let t = 0; t < lengthOf(row); t++)
        ids[i * longest + t] = BigInt(tokens[(starts[row] ?? 0) + t] ?? 0);
    });
    const lengths = BigInt64Array.from(rows, (row) => BigInt(lengthOf(row)));
    const { logits } = await session.run({
      ids: new Tensor("int64", ids, [rows.length, longest]),
      lengths: new Tensor("int64", lengths, [rows.length]),
    });
    const classes = (logits?.data.length ?? 0) / rows.length;
    rows.forEach((row, i) => {
      const all = [...(logits?.data.subarray(i * classes, (i + 1) * classes) ?? [])].map(Math.exp);
      probabilities[row] = (all[0] ?? 0) / all.reduce((sum, value) => sum + value, 0);
    });
  }
  return probabilities;
});
await tokenizer.dispose();
