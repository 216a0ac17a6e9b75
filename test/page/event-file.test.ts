/** TensorBoard's event files, byte by byte; its own reader reads them in test/reference. */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { eventFile } from "#dist/page/event-file.js";
import { scalarsOf } from "#dist/page/scalars.js";

/** Bitwise, as the standard has it. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function unmasked(value: number): number {
  const rotated = (value - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

test("CRC-32C is the standard's", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("records hold a version, then each number with its name and step", () => {
  const file = Buffer.from(eventFile([{ tag: "train/loss", step: 300, value: 0.5 }], 1_700_000_000));
  const [first, second, ...others] = recordsOf(file);
  expect(others).toEqual([]);
  expect(String(first)).toContain("brain.Event:2");
  const reader = new BinaryReader(second ?? new Uint8Array());
  reader.tag();
  expect(reader.double()).toBe(1_700_000_000);
  reader.tag();
  expect(Number(reader.int64())).toBe(300);
  reader.tag();
  const summary = new BinaryReader(reader.bytes());
  summary.tag();
  const value = new BinaryReader(summary.bytes());
  value.tag();
  expect(value.string()).toBe("train/loss");
  value.tag();
  expect(value.float()).toBe(0.5);
});

test("a log's numbers have names by their kind, and what is not finite is left out", () => {
  const step = {
    type: "step" as const,
    ...{ step: 4, epoch: 0, loss: 1.5, cleanLoss: 1, adversarialLoss: Number.NaN, klLoss: 0.5 },
    ...{ deltaNorm: 1, gradNorm: 2, learningRate: 0.1, examples: 8, tokens: 80 },
  } as const;
  const scalars = scalarsOf({
    steps: [step],
    evaluations: [
      { type: "eval", step: 5, epoch: 0, split: "dev", loss: 0.7, metrics: { accuracy: 0.9, f1: null } },
    ],
    diagnostics: [
      { type: "diagnostics", step: 6, inputGradientNorm: 1, submodelDivergence: 2, averagingGap: 3 },
    ],
  });
  expect(scalars.map(({ tag, step: at }) => `${tag} ${at}`)).toEqual([
    ...["loss", "cleanLoss", "klLoss", "deltaNorm", "gradNorm", "learningRate"].map(
      (name) => `train/${name} 4`,
    ),
    ...["dev/loss 5", "dev/accuracy 5"],
    ...["inputGradientNorm", "submodelDivergence", "averagingGap"].map((name) => `diagnostics/${name} 6`),
  ]);
});
