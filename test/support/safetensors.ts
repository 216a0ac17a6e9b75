/** A few lines that read what the library wrote, independent of the library's own reader. */
import { readFileSync } from "node:fs";

/** Values of every F32 or F64 tensor of a safetensors file, by name. */
export function readSafetensors(path: string): Map<string, Float64Array> {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Float64Array>();
  for (const [name, { dtype, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const data = bytes.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1]);
    const width = dtype === "F64" ? 8 : 4;
    const read = (i: number) =>
      dtype === "F64" ? data.readDoubleLE(i * width) : data.readFloatLE(i * width);
    tensors.set(
      name,
      Float64Array.from({ length: data.length / width }, (_, i) => read(i)),
    );
  }
  return tensors;
}
