import { describe, expect, it } from "vitest";
import { isRATError } from "#dist/errors.js";
import { batchIndices, packBatch } from "#dist/inference/batching.js";

const encoded = {
  tokens: Int32Array.of(10, 20, 21, 30, 31, 32),
  tokenTypes: Uint8Array.of(0, 0, 1, 0, 1, 1),
  starts: Int32Array.of(0, 1, 3, 6),
  truncated: 0,
};

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return isRATError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("batchIndices", () => {
  it("cuts the order into pieces and keeps the smaller last one", () => {
    const batches = batchIndices(Int32Array.of(4, 2, 0, 1, 3), 2);
    expect(batches).toEqual([Int32Array.of(4, 2), Int32Array.of(0, 1), Int32Array.of(3)]);
    expect(batchIndices(Int32Array.of(1, 0), 5)).toEqual([Int32Array.of(1, 0)]);
    expect(batchIndices(new Int32Array(0), 5)).toEqual([]);
  });

  it.each([0, -1, 1.5, Number.NaN])("bad call - a batch size of %d", (size) => {
    expect(codeOf(() => batchIndices(Int32Array.of(0), size))).toBe("ERR_RAT_INVALID_ARG");
  });
});

describe("packBatch", () => {
  it("lays texts end to end in the order of the rows, with their labels and ids", () => {
    expect(packBatch(encoded, Int32Array.of(7, 8, 9), Int32Array.of(2, 0))).toEqual({
      tokens: Int32Array.of(30, 31, 32, 10),
      tokenTypes: Uint8Array.of(0, 1, 1, 0),
      sequenceStarts: Int32Array.of(0, 3, 4),
      exampleIds: Int32Array.of(2, 0),
      labels: Int32Array.of(9, 7),
    });
  });

  it("leaves out what there is not, keeps scores as floats, and copies everything", () => {
    const { tokenTypes: _, ...plain } = encoded;
    const rows = Int32Array.of(1, 1);
    const batch = packBatch(plain, Float32Array.of(0.5, 1.5, 2.5), rows);
    rows[0] = 2;
    expect(batch).toEqual({
      tokens: Int32Array.of(20, 21, 20, 21),
      sequenceStarts: Int32Array.of(0, 2, 4),
      exampleIds: Int32Array.of(1, 1),
      labels: Float32Array.of(1.5, 1.5),
    });
    expect(packBatch(plain, undefined, Int32Array.of(0))).not.toHaveProperty("labels");
  });

  it.each([-1, 3])("bad call - row %d of three texts", (row) => {
    expect(codeOf(() => packBatch(encoded, undefined, Int32Array.of(row)))).toBe("ERR_RAT_INVALID_ARG");
  });

  it("bad call - labels of another number", () => {
    expect(codeOf(() => packBatch(encoded, Int32Array.of(1, 2), Int32Array.of(0)))).toBe(
      "ERR_RAT_INVALID_ARG",
    );
  });
});
