/** A few lines that read what the library wrote, independent of the library's own reader. */
import { readFileSync, writeFileSync } from "node:fs";

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

/** Writes F64 tensors in the order of the map; those of one dimension unless `shapes` says otherwise. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Float64Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, values] of tensors) {
    header[name] = {
      dtype: "F64",
      shape: shapes.get(name) ?? [values.length],
      data_offsets: [end, end + 8 * values.length],
    };
    end += 8 * values.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = [...tensors.values()].map((values) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  writeFileSync(path, Buffer.concat([length, text, ...data]));
}
