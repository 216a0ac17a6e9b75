/**
 * TensorBoard's event files: records of a length, its checksum, a protobuf `Event` and its checksum (tensorflow/core/util/event.proto,
 * summary.proto; tensorflow/core/lib/io/record_writer.h).
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A number at a step. */
export interface Scalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
}

/** The bytes of a file. `seconds` since 1970: TensorBoard wants a time for everything, and a log has none. */
export function eventFile(scalars: readonly Scalar[], seconds: number): Uint8Array {
  const first = new BinaryWriter();
  first.tag(1, WireType.Bit64).double(seconds);
  first.tag(3, WireType.LengthDelimited).string("brain.Event:2");
  return Buffer.concat([first.finish(), ...scalars.map((scalar) => eventOf(scalar, seconds))].map(recordOf));
}

/** Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } } */
function eventOf({ tag, step, value }: Scalar, seconds: number): Uint8Array {
  const one = new BinaryWriter();
  one.tag(1, WireType.LengthDelimited).string(tag);
  one.tag(2, WireType.Bit32).float(value);
  const summary = new BinaryWriter();
  summary.tag(1, WireType.LengthDelimited).bytes(one.finish());
  const event = new BinaryWriter();
  event.tag(1, WireType.Bit64).double(seconds);
  event.tag(2, WireType.Varint).int64(step);
  event.tag(5, WireType.LengthDelimited).bytes(summary.finish());
  return event.finish();
}

function recordOf(data: Uint8Array): Buffer {
  const record = Buffer.alloc(12 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedChecksum(data), 12 + data.length);
  return record;
}

/** CRC-32C, rotated and moved, so that a checksum of data that hold checksums is none of theirs. */
function maskedChecksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, reflected. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});
